//! Slow clients, and clients that say nothing.

use super::{Seen, Site, echo_body, echo_target, mixed, request, respond, text};
use http::{Request, Response};
use std::time::Duration;
use trenza_core::Reactor;
use trenza_web::{Body, Server};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_head_that_trickles_is_refused_after_ten_seconds() {
    let site = Site::gentle(echo_target());
    let client = site.client();
    client.send_bytewise(request("GET /a-long-way-to-go", ""), SECOND);
    site.advance(9.5);
    assert_eq!(client.received(), b"");
    site.advance(1.0);
    let answer = text(&client.received());
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n") && answer.contains("connection: close"),
        "{answer}"
    );
    site.advance(6.0);
    assert!(client.lost());
}

#[test]
fn a_second_head_has_ten_seconds_of_its_own() {
    let site = Site::gentle(echo_target());
    let client = site.client();
    client.send(request("GET /1", ""));
    site.advance(30.0);
    client.take_received();
    client.send_bytewise(request("GET /a-long-way-to-go", ""), SECOND);
    site.advance(9.5);
    assert_eq!(client.received(), b"");
    site.advance(1.0);
    assert!(text(&client.received()).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_client_that_says_nothing_is_closed_silently() {
    let site = Site::gentle(echo_target());
    let client = site.client();
    site.advance(9.0);
    assert!(!client.lost());
    site.advance(2.0);
    assert!(client.eof() && client.received().is_empty());
}

#[test]
fn an_idle_connection_is_closed_after_a_minute() {
    let site = Site::gentle(echo_target());
    let client = site.client();
    client.send(request("GET /1", ""));
    site.advance(55.0);
    client.send(request("GET /2", ""));
    site.advance(55.0);
    assert!(!client.lost() && text(&client.received()).ends_with("GET /2"));
    site.advance(10.0);
    assert!(client.eof());
}

#[test]
fn a_body_of_one_byte_a_second_is_refused() {
    let site = Site::gentle(echo_body());
    let client = site.client();
    client.send(request("POST /", "content-length: 100\r\n"));
    client.send_bytewise(vec![b'x'; 100], SECOND);
    site.advance(9.0);
    assert!(client.received().is_empty());
    site.advance(3.0);
    let answer = text(&client.received());
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
}

#[test]
fn a_body_at_a_fair_rate_is_taken_however_long_it_is() {
    let site = Site::gentle(echo_body());
    let client = site.client();
    client.send(request("POST /", "content-length: 30000\r\n"));
    for _ in 0..60 {
        client.send(vec![b'x'; 500]);
        site.advance(1.0);
    }
    assert!(text(&client.received()).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_client_is_not_blamed_for_a_slow_handler() {
    let server = Server::new(|mut request: Request<Body>| async move {
        let mut count = 0;
        while let Some(data) = request.body_mut().next().await? {
            count += data.len();
            Reactor::current().sleep(15 * SECOND).await;
        }
        respond(Body::from(count.to_string()))
    });
    let site = Site::gentle(server);
    let client = site.client();
    client.send(request("POST /", "content-length: 200000\r\n"));
    client.send(vec![0; 200_000]);
    for _ in 0..400 {
        site.advance(10.0);
    }
    assert!(text(&client.received()).ends_with("200000"), "{}", text(&client.received()));
}

#[test]
fn a_client_that_waits_for_100_is_not_blamed() {
    let server = Server::new(|mut request: Request<Body>| async move {
        Reactor::current().sleep(100 * SECOND).await;
        respond(Body::from(request.body_mut().collect(100).await?))
    });
    let site = Site::gentle(server);
    let client = site.client();
    client.send(request("POST /", "content-length: 5\r\nexpect: 100-continue\r\n"));
    site.advance(99.0);
    assert!(client.received().is_empty());
    site.advance(2.0);
    assert_eq!(text(&client.take_received()), "HTTP/1.1 100 Continue\r\n\r\n");
    site.advance(9.0);
    assert!(client.received().is_empty());
    site.advance(2.0);
    assert!(text(&client.received()).starts_with("HTTP/1.1 408 "), "now it is");
}

#[test]
fn a_handler_may_take_minutes() {
    let server = Server::new(|_| async {
        Reactor::current().sleep(300 * SECOND).await;
        respond(Body::from("at last"))
    });
    let site = Site::gentle(server);
    let client = site.client();
    client.send(request("GET /", ""));
    site.advance(301.0);
    assert!(text(&client.received()).ends_with("at last"));
}

#[test]
fn a_client_that_never_reads_is_aborted_and_costs_little() {
    for fields in ["", "connection: close\r\n"] {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10 << 30).unwrap();
        let file = std::sync::Arc::new(file);
        let seen: Seen<bool> = Seen::default();
        let place = seen.clone();
        let server = Server::new(move |_| Response::new(Body::file(file.clone(), 0..10 << 30)))
            .on_response(move |record| place.borrow_mut().push(record.complete));
        let site = Site::gentle(server);
        let client = site.client();
        client.read(false);
        client.send(request("GET /", fields));
        site.advance(9.0);
        assert!(!client.lost() && site.port.connections() == 1);
        site.advance(12.0);
        assert_eq!(site.port.connections(), 0, "{fields:?}");
    }
}

#[test]
fn a_client_that_reads_a_byte_a_second_is_aborted() {
    let body = bytes::Bytes::from(vec![b'x'; 4 << 20]);
    let server = Server::new(move |_| Response::new(Body::from(body.clone())));
    let site = Site::gentle(server);
    let client = site.client();
    client.window(1);
    client.send(request("GET /", ""));
    for _ in 0..25 {
        client.read(true);
        site.net.advance(Duration::from_micros(1));
        client.read(false);
        site.advance(1.0);
    }
    assert_eq!(site.port.connections(), 0);
}

#[test]
fn pipelined_requests_of_a_client_that_never_reads_are_not_served() {
    let site = Site::gentle(mixed());
    let client = site.client();
    client.read(false);
    let path = format!("GET /now/{}", "x".repeat(4000));
    for _ in 0..500 {
        client.send(request(&path, ""));
    }
    site.advance(5.0);
    let (unread, unsent) = site.held();
    assert!(unread <= 300_000 && unsent <= 100_000, "{unread} unread, {unsent} unsent");
    client.read(true);
    site.net.run();
    assert_eq!(text(&client.received()).matches("200 OK").count(), 500);
}

#[test]
fn a_client_that_reads_at_a_fair_rate_gets_all_however_long_it_takes() {
    for fields in ["", "connection: close\r\n"] {
        let body = bytes::Bytes::from(vec![b'x'; 3_000_000]);
        let server = Server::new(move |_| Response::new(Body::from(body.clone())));
        let site = Site::gentle(server);
        site.net.window(1_000);
        let client = site.client();
        client.read(false);
        client.send(request("GET /", fields));
        while client.received().len() < 3_000_000 {
            site.advance(1.0);
            client.read(true);
            site.net.advance(Duration::from_micros(1));
            client.read(false);
            assert!(!client.was_reset(), "after {:?}", site.net.elapsed());
        }
        assert!(site.net.elapsed() > 30 * SECOND, "{:?}", site.net.elapsed());
        client.read(true);
        site.net.run();
        let received = client.received();
        assert!(
            received.ends_with(b"xxx") && received.len() > 3_000_000,
            "{} bytes, {fields:?}",
            received.len()
        );
        assert_eq!(client.eof(), !fields.is_empty());
    }
}

#[test]
fn a_client_that_was_held_back_has_its_time_anew() {
    let server = Server::new(|mut request: Request<Body>| async move {
        Reactor::current().sleep(Duration::from_millis(9500)).await;
        let body = request.body_mut().collect(1 << 20).await?;
        respond(Body::from(body.len().to_string()))
    });
    let site = Site::gentle(server);
    let client = site.client();
    client.send(request("POST /", "content-length: 100000\r\n"));
    client.send(vec![0; 99_000]);
    site.advance(15.0);
    assert!(client.received().is_empty(), "{}", text(&client.received()));
    client.send(vec![0; 1000]);
    site.net.run();
    assert!(text(&client.received()).ends_with("\r\n\r\n100000"));
}

#[test]
fn many_requests_in_one_segment_are_not_answered_faster_than_the_client_reads() {
    let body = bytes::Bytes::from(vec![b'x'; 60_000]);
    let server = Server::new(move |_| Response::new(Body::from(body.clone())));
    let site = Site::gentle(server);
    let client = site.client();
    client.read(false);
    client.send(request("GET /", "").repeat(1000));
    site.net.run();
    assert!(site.held().1 <= 300_000, "{:?}", site.held());
    client.read(true);
    site.net.run();
    assert_eq!(client.received().iter().filter(|b| **b == b'x').count(), 60_000_000);
}

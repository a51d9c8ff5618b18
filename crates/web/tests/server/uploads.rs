//! Uploads: backpressure, early answers, clients that stop in the middle.

use super::{Seen, Site, echo_target, request, respond, text};
use http::{Request, Response};
use std::time::Duration;
use trenza_core::Reactor;
use trenza_sim::{Net, for_seeds};
use trenza_web::{Body, Server, ServerLimits};

fn post(length: usize) -> String {
    request("POST /", &format!("content-length: {length}\r\n"))
}

/// Takes the body with a pause before every piece, and counts.
fn slow_counter(pause: Duration) -> Server {
    Server::new(move |mut request: Request<Body>| async move {
        let mut count = 0;
        loop {
            if !pause.is_zero() {
                Reactor::current().sleep(pause).await;
            }
            match request.body_mut().next().await? {
                Some(data) => count += data.len(),
                None => return respond(Body::from(count.to_string())),
            }
        }
    })
}

#[test]
fn a_handler_that_reads_slowly_slows_the_client_down() {
    for_seeds(0..10, |seed| {
        let site = Site::new(Net::new(seed), slow_counter(Duration::from_millis(1)));
        let client = site.client();
        client.send(post(1_000_000));
        client.send(vec![0; 1_000_000]);
        client.send(request("GET /next", ""));
        let mut most = 0;
        for _ in 0..20_000 {
            site.net.advance(Duration::from_millis(5));
            most = most.max(site.held().0);
            if text(&client.received()).matches("200 OK").count() == 2 {
                break;
            }
        }
        assert!(text(&client.received()).contains("\r\n\r\n1000000HTTP/1.1 200 OK"), "seed {seed}");
        assert!(most <= 400_000, "{most} bytes were unread");
    });
}

#[test]
fn a_handler_that_never_reads_costs_no_memory() {
    let server = Server::new(|request: Request<Body>| async move {
        Reactor::current().sleep(Duration::from_secs(100)).await;
        drop(request);
        respond(Body::empty())
    });
    let site = Site::gentle(server);
    let client = site.client();
    client.send(post(10_000_000));
    client.send(vec![0; 10_000_000]);
    site.advance(50.0);
    assert!(site.held().0 <= 200_000, "{:?}", site.held());
    assert!(client.unsent() > 9_000_000);
    assert!(!client.lost(), "it is not the client that is slow");
}

#[test]
fn a_413_in_the_middle_of_an_upload_arrives_whole() {
    let page = || Body::from("e".repeat(200 * 1024));
    for_seeds(0..20, |seed| {
        let server = Server::new(move |_| Response::builder().status(413).body(page()).unwrap());
        let site = Site::new(Net::new(seed), server);
        let client = site.client();
        client.send(post(8_000_000));
        client.send(vec![0; 900_000]);
        site.net.run();
        let received = text(&client.received());
        assert!(received.contains("connection: close\r\n"), "seed {seed}");
        assert_eq!(
            received.matches('e').count() - received.split_once("\r\n\r\n").unwrap().0.matches('e').count(),
            200 * 1024
        );
    });
    // By the limit, with a length and without one.
    let chunk = format!("{:x}\r\n", 17 << 20);
    for head in [post(100 << 20), request("POST /", "transfer-encoding: chunked\r\n") + &chunk] {
        let site = Site::gentle(slow_counter(Duration::ZERO));
        let client = site.client();
        client.send(head);
        client.send(vec![0; 500_000]);
        site.net.run();
        let received = text(&client.received());
        assert!(received.starts_with("HTTP/1.1 413 ") && received.ends_with("</html>\n"), "{received}");
        assert!(client.eof());
    }
}

#[test]
fn a_limit_that_is_reached_within_the_body_ends_the_handler_too() {
    let seen: Seen<String> = Seen::default();
    let place = seen.clone();
    let mut limits = ServerLimits::default();
    limits.message.body = 10;
    let server = Server::new(move |mut request: Request<Body>| {
        let place = place.clone();
        async move {
            while let Some(data) =
                request.body_mut().next().await.inspect_err(|e| place.borrow_mut().push(e.to_string()))?
            {
                place.borrow_mut().push(format!("{} bytes", data.len()));
            }
            respond(Body::empty())
        }
    })
    .limits(limits);
    let site = Site::gentle(server);
    let client = site.client();
    client.send(request("POST /", "transfer-encoding: chunked\r\n") + "6\r\nabcdef\r\n");
    site.net.run();
    client.send("6\r\nabcdef\r\n0\r\n\r\n");
    site.net.run();
    assert_eq!(*seen.borrow(), ["6 bytes", "body too large"]);
    assert!(text(&client.received()).starts_with("HTTP/1.1 413 "));
    assert!(client.eof());
}

#[test]
fn an_early_answer_to_a_long_upload_closes_and_to_a_short_one_does_not() {
    let site = Site::gentle(echo_target());
    let client = site.client();
    client.send(post(1000));
    site.net.run();
    assert!(!text(&client.take_received()).contains("connection: close"));
    client.send([vec![0; 1000], request("GET /next", "").into_bytes()].concat());
    site.net.run();
    assert!(text(&client.take_received()).ends_with("GET /next"));

    let client = site.client();
    client.send(post(1_000_000));
    site.net.run();
    assert!(text(&client.take_received()).contains("connection: close"));
    assert!(client.eof());
}

#[test]
fn a_client_that_goes_in_the_middle_is_told_to_the_handler() {
    let seen: Seen<String> = Seen::default();
    for reset in [false, true] {
        let place = seen.clone();
        let server = Server::new(move |mut request: Request<Body>| {
            let place = place.clone();
            async move {
                let error = request.body_mut().collect(100).await.unwrap_err();
                place.borrow_mut().push(error.to_string());
                respond(Body::empty())
            }
        });
        let site = Site::gentle(server);
        let client = site.client();
        client.send(post(10) + "abc");
        site.net.run();
        match reset {
            true => client.reset(),
            false => client.close_write(),
        }
        site.net.run();
        assert_eq!(
            seen.borrow_mut().pop().is_some(),
            !reset,
            "a connection that is gone takes its handler along"
        );
        if !reset {
            assert!(text(&client.received()).starts_with("HTTP/1.1 400 "));
        }
    }
}

#[test]
fn an_echo_streams_both_ways() {
    let server = || {
        Server::new(|mut request: Request<Body>| {
            let (mut sender, body) = Body::channel();
            let task = async move {
                while let Some(data) = request.body_mut().next().await? {
                    sender.send(data).await?;
                }
                sender.finish();
                Ok(())
            };
            Reactor::current().spawn(task).detach();
            Response::new(body)
        })
    };
    for_seeds(0..20, |seed| {
        let site = Site::new(Net::new(seed), server());
        let client = site.client();
        let data: Vec<u8> = (0..500_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
        client.send(request("POST /", "content-length: 500000\r\n"));
        client.send(&data);
        client.send(request("GET /", ""));
        site.net.run();
        let received = client.received();
        assert!(
            received.ends_with(b"0\r\n\r\n"),
            "seed {seed}: {:?}",
            text(&received[received.len().saturating_sub(300)..])
        );
        let letters = received.iter().filter(|b| **b == b'w').count();
        assert!(letters >= 500_000 / 23, "seed {seed}: {letters}");
        assert_eq!(text(&received).matches("200 OK").count(), 2, "seed {seed}");
    });
}

#[test]
fn a_client_that_sends_all_before_it_reads_gets_the_refusal_whole() {
    let server = Server::new(|_| {
        let page = Body::from("e".repeat(200 * 1024));
        Response::builder().status(413).body(page).unwrap()
    });
    let site = Site::gentle(server);
    let client = site.client();
    client.read(false);
    client.send(post(8_000_000));
    client.send(vec![0; 8_000_000]);
    site.net.run();
    assert_eq!(client.unsent(), 0);
    client.read(true);
    site.net.run();
    let received = client.received();
    assert!(received.ends_with(b"eee") && received.len() > 200 * 1024);
}

#[test]
fn a_client_that_sends_all_before_it_reads_gets_the_refusal_of_a_limit() {
    let site = Site::gentle(slow_counter(Duration::ZERO));
    let client = site.client();
    client.read(false);
    client.send(post(20_000_000));
    client.send(vec![0; 20_000_000]);
    site.net.run();
    assert_eq!(client.unsent(), 0);
    client.read(true);
    site.net.run();
    assert!(client.received().ends_with(b"</html>\n"));
}

#[test]
fn a_refused_client_that_stops_sending_has_time_to_read_the_refusal() {
    let page = bytes::Bytes::from(vec![b'e'; 3_000_000]);
    let server = Server::new(move |_| Response::new(Body::from(page.clone())));
    let site = Site::gentle(server);
    site.net.window(1_000);
    let client = site.client();
    client.read(false);
    client.send(post(8_000_000) + "a little");
    while client.received().len() < 3_000_000 {
        site.advance(1.0);
        client.read(true);
        site.net.advance(Duration::from_micros(1));
        client.read(false);
        assert!(!client.was_reset(), "after {:?}", site.net.elapsed());
    }
    assert!(site.net.elapsed() > Duration::from_secs(30));
}

#[test]
fn a_response_that_ends_before_a_long_upload_closes() {
    let server = Server::new(|mut request: Request<Body>| {
        let (mut sender, body) = Body::channel();
        let task = async move {
            let first = request.body_mut().next().await?.unwrap_or_default();
            sender.send(first.slice(..1)).await?;
            sender.finish();
            Reactor::current().sleep(Duration::from_secs(1)).await;
            assert!(request.body_mut().collect(1 << 30).await.is_err(), "nobody fills it any more");
            Ok(())
        };
        Reactor::current().spawn(task).detach();
        Response::new(body)
    });
    let site = Site::gentle(server);
    let client = site.client();
    client.send(post(8_000_000));
    client.send(vec![b'z'; 300_000]);
    site.advance(2.0);
    assert!(text(&client.received()).ends_with("1\r\nz\r\n0\r\n\r\n"));
    assert!(client.eof());
}

#[test]
fn a_handler_that_drops_the_body_does_not_ask_for_it() {
    let server = Server::new(|request: Request<Body>| async move {
        drop(request);
        Reactor::current().sleep(Duration::from_secs(1)).await;
        respond(Body::from("no, thanks"))
    });
    let site = Site::gentle(server);
    let client = site.client();
    client.send(request("POST /", "content-length: 5\r\nexpect: 100-continue\r\n"));
    site.advance(2.0);
    let answer = text(&client.received());
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("connection: close"), "{answer}");
}

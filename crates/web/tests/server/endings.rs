//! Panics, stops, resets, logs.

use super::{Seen, Site, echo_target, mixed, ok, request, respond, text};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use std::time::Duration;
use trenza_core::Reactor;
use trenza_sim::{Net, for_seeds};
use trenza_web::{Body, Record, Server};

/// Panics at once, later, or after the head, as the target says.
fn panicking() -> Server {
    Server::new(|request: Request<Body>| {
        let target = request.uri().path().to_owned();
        assert!(target != "/now", "as it was asked for");
        trenza_web::Answer::later(async move {
            assert!(target != "/later", "as it was asked for");
            if target == "/error" {
                return Err("as it was asked for".into());
            }
            if target == "/body" {
                let (mut sender, body) = Body::channel();
                let task = async move {
                    sender.send(Bytes::from_static(b"part")).await?;
                    assert!(target != "/body", "as it was asked for");
                    Ok(())
                };
                Reactor::current().spawn(task).detach();
                return respond(body);
            }
            respond(Body::from("fine"))
        })
    })
}

#[test]
fn a_handler_that_panics_or_fails_is_answered_with_500() {
    for path in ["/now", "/later", "/error"] {
        for_seeds(0..10, |seed| {
            let net = Net::new(seed);
            net.allow_panics();
            let site = Site::new(net, panicking());
            let (one, other) = (site.client(), site.client());
            one.send(request(&format!("GET {path}"), ""));
            site.net.run();
            let answer = text(&one.received());
            assert!(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{path}: {answer}");
            assert!(answer.contains("connection: close\r\n") && one.eof(), "{path}");
            other.send(request("GET /", ""));
            site.net.run();
            assert_eq!(text(&other.received()), ok("fine"));
        });
    }
}

#[test]
fn who_sends_a_body_that_nobody_reads_gets_the_last_response_whole() {
    let head = "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 60000\r\n\r\n";
    for_seeds(0..10, |seed| {
        let site = Site::new(Net::new(seed), Server::new(|_| Response::new(Body::from("no"))));
        let client = site.client();
        client.send(head);
        site.net.run();
        client.send(vec![b'x'; 60_000]);
        site.net.run();
        assert!(text(&client.received()).ends_with("no") && client.eof() && !client.was_reset());
    });
}

#[test]
fn a_panic_after_the_head_resets_the_connection_and_no_other() {
    let net = Net::gentle(1);
    net.allow_panics();
    let site = Site::new(net, panicking());
    let (one, other) = (site.client(), site.client());
    one.send(request("GET /body", ""));
    site.net.run();
    assert!(one.was_reset());
    other.send(request("GET /", ""));
    site.net.run();
    assert_eq!(text(&other.received()), ok("fine"));
}

#[test]
fn at_a_stop_idle_connections_close_and_busy_ones_finish() {
    for_seeds(0..20, |seed| {
        let site = Site::new(Net::new(seed), mixed());
        let (idle, fresh, busy, started) = (site.client(), site.client(), site.client(), site.client());
        idle.send(request("GET /now", ""));
        site.net.run();
        started.send("GET /now/s HTTP/1.1\r\n");
        busy.send(request("GET /slow", "") + &request("GET /now/never", ""));
        site.net.advance(Duration::from_millis(20));
        site.host.run(|reactor| reactor.stop());
        site.net.advance(Duration::from_millis(5));
        assert!(idle.eof() && fresh.eof() && !busy.lost(), "seed {seed}");
        started.send("host: a\r\n\r\n");
        site.advance(1.0);
        for (client, end) in [(&busy, "/slow "), (&started, "/now/s")] {
            let answer = text(&client.received());
            assert!(
                answer.contains("connection: close\r\n") && answer.ends_with(end),
                "seed {seed}: {answer}"
            );
            assert!(client.eof(), "seed {seed}");
        }
    });
}

#[test]
fn at_a_stop_nobody_waits_long_for_a_client_that_keeps_its_end_open() {
    let site = Site::gentle(mixed());
    let client = site.client();
    client.send(request("GET /now", ""));
    site.net.run();
    site.host.run(|reactor| reactor.stop());
    site.advance(0.5);
    assert!(client.eof() && site.host.is_running());
    site.advance(1.0);
    assert!(!site.host.is_running());
}

#[test]
fn at_a_stop_a_response_that_has_begun_is_completed() {
    let site = Site::gentle(Server::new(|_| {
        let (mut sender, body) = Body::channel();
        let task = async move {
            for _ in 0..5 {
                sender.send(Bytes::from_static(b"x")).await?;
                Reactor::current().sleep(Duration::from_millis(100)).await;
            }
            sender.finish();
            Ok(())
        };
        Reactor::current().spawn(task).detach();
        Response::new(body)
    }));
    let client = site.client();
    client.send(request("GET /", ""));
    site.advance(0.25);
    site.host.run(|reactor| reactor.stop());
    site.advance(1.0);
    assert!(client.received().ends_with(b"1\r\nx\r\n0\r\n\r\n") && client.eof());
}

#[test]
fn at_a_stop_a_connection_whose_long_response_was_read_closes() {
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    let site = Site::gentle(Server::new(move |_| Response::new(Body::from(body.clone()))));
    let client = site.client();
    client.send(request("GET /", ""));
    site.net.run();
    assert!(client.received().len() > 1 << 20 && !client.eof());
    site.host.run(|reactor| reactor.stop());
    site.net.run();
    assert!(client.eof());
}

#[test]
fn a_reset_at_any_moment_leaves_nothing_behind() {
    for_seeds(0..60, |seed| {
        let site = Site::new(Net::new(seed), mixed());
        let client = site.client();
        client.send(request("POST /slow", "content-length: 50000\r\n"));
        client.send(vec![0; 50_000]);
        client.send(request("GET /now", ""));
        site.net.advance(Duration::from_micros(seed * 1_500));
        client.reset();
        site.advance(3.0);
        assert_eq!(site.port.connections(), 0);
        let other = site.client();
        other.send(request("GET /now", ""));
        site.net.run();
        assert_eq!(text(&other.received()), ok("/now"));
    });
}

#[test]
fn every_request_is_logged_once() {
    let seen: Seen<Record> = Seen::default();
    let log = || {
        let place = seen.clone();
        mixed().on_response(move |record: &Record| place.borrow_mut().push(record.clone()))
    };
    let site = Site::gentle(log());
    let client = site.client();
    client.send(request("GET /now/1", "user-agent: probe\r\nreferer: r\r\n") + &request("HEAD /slow/2", ""));
    site.advance(1.0);
    client.send("nonsense\r\n\r\n");
    site.net.run();
    let gone = site.client();
    gone.send(request("GET /slow/3", ""));
    site.net.run();
    gone.reset();
    site.advance(1.0);
    let seen = seen.borrow();
    let line = |record: &Record| {
        (
            record.method.clone(),
            record.target.to_string(),
            record.status.map(|s| s.as_u16()),
            record.bytes,
            record.complete,
        )
    };
    assert_eq!(
        seen.iter().map(line).collect::<Vec<_>>(),
        [
            (Some(Method::GET), "/now/1".into(), Some(200), 6, true),
            (Some(Method::HEAD), "/slow/2".into(), Some(200), 0, true),
            (
                None,
                "/".into(),
                Some(400),
                trenza_web::status_page(StatusCode::BAD_REQUEST).body().len().unwrap(),
                true
            ),
            (Some(Method::GET), "/slow/3".into(), None, 0, false),
        ]
    );
    assert_eq!(seen[0].user_agent.as_ref().unwrap(), "probe");
    assert_eq!(seen[0].referer.as_ref().unwrap(), "r");
    assert!(seen[1].duration >= Duration::from_millis(50));
}

#[test]
fn a_refused_request_is_logged_with_what_it_asked_for() {
    for (fields, status) in [
        ("content-length: 99999999999", 413),
        ("content-length: 5\r\nexpect: the unexpected", 417),
        ("content-length: 5\r\ncontent-length: 6", 400),
    ] {
        let seen: Seen<Record> = Seen::default();
        let place = seen.clone();
        let site =
            Site::gentle(mixed().on_response(move |record: &Record| place.borrow_mut().push(record.clone())));
        let client = site.client();
        client.send(request("POST /now/1?a=b", &format!("{fields}\r\nuser-agent: probe\r\n")));
        site.advance(1.0);
        client.close();
        site.advance(1.0);
        let seen = seen.borrow();
        let [one] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!(one.status.map(|s| s.as_u16()), Some(status));
        assert_eq!((one.method.as_ref(), one.target.to_string()), (Some(&Method::POST), "/now/1?a=b".into()));
        assert_eq!(one.user_agent.as_ref().unwrap(), "probe");
    }
}

#[test]
fn a_long_response_is_logged_when_the_client_has_taken_it() {
    const LONG: usize = 3_000_000;
    for_seeds(0..10, |seed| {
        for reads in [true, false] {
            let seen: Seen<Record> = Seen::default();
            let place = seen.clone();
            let body = Bytes::from(vec![b'x'; LONG]);
            let server = Server::new(move |_| Response::new(Body::from(body.clone())))
                .on_response(move |record| place.borrow_mut().push(record.clone()));
            let site = Site::new(Net::new(seed), server);
            let client = site.client();
            client.read(false);
            client.send(request("GET /1", "") + &request("HEAD /2", ""));
            site.advance(5.0);
            assert!(seen.borrow().is_empty());
            match reads {
                true => client.read(true),
                false => client.reset(),
            }
            site.net.run();
            let seen = seen.borrow();
            let one = &seen[0];
            assert_eq!((one.complete, one.target.path()), (reads, "/1"), "seed {seed}");
            assert_eq!(one.bytes == LONG as u64, reads, "{} bytes, seed {seed}", one.bytes);
            assert!(one.duration >= Duration::from_secs(4));
            assert_eq!(seen.len(), if reads { 2 } else { 1 });
        }
    });
}

#[test]
fn an_answer_that_comes_after_the_end_is_dropped() {
    let site = Site::gentle(mixed());
    let client = site.client();
    client.send(request("GET /slow", ""));
    site.net.advance(Duration::from_millis(10));
    drop(client);
    site.advance(1.0);
    assert_eq!(site.port.connections(), 0);
    let other = site.client();
    other.send(request("GET /x", ""));
    site.net.run();
    assert_eq!(text(&other.received()), ok("/x "));
}

#[test]
fn one_request_after_another_on_one_connection() {
    let site = Site::gentle(echo_target());
    let client = site.client();
    for n in 0..50 {
        client.send(request(&format!("GET /{n}"), ""));
        site.advance(1.0);
        assert_eq!(text(&client.take_received()), ok(&format!("GET /{n}")));
    }
}

//! Messages and their answers.

use super::{Site, echo_body, echo_target, got, mixed, ok, request};
use http::{HeaderMap, HeaderValue, Request, Response};
use trenza_core::Addr;
use trenza_web::{Body, ClientAddr, Server, StatusError};

#[test]
fn one_request() {
    assert_eq!(got(echo_target, request("GET /a?b", "")), ok("GET /a?b"));
}

#[test]
fn a_date_is_told() {
    let site = Site::gentle(echo_target());
    let client = site.client();
    client.send(request("GET /", ""));
    site.net.run();
    let received = client.received();
    let text = String::from_utf8_lossy(&received);
    let date = text.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
    assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
}

#[test]
fn body_with_a_length() {
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    assert_eq!(got(echo_body, post), ok("hello"));
    assert_eq!(got(echo_target, post), ok("POST /"), "a body that nobody reads is thrown away");
}

#[test]
fn body_in_chunks() {
    let post =
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    assert_eq!(got(echo_body, post), ok("hello"));
}

#[test]
fn trailers_reach_the_handler_and_the_client() {
    let server = || {
        Server::new(|mut request: Request<Body>| async move {
            let body = request.body_mut().collect(100).await?;
            let sum = request.body_mut().trailers().and_then(|trailers| trailers.get("x-sum").cloned());
            let (mut sender, response) = Body::channel();
            trenza_core::Reactor::current()
                .spawn(async move {
                    sender.send(body).await?;
                    sender.trailers(HeaderMap::from_iter([(
                        "x-seen".parse()?,
                        sum.unwrap_or(HeaderValue::from_static("none")),
                    )]));
                    Ok(())
                })
                .detach();
            Ok(Response::new(response))
        })
    };
    let post =
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n";
    assert_eq!(
        got(server, post),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-seen: 7\r\n\r\n"
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let bytes = [
        request("GET /slow/1", ""),
        request("GET /now/2", ""),
        "POST /later/3 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi".into(),
        request("GET /now/4", "connection: close\r\n"),
        request("GET /now/5", ""),
    ]
    .concat();
    let last = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n/now/4[closed]";
    let expected = [ok("/slow/1 "), ok("/now/2"), ok("/later/3 hi"), last.into()].concat();
    for at in 1..bytes.len() {
        let site = Site::gentle(mixed());
        let client = site.client();
        client.send_split(&bytes, &[at]);
        site.advance(1.0);
        let received = super::text(&client.received()) + if client.eof() { "[closed]" } else { "" };
        assert_eq!(received, expected, "cut at {at}");
    }
}

#[test]
fn a_client_that_half_closes_after_two_requests_gets_both_answers() {
    for (one, two) in
        [("/now/1", "/now/2"), ("/later/1", "/later/2"), ("/slow/1", "/now/2"), ("/now/1", "/slow/2")]
    {
        trenza_sim::for_seeds(0..40, |seed| {
            let site = Site::new(trenza_sim::Net::new(seed), mixed());
            let client = site.client();
            client.send([request(&format!("GET {one}"), ""), request(&format!("GET {two}"), "")].concat());
            client.close_write();
            site.advance(2.0);
            let text = super::text(&client.received());
            assert_eq!(text.matches("200 OK").count(), 2, "{one} {two}: {text}");
            assert!(text.contains(two) && client.eof(), "{text}");
            assert!(text.contains("connection: close") || !two.starts_with("/slow"), "{text}");
        });
    }
}

#[test]
fn http_1_0() {
    let close = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nGET /[closed]";
    assert_eq!(got(echo_target, "GET / HTTP/1.0\r\n\r\n"), close);
    let keep = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nGET /";
    assert_eq!(got(echo_target, "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"), keep);
}

#[test]
fn head_gets_no_body() {
    let expected = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n";
    assert_eq!(got(echo_target, request("HEAD /", "")), expected);
}

#[test]
fn refused_messages_get_a_page_and_the_connection_is_closed() {
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\nhost: a\n\n", "400 Bad Request"),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", "505 HTTP Version Not Supported"),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "400 Bad Request",
        ),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n", "501 Not Implemented"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n", "413 Payload Too Large"),
        ("POST / HTTP/1.1\r\nhost: a\r\nexpect: tea\r\n\r\n", "417 Expectation Failed"),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "400 Bad Request"),
    ] {
        let text = got(echo_body, bytes);
        assert!(text.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{bytes:?}: {text}");
        assert!(text.contains("connection: close\r\n") && text.contains("<h1>"), "{text}");
        assert!(text.ends_with("</html>\n[closed]"), "{text}");
    }
}

#[test]
fn a_handler_may_refuse_with_a_status() {
    let server = || {
        Server::new(|_| async { Err(StatusError::new(http::StatusCode::FORBIDDEN, "not for you").into()) })
    };
    let text = got(server, request("GET /", ""));
    assert!(text.starts_with("HTTP/1.1 403 Forbidden\r\n") && text.ends_with("</html>\n"), "{text}");
    let collects = || {
        Server::new(|mut request: Request<Body>| async move {
            request.body_mut().collect(3).await?;
            super::respond(Body::empty())
        })
    };
    let text = got(collects, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nabcd");
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
}

#[test]
fn handlers_see_where_the_client_is() {
    let server = || {
        Server::new(|request: Request<Body>| {
            let ip = ClientAddr::of(&request).and_then(Addr::ip);
            Response::new(Body::from(format!("{}", ip.is_some())))
        })
    };
    assert_eq!(got(server, request("GET /", "")), ok("true"));
}

#[test]
fn a_handler_may_know_better_where_the_client_is() {
    let server = || {
        Server::new(|mut request: Request<Body>| {
            let said: Addr = std::net::SocketAddr::from(([192, 0, 2, 1], 7)).into();
            request.extensions_mut().insert(ClientAddr(said.clone()));
            Response::new(Body::from(format!("{}", ClientAddr::of(&request) == Some(&said))))
        })
    };
    assert_eq!(got(server, request("GET /", "")), ok("true"));
    assert_eq!(ClientAddr::of(&Request::new(Body::empty())), None);
}

#[test]
fn continue_is_sent_when_the_handler_reads() {
    let ask = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    let site = Site::gentle(echo_body());
    let client = site.client();
    client.send(ask);
    site.net.run();
    assert_eq!(super::text(&client.take_received()), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    site.net.run();
    assert_eq!(super::text(&client.take_received()), ok("hello"));

    // A client that does not wait is not told, if its body is there before the handler looks.
    let site = Site::gentle(echo_body());
    let client = site.client();
    client.send(format!("{ask}hello"));
    site.net.run();
    assert_eq!(super::text(&client.take_received()), ok("hello"));

    // A handler that does not read: the final answer, and what follows cannot be known.
    let site = Site::gentle(echo_target());
    let client = site.client();
    client.send(ask);
    site.net.run();
    let text = super::text(&client.take_received());
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nPOST /");
    assert!(client.eof());
}

#[test]
fn upgrade_hands_over_the_connection() {
    let server = || Server::new(|_| loud());
    let later = || Server::new(move |_| async move { Ok(loud()) });
    fn loud() -> Response<Body> {
        let body = Body::upgrade(|mut stream| {
            let echo = async move {
                while let Some(data) = stream.read().await? {
                    stream.write_all(&data.to_ascii_uppercase()).await?;
                }
                stream.close().await
            };
            trenza_core::Reactor::current().spawn(echo).detach();
        });
        Response::builder().status(101).header("upgrade", "loud").body(body).unwrap()
    }
    let ask = request("GET /", "connection: upgrade\r\nupgrade: loud\r\n") + "early bytes";
    let expected =
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: loud\r\nconnection: upgrade\r\n\r\nEARLY BYTES";
    assert_eq!(got(server, &ask), expected);
    assert_eq!(got(later, &ask), expected);

    // What comes while the handler still thinks waits, and reaches the next owner.
    let slow = Server::new(|_| async {
        trenza_core::Reactor::current().sleep(std::time::Duration::from_millis(50)).await;
        Ok(loud())
    });
    let site = Site::gentle(slow);
    let client = site.client();
    client.send(&ask);
    site.advance(1.0);
    client.send("late bytes");
    site.advance(1.0);
    assert_eq!(super::text(&client.received()), format!("{expected}LATE BYTES"));

    // A client that has ended its side still gets what the next owner says.
    let greets = Server::new(|_| async {
        trenza_core::Reactor::current().sleep(std::time::Duration::from_millis(50)).await;
        let greet = |mut stream: trenza_core::Stream| {
            let greet = async move {
                stream.write_all(b"hello").await?;
                stream.close().await
            };
            trenza_core::Reactor::current().spawn(greet).detach();
        };
        Ok(Response::builder().status(101).body(Body::upgrade(greet))?)
    });
    let site = Site::gentle(greets);
    let client = site.client();
    client.send(request("GET /", "connection: upgrade\r\nupgrade: loud\r\n"));
    client.close_write();
    site.advance(1.0);
    assert!(client.received().ends_with(b"hello") && client.eof());

    let unasked = got(server, request("GET /", ""));
    assert!(unasked.starts_with("HTTP/1.1 500 "), "{unasked}");
    let tunnel = got(echo_target, "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n");
    assert!(tunnel.starts_with("HTTP/1.1 501 "), "{tunnel}");
}

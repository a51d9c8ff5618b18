//! The HTTP server in the simulator: every message cut at every byte, in networks of all kinds, with clients that
//! are slow, broken or gone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bodies;
mod clients;
mod endings;
mod files;
mod messages;
mod times;
mod uploads;

use http::{Request, Response};
use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::{Port, Result};
use trenza_sim::{HostHandle, Net, Probe, for_seeds};
use trenza_web::{Answer, Body, Server};

/// A server on a host of its own.
struct Site {
    net: Net,
    host: HostHandle,
    port: Port,
}

impl Site {
    fn new(net: Net, server: Server) -> Self {
        let host = net.host("srv");
        let port = host.run(|reactor| reactor.listen_with("tcp:80", server)).unwrap();
        Self { net, host, port }
    }

    fn gentle(server: Server) -> Self {
        Self::new(Net::gentle(1), server)
    }

    fn client(&self) -> Probe {
        self.net.host("cli").probe("tcp:srv:80")
    }

    fn advance(&self, seconds: f64) {
        self.net.advance(Duration::from_secs_f64(seconds));
    }

    /// Unread and unsent bytes that the server's connections hold.
    fn held(&self) -> (usize, usize) {
        let all = self.host.run(|reactor| reactor.connections());
        all.iter()
            .map(|one| one.counts())
            .fold((0, 0), |(unread, unsent), counts| (unread + counts.unread, unsent + counts.unsent))
    }
}

/// What a client gets that sends `bytes`, without the lines that tell the date.
fn get(net: Net, server: Server, send: impl FnOnce(&Probe)) -> String {
    let site = Site::new(net, server);
    let client = site.client();
    send(&client);
    site.net.run();
    let got = text(&client.received());
    if client.eof() {
        got + "[closed]"
    } else if client.lost() {
        got + "[reset]"
    } else {
        got
    }
}

/// What a client gets that sends `bytes`, however they come: whole, cut anywhere, byte for byte, in hostile
/// networks. All must be the same.
fn got(server: impl Fn() -> Server, bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let whole = get(Net::gentle(1), server(), |client| client.send(bytes));
    for at in 1..bytes.len() {
        let cut = get(Net::gentle(1), server(), |client| client.send_split(bytes, &[at]));
        assert_eq!(cut, whole, "cut at {at}");
    }
    let bytewise = get(Net::gentle(1), server(), |client| client.send_bytewise(bytes, Duration::ZERO));
    assert_eq!(bytewise, whole, "byte for byte");
    for_seeds(0..30, |seed| {
        let hostile = get(Net::new(seed), server(), |client| client.send(bytes));
        assert_eq!(hostile, whole);
        let hostile = get(Net::new(seed), server(), |client| client.send_bytewise(bytes, Duration::ZERO));
        assert_eq!(hostile, whole, "byte for byte");
    });
    whole
}

/// `bytes` as text, without the lines that tell the date.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split_inclusive('\n').filter(|line| !line.starts_with("date: ")).collect()
}

/// A small response.
fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A request without a body.
fn request(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
}

/// Answers with the method and target, at once.
fn echo_target() -> Server {
    Server::new(|request: Request<Body>| {
        Response::new(Body::from(format!("{} {}", request.method(), request.uri())))
    })
}

/// Answers with the request's body, when it is complete.
fn echo_body() -> Server {
    Server::new(|mut request: Request<Body>| async move {
        let body = request.body_mut().collect(1 << 20).await?;
        Ok(Response::new(Body::from(body)))
    })
}

/// Answers at once or later, as the target says.
fn mixed() -> Server {
    Server::new(|mut request: Request<Body>| {
        let target = request.uri().to_string();
        if target.starts_with("/now") {
            return Answer::Now(Response::new(Body::from(target)));
        }
        Answer::later(async move {
            if target.starts_with("/slow") {
                trenza_core::Reactor::current().sleep(Duration::from_millis(50)).await;
            }
            let body = request.body_mut().collect(1 << 20).await?;
            Ok(Response::new(Body::from([target.as_bytes(), b" ", &body].concat())))
        })
    })
}

/// A place where a handler or a log puts what it saw.
type Seen<T> = Rc<RefCell<Vec<T>>>;

fn respond(body: Body) -> Result<Response<Body>> {
    Ok(Response::new(body))
}

//! Hot paths over a driver that makes no system calls, for somebody who counts instructions: all that is counted is the
//! loop, its handles and what uses them, and nothing depends on chance or time.

use crate::script::{Script, Talk};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use trenza::{
    Engine,
    prelude::*,
    sim::Net,
    web::{Body, Server},
};

/// Where servers listen; no address of any system.
const HERE: &str = "tcp:7";
/// Connections of an echo or a web server.
const CALLERS: usize = 50;
/// Members of a chat.
const MEMBERS: usize = 10;
/// Timers that are there at once.
const TIMERS: usize = 1000;
/// What an echo is asked with.
const MESSAGE: &[u8] = &[b'?'; 64];
/// What a web server is asked with.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: path\r\nAccept: */*\r\n\r\n";
/// How many requests come at once.
const PIPELINE: u64 = 16;
/// What members say.
const LINE: &[u8] = b"does anybody know what time it is?\n";

/// Goes a path so many times.
pub(crate) fn go(path: &str, count: u64) -> Result {
    match path {
        "echo" => echo(count),
        "coroutine" => coroutine(count),
        "http" => http(count),
        "pipeline" => pipeline(count),
        "chat" => chat(count),
        "timers" => timers(count),
        _ => Err(format!("there is no path {path}").into()),
    }
}

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

/// Writes to all others what one has said.
#[derive(Clone, Default)]
struct Room(Rc<RefCell<Vec<Transport>>>);

impl Protocol for Room {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.0.borrow_mut().push(transport.clone());
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line_lf(512)? {
            let said = Bytes::from([line, b"\n"].concat());
            let room = self.0.borrow();
            room.iter().filter(|other| *other != transport).for_each(|other| other.write_bytes(said.clone()));
        }
        Ok(())
    }
}

/// Serves what the script's peers ask for until they were answered so often.
fn serve(script: Script, count: u64, setup: impl FnOnce(&Reactor) -> Result) -> Result {
    let done = script.done();
    let mut engine = Engine::new(Box::new(script));
    engine.enter(setup)?;
    while done.get() < count {
        let before = done.get();
        // The first accepts.
        for _ in 0..3 {
            engine.dispatch();
            engine.driver().wait(None)?;
        }
        if done.get() == before {
            return Err("there is no end to it".into());
        }
    }
    Ok(())
}

fn echo(count: u64) -> Result {
    let script = Script::new(CALLERS, MESSAGE, Talk::Each);
    serve(script, count, |reactor| reactor.listen(HERE, |_| Echo).map(drop))
}

fn coroutine(count: u64) -> Result {
    let echo = async |mut stream: Stream| {
        while let Some(data) = stream.read().await? {
            stream.write_bytes(data).await?;
        }
        Ok(())
    };
    let script = Script::new(CALLERS, MESSAGE, Talk::Each);
    serve(script, count, |reactor| reactor.serve(HERE, echo).map(drop))
}

fn http(count: u64) -> Result {
    let server = Server::new(|_: Request<Body>| Response::new(Body::from("Hello, World!")));
    let script = Script::new(CALLERS, REQUEST, Talk::Each);
    serve(script, count, |reactor| reactor.listen_with(HERE, server).map(drop))
}

/// Many requests at once, answered with a field as most are.
fn pipeline(count: u64) -> Result {
    let server = Server::new(|_: Request<Body>| {
        let mut response = Response::new(Body::from("Hello, World!"));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response
    });
    let script = Script::new(CALLERS, REQUEST.repeat(PIPELINE as usize), Talk::Each);
    serve(script, count.div_ceil(PIPELINE), |reactor| reactor.listen_with(HERE, server).map(drop))
}

fn chat(count: u64) -> Result {
    let room = Room::default();
    let script = Script::new(MEMBERS, LINE, Talk::InTurn);
    serve(script, count, |reactor| reactor.listen(HERE, move |_| room.clone()).map(drop))
}

/// Each is set, put off once and then runs out or is cancelled.
fn timers(count: u64) -> Result {
    let net = Net::gentle(1);
    let mut engine = Engine::new(Box::new(net.host("here").driver()));
    let ran = Rc::new(Cell::new(0));
    for _ in 0..count.div_ceil(TIMERS as u64) {
        let timers: Vec<Timer> = engine.enter(|reactor| {
            let set = |n: u64| {
                let ran = ran.clone();
                reactor.call_later(Duration::from_millis(1 + n * 7 % 500), move || ran.set(ran.get() + 1))
            };
            (0..TIMERS as u64).map(set).collect()
        });
        engine.dispatch();
        timers.iter().for_each(|timer| timer.reset(Duration::from_millis(800)));
        let kept: Vec<Timer> = timers.into_iter().step_by(2).collect();
        net.advance(Duration::from_secs(1));
        engine.dispatch();
        drop(kept);
    }
    if ran.get() == 0 { Err("no timer ran".into()) } else { Ok(()) }
}

//! Hot paths on the simulated driver, for somebody who counts instructions.
//!
//! Connections are in memory, so that the loop and its handles are most of what is run; nothing depends on chance, on
//! addresses or on time.

use bytes::Bytes;
use http::{Request, Response};
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza::{
    Engine,
    prelude::*,
    sim::Net,
    web::{Body, Server},
};

/// What an echo is asked with.
const MESSAGE: [u8; 64] = [b'?'; 64];
/// What a web server is asked with.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: path\r\nAccept: */*\r\n\r\n";
/// Connections of an echo or a web server.
const CALLERS: usize = 50;
/// Members of a chat.
const MEMBERS: usize = 10;
/// Turns that anything may take.
const TURNS_MAX: u64 = 100;
/// Timers that are there at once.
const TIMERS: usize = 1000;

/// Goes a path so many times.
pub(crate) fn go(path: &str, count: u64) -> Result {
    match path {
        "echo" => echo(count),
        "coroutine" => coroutine(count),
        "http" => http(count),
        "chat" => chat(count),
        "timers" => timers(count),
        _ => Err(format!("there is no path {path}").into()),
    }
}

/// Sends the same again and again, each time that the whole answer is there.
struct Caller {
    message: &'static [u8],
    /// Length of an answer; of the first one, if it is 0.
    answer: usize,
    received: usize,
    left: Rc<Cell<u64>>,
}

impl Protocol for Caller {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(self.message);
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.received += input.rest().len();
        if self.answer == 0 {
            self.answer = self.received;
        }
        if self.received >= self.answer {
            self.received -= self.answer;
            self.left.set(self.left.get().saturating_sub(1));
            if self.left.get() > 0 {
                transport.write(self.message);
            }
        }
        Ok(())
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
struct Member(Rc<[Transport]>);

impl Protocol for Member {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line_lf(512)? {
            let said = Bytes::from([line, b"\n"].concat());
            self.0
                .iter()
                .filter(|other| *other != transport)
                .for_each(|other| other.write_bytes(said.clone()));
        }
        Ok(())
    }
}

/// Runs turns until only so much is left.
fn turns(engine: &mut Engine, left: &Cell<u64>, until: u64) -> Result {
    let limit = (left.get() - until).saturating_mul(TURNS_MAX);
    for _ in 0..limit {
        if left.get() <= until {
            return Ok(());
        }
        engine.dispatch();
        let until = engine.until();
        engine.driver().wait(until)?;
    }
    Err("there is no end to it".into())
}

fn engine() -> (Net, Engine) {
    let net = Net::gentle(1);
    let engine = Engine::new(Box::new(net.host("here").driver()));
    (net, engine)
}

/// Calls the ends of some pairs, whose other ends `serve` takes.
fn call(count: u64, message: &'static [u8], answer: usize, serve: impl Fn(&Reactor, Stream)) -> Result {
    let (_net, mut engine) = engine();
    let left = Rc::new(Cell::new(count));
    engine.enter(|reactor| {
        for _ in 0..CALLERS {
            let (near, far) = reactor.pair();
            serve(reactor, far);
            near.switch_to(Caller { message, answer, received: 0, left: left.clone() });
        }
    });
    turns(&mut engine, &left, 0)
}

fn echo(count: u64) -> Result {
    call(count, &MESSAGE, MESSAGE.len(), |_, far| drop(far.switch_to(Echo)))
}

fn coroutine(count: u64) -> Result {
    call(count, &MESSAGE, MESSAGE.len(), |reactor, mut far| {
        let echo = async move {
            while let Some(data) = far.read().await? {
                far.write_bytes(data).await?;
            }
            Ok(())
        };
        reactor.spawn(echo).detach();
    })
}

fn http(count: u64) -> Result {
    call(count, REQUEST, 0, |_, far| {
        let mut server = Server::new(|_: Request<Body>| Response::new(Body::from("Hello, World!")));
        if let Some(protocol) = server.build(far.transport()) {
            far.switch_to(protocol);
        }
    })
}

/// One line a turn, by one after the other, to all others.
fn chat(count: u64) -> Result {
    let (_net, mut engine) = engine();
    let left = Rc::new(Cell::new(count * (MEMBERS as u64 - 1)));
    let speakers: Vec<Transport> = engine.enter(|reactor| {
        let (near, far): (Vec<Stream>, Vec<Stream>) = (0..MEMBERS).map(|_| reactor.pair()).unzip();
        let all: Rc<[Transport]> = far.iter().map(|end| end.transport().clone()).collect();
        far.into_iter().for_each(|end| drop(end.switch_to(Member(all.clone()))));
        let listen = |end: Stream| end.switch_to(Listener(left.clone()));
        near.into_iter().map(listen).collect()
    });
    for speaker in speakers.iter().cycle().take(count as usize) {
        let heard = left.get() - (MEMBERS as u64 - 1);
        speaker.write(b"does anybody know what time it is?\n");
        turns(&mut engine, &left, heard)?;
    }
    Ok(())
}

/// Counts lines.
struct Listener(Rc<Cell<u64>>);

impl Protocol for Listener {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        while input.line_lf(512)?.is_some() {
            self.0.set(self.0.get() - 1);
        }
        Ok(())
    }
}

/// Each is set, put off once and then runs out or is cancelled.
fn timers(count: u64) -> Result {
    let (net, mut engine) = engine();
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

//! An engine within the loop of somebody else, whose driver has times of its own.

use std::{
    cell::RefCell,
    io,
    os::fd::BorrowedFd,
    rc::Rc,
    task::Waker,
    time::{Duration, Instant},
};
use trenza_core::{
    Buf, Engine, Flow, Input, IntoEndpoint, Layer, OutBuf, Outbox, Protocol, Result, SocketOption, Transport,
    UdpOption, Wire,
    driver::{Close, Driver, Event, Host, Open, Token},
};
use trenza_sim::{Net, SimDriver};

/// A driver that notes the options that are set, and may want to be called by a certain time.
struct Noting {
    driver: SimDriver,
    until: Option<Instant>,
    options: Rc<RefCell<Vec<SocketOption>>>,
}

impl Noting {
    fn over(driver: SimDriver) -> Self {
        Self { driver, until: None, options: Rc::default() }
    }
}

impl Driver for Noting {
    fn host(&self) -> Rc<dyn Host> {
        self.driver.host()
    }
    fn open(&mut self, what: Open) -> io::Result<Token> {
        self.driver.open(what)
    }
    fn read(&mut self, token: Token, on: bool) {
        self.driver.read(token, on);
    }
    fn send(&mut self, token: Token, out: &mut OutBuf) {
        self.driver.send(token, out);
    }
    fn send_to(&mut self, token: Token, out: &mut Outbox) {
        self.driver.send_to(token, out);
    }
    fn set_udp_option(&mut self, token: Token, option: &UdpOption) -> io::Result<()> {
        self.driver.set_udp_option(token, option)
    }
    fn set_option(&mut self, token: Token, option: SocketOption) -> io::Result<()> {
        self.options.borrow_mut().push(option);
        self.driver.set_option(token, option)
    }
    fn close(&mut self, token: Token, how: Close) {
        self.driver.close(token, how);
    }
    fn held(&mut self, token: Token) -> usize {
        self.driver.held(token)
    }
    fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.driver.wait(until)
    }
    fn next(&mut self) -> Option<Event<'_>> {
        self.driver.next()
    }
    fn until(&self) -> Option<Instant> {
        self.until
    }
    fn waker(&self) -> Waker {
        self.driver.waker()
    }
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.driver.descriptor()
    }
}

#[test]
fn whoever_waits_for_the_engine_wakes_for_its_driver_too() {
    let net = Net::gentle(1);
    let driver = net.host("here").driver();
    let soon = driver.host().now() + Duration::from_millis(10);
    let mut engine = Engine::new(Box::new(Noting { until: Some(soon), ..Noting::over(driver) }));
    let timer = engine.enter(|reactor| reactor.call_later(Duration::from_secs(3600), || ()));
    engine.dispatch();
    assert_eq!(engine.until(), Some(soon));
    drop(timer);
}

/// Is ready after two bytes, and answers the second one.
struct Greeted(usize);

impl Layer for Greeted {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        for byte in wire.bytes() {
            self.0 += 1;
            match self.0 {
                1 => {}
                2 => down.push_slice(b"!"),
                _ => up.push(&[*byte]),
            }
        }
        wire.consume(usize::MAX);
        Ok(Flow::More)
    }
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        if self.ready() {
            down.append(plain);
        }
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }
    fn ready(&self) -> bool {
        self.0 > 1
    }
}

struct Quiet;

impl Protocol for Quiet {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// A peer may hold the rest of a handshake back until it hears of the beginning, which a system puts off for the sake of
/// the answer.
#[test]
fn what_a_handshake_does_not_answer_is_acknowledged_at_once() {
    let net = Net::gentle(1);
    let driver = Noting::over(net.host("srv").driver());
    let options = driver.options.clone();
    let mut engine = Engine::new(Box::new(driver));
    let on = "tcp:7".into_endpoint().unwrap().layered(|| vec![Box::new(Greeted(0))]);
    engine.enter(|reactor| reactor.listen(on, |_| Quiet).map(drop)).unwrap();
    engine.dispatch();
    let probe = net.host("cli").probe("tcp:srv:7");
    let mut run = |sent: &str| {
        probe.send(sent);
        for _ in 0..10 {
            net.advance(Duration::from_millis(100));
            engine.driver().wait(None).unwrap();
            engine.dispatch();
        }
        options.borrow_mut().drain(..).collect::<Vec<_>>()
    };
    assert_eq!(run(""), []);
    assert_eq!(run("a"), [SocketOption::QuickAck]);
    assert_eq!(run("b"), []);
    assert_eq!(run("c"), []);
    assert_eq!(probe.received(), b"!");
}

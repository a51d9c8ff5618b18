//! An engine within the loop of somebody else, whose driver has times of its own.

use std::{
    io,
    os::fd::BorrowedFd,
    rc::Rc,
    task::Waker,
    time::{Duration, Instant},
};
use trenza_core::{
    Engine, Outbox, SocketOption, UdpOption,
    driver::{Close, Driver, Event, Host, Open, Token},
};
use trenza_sim::{Net, SimDriver};
use trenza_wire::OutBuf;

/// A driver that wants to be called by a certain time.
struct Restless(SimDriver, Instant);

impl Driver for Restless {
    fn host(&self) -> Rc<dyn Host> {
        self.0.host()
    }
    fn open(&mut self, what: Open) -> io::Result<Token> {
        self.0.open(what)
    }
    fn read(&mut self, token: Token, on: bool) {
        self.0.read(token, on);
    }
    fn send(&mut self, token: Token, out: &mut OutBuf) {
        self.0.send(token, out);
    }
    fn send_to(&mut self, token: Token, out: &mut Outbox) {
        self.0.send_to(token, out);
    }
    fn set_udp_option(&mut self, token: Token, option: &UdpOption) -> io::Result<()> {
        self.0.set_udp_option(token, option)
    }
    fn set_option(&mut self, token: Token, option: SocketOption) -> io::Result<()> {
        self.0.set_option(token, option)
    }
    fn close(&mut self, token: Token, how: Close) {
        self.0.close(token, how);
    }
    fn held(&mut self, token: Token) -> usize {
        self.0.held(token)
    }
    fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.0.wait(until)
    }
    fn next(&mut self) -> Option<Event<'_>> {
        self.0.next()
    }
    fn until(&self) -> Option<Instant> {
        Some(self.1)
    }
    fn waker(&self) -> Waker {
        self.0.waker()
    }
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.0.descriptor()
    }
}

#[test]
fn whoever_waits_for_the_engine_wakes_for_its_driver_too() {
    let net = Net::gentle(1);
    let driver = net.host("here").driver();
    let soon = driver.host().now() + Duration::from_millis(10);
    let mut engine = Engine::new(Box::new(Restless(driver, soon)));
    let timer = engine.enter(|reactor| reactor.call_later(Duration::from_secs(3600), || ()));
    engine.dispatch();
    assert_eq!(engine.until(), Some(soon));
    drop(timer);
}

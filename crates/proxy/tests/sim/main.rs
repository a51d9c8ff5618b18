//! Proxies in the simulator: every message cut at every byte, in networks of all kinds, with peers that are slow, broken,
//! rude or gone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bind;
mod causes;
mod datagrams;
mod forward;
mod hostile;
mod requests;
mod through;

use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::{Factory, Input, Protocol, Result, Transport};
use trenza_proxy::{Record, SocksServer};
use trenza_sim::{Net, Probe};

/// A target that answers with what it gets, and closes when it is told the end.
struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

/// The records of a proxy.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<Record>>>);

impl Log {
    fn keep(&self) -> impl Fn(&Record) + 'static {
        let log = self.clone();
        move |record| log.0.borrow_mut().push(record.clone())
    }

    /// The only record.
    fn only(&self) -> Record {
        let records = self.0.borrow();
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].clone()
    }

    /// The error of the only record.
    fn error(&self) -> String {
        self.only().error.expect("it did not go well")
    }
}

/// A network with a proxy, `gate:1080`.
struct Site {
    net: Net,
    log: Log,
}

impl Site {
    fn new(net: Net, proxy: SocksServer) -> Self {
        let log = Log::default();
        let site = Self { net, log: log.clone() };
        site.serve("tcp:1080", proxy.on_end(log.keep()));
        site
    }

    fn gentle() -> Self {
        Self::new(Net::gentle(1), SocksServer::new())
    }

    fn serve(&self, on: &str, factory: impl Factory) {
        self.net.host("gate").run(|reactor| reactor.listen_with(on, factory).map(drop)).unwrap();
    }

    fn echo(self) -> Self {
        self.net.host("srv").listen("tcp:7", |_| Echo);
        self
    }

    fn client(&self) -> Probe {
        self.net.host("cli").probe("tcp:gate:1080")
    }

    fn advance(&self, seconds: u64) {
        self.net.advance(Duration::from_secs(seconds));
    }

    /// Nothing of anybody's is left at the proxy.
    fn is_quiet(&self) -> bool {
        self.net.host("gate").run(|reactor| reactor.connections().is_empty())
    }
}

/// A request of version 5 without authentication: greeting and CONNECT to a name.
fn connect5(name: &str, port: u16) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [&b"\x05\x01\0\x05\x01\0\x03"[..], &[length], name.as_bytes(), &port.to_be_bytes()].concat()
}

/// A request of version 4a.
fn connect4a(name: &str, port: u16) -> Vec<u8> {
    [&b"\x04\x01"[..], &port.to_be_bytes(), b"\0\0\0\x01\0", name.as_bytes(), b"\0"].concat()
}

/// What version 5 answers to a greeting without authentication, then to a request.
fn answer5(code: u8) -> Vec<u8> {
    vec![5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

//! Names of connections.
#![allow(clippy::unwrap_used)]

use trenza_core::{Engine, Input, Protocol, Result, Transport};
use trenza_sim::{Net, Probe};

struct Plain;

impl Protocol for Plain {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// A network with one connection, the first of its loop.
fn connected() -> (Net, Probe) {
    let net = Net::gentle(1);
    net.host("srv").listen("tcp:7007", |_| Plain);
    let probe = net.host("cli").probe("tcp:srv:7007");
    net.run();
    assert_eq!(net.host("srv").reactor().connections().len(), 1);
    (net, probe)
}

#[test]
fn no_two_loops_of_a_process_have_a_name_in_common() {
    let (net, _probe) = connected();
    let reactor = net.host("srv").reactor();
    let id = reactor.connections().first().unwrap().id();
    let spare = Net::gentle(2);
    // Each is told apart from all others, also from those that are gone.
    for _ in 0..(1 << 16) - 3 {
        drop(Engine::new(Box::new(spare.host("spare").driver())));
    }
    for _ in 0..8 {
        let (other, _probe) = connected();
        let far = other.host("srv").reactor();
        assert_eq!(far.connections().first().unwrap().id().to_string(), id.to_string());
        assert!(far.connection(id).is_none());
    }
    assert!(reactor.connection(id).is_some());
}

//! A process without descriptors left: ports rest, accept again, and do not spin meanwhile.

use crate::{
    actor::{Actor, Plain},
    drivers,
    ground::{Ground, to},
};
use std::{cell::Cell, env, process::Command, rc::Rc, time::Duration};
use trenza_core::{Protocol, Result, Transport};
use trenza_sim::{Net, for_seeds};

/// Tells the test that it runs in a process of its own with few descriptors.
const FEW: &str = "TRENZA_FEW_DESCRIPTORS";

/// Writes a line to whoever connects.
struct Greeter;

impl Protocol for Greeter {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(b"hello\r\n");
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, input: &mut trenza_core::Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

#[test]
fn a_port_outlives_accepts_that_fail() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let srv = net.host("srv");
        let port = srv.listen("tcp:7", |_| Greeter);
        srv.fail_accepts(3);
        let clients: Vec<_> = (0..5).map(|_| net.host("cli").probe("tcp:srv:7")).collect();
        net.run();
        // Whoever is accepted is served; the others wait, they are not lost.
        net.advance(Duration::from_secs(2));
        assert!(clients.iter().all(|client| client.received() == b"hello\r\n"));
        assert_eq!(port.connections(), 5);
    });
}

#[test]
fn a_port_that_is_stopped_while_it_rests_leaves_nothing() {
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        let srv = net.host("srv");
        let port = srv.listen("tcp:7", |_| Greeter);
        srv.fail_accepts(1);
        let client = net.host("cli").probe("tcp:srv:7");
        net.run();
        srv.run(|_| port.stop().detach());
        net.run();
        net.advance(Duration::from_secs(2));
        assert!(client.lost() && client.received().is_empty());
        assert_eq!(srv.left(), trenza_core::Left::default());
    });
}

#[test]
fn a_real_port_outlives_a_lack_of_descriptors() {
    if env::var_os(FEW).is_some() {
        return drivers::poll(|ground| Box::pin(without_descriptors(ground)));
    }
    let name = "descriptors::a_real_port_outlives_a_lack_of_descriptors";
    // Odd and even, so that the last descriptor is one end's, and the other's.
    for limit in [40, 41] {
        let few = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &few]).arg(env::current_exe().unwrap()).args(["--exact", name]).env(FEW, "1");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}

async fn without_descriptors(ground: Ground) -> Result {
    let served = Rc::new(Cell::new(0));
    let (seen, inner) = (served.clone(), ground.clone());
    let port = ground.listen(move |_| {
        seen.set(seen.get() + 1);
        Actor::new(&inner, "srv")
    });
    let mut held = Vec::new();
    let error = loop {
        match ground.reactor().connect(&to(&port), |_| Plain).await {
            Ok(client) => held.push(client),
            Err(error) => break error,
        }
        assert!(held.len() < 100, "the limit is lower than that");
    };
    assert!(error.to_string().contains("Too many open files"), "{error}");
    // The loop rests, and those who are connected go on.
    ground.settle().await;
    let turns = ground.turns();
    ground.reactor().sleep(Duration::from_millis(300)).await;
    assert!(ground.turns() - turns < 50, "it spins: {} turns", ground.turns() - turns);
    held.first().unwrap().write(b"still here");
    ground.log().received("srv", 10).await;
    // When there are descriptors again, new connections are served.
    let before = served.get();
    held.drain(1..).for_each(|client| client.close());
    ground.until(|| port.connections() == 1).await;
    let next = ground.reactor().connect(&to(&port), |_| Plain).await?;
    ground.until(|| served.get() > before).await;
    next.close();
    held.first().unwrap().close();
    Ok(())
}

//! A whole engine on the driver, under all faults at once.

use super::{
    super::faulty::{Fault, Faults},
    DEADLINE, Mode, Parts,
    peer::{End, Peer},
};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use trenza_core::{Engine, Input, Protocol, Result, Stream, Transport};

/// How many connections there are, and how much each sends.
const PEERS: u32 = 30;
const BYTES: usize = 500_000;
const SEEDS: u64 = 6;

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

/// The same as a coroutine.
async fn echo(mut stream: Stream) -> Result {
    while let Some(some) = stream.read().await? {
        stream.write_all(&some).await?;
    }
    stream.close().await
}

/// A turn of the loop, and what its peers do meanwhile; false when it has ended.
fn turn(engine: &mut Engine, peers: &mut [Peer]) -> bool {
    let goes_on = engine.dispatch();
    let soon = Instant::now() + Duration::from_millis(1);
    let until = engine.until().map_or(soon, |until| until.min(soon));
    engine.driver().wait(Some(until)).unwrap();
    for peer in peers {
        peer.write((BYTES - peer.sent).min(50_000));
        if peer.sent == BYTES {
            peer.shut();
        }
        peer.read(30_000);
    }
    goes_on
}

#[test]
fn an_engine_echoes_under_all_faults() {
    for seed in 0..SEEDS {
        // Who finds no descriptor costs a peer, which is not what is asked here.
        let faults = Faults::all().with(Fault::NoDescriptor, 0);
        let parts = Parts { faults, seed, ..Parts::new((8, 16 * 1024), Mode::Incremental) };
        let Some(driver) = parts.driver("an_engine_echoes_under_all_faults") else { return };
        let mut engine = Engine::new(Box::new(driver));
        let until = Instant::now() + DEADLINE;
        let ports = engine.enter(|reactor| {
            let any = "tcp:0:interface=127.0.0.1";
            [reactor.listen(any, |_| Echo).unwrap(), reactor.serve(any, echo).unwrap()]
        });
        let addrs = ports.each_ref().map(|port| port.addr().to_string().parse::<SocketAddr>().unwrap());
        let both = addrs.into_iter().cycle().zip(0..PEERS);
        let mut peers: Vec<Peer> = both.map(|(addr, stream)| Peer::connect(addr, stream)).collect();
        while peers.iter().any(|peer| peer.end.is_none()) {
            assert!(Instant::now() < until, "seed {seed}: {peers:?}");
            turn(&mut engine, &mut peers);
        }
        for peer in &peers {
            assert_eq!((peer.end, peer.got), (Some(End::Fin), BYTES), "seed {seed}: {peer:?}");
        }
        engine.enter(|reactor| reactor.stop());
        while turn(&mut engine, &mut []) {
            assert!(Instant::now() < until, "seed {seed}: {:?} is left", engine.left());
        }
        assert_eq!((engine.left().connections, engine.left().ports), (0, 0));
    }
}

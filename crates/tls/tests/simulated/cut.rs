//! Connections that are cut short, anywhere.

use crate::{
    ground::Authority,
    relay::Relay,
    talk::{Fate, Fates, Talk},
};
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::IntoEndpoint;
use trenza_sim::Net;
use trenza_tls::{ClientTls, ServerTls, Side};

/// How much each side says.
const TALK: usize = 3000;
/// The talk is cut after every so many bytes of one side. It has no factor in common with the lengths of records.
const STEP: usize = 41;
/// So often the relay carries what has come: as often as a talk takes.
const ROUNDS: usize = 12;

/// How a relay cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Fin,
    Reset,
}

/// What became of a talk that was cut after so many bytes of the client and of the server.
struct Outcome {
    carried: [usize; 2],
    connected: Option<bool>,
    client: Fate,
    server: Fate,
}

fn talk(server: &ServerTls, client: &ClientTls, most: [usize; 2], how: How) -> Outcome {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    let (served, made, connected) = (Fates::default(), Fates::default(), Rc::new(Cell::new(None)));
    let on = server.over("tcp:443".into_endpoint().unwrap()).policy(served.policy());
    let fates = served.clone();
    srv.run(|reactor| reactor.listen(on, move |_| Talk::new(true, TALK, &fates)).map(drop)).unwrap();
    let relay = Relay::new(&net);
    let to = client.to("srv").unwrap().over("tcp:relay:1".into_endpoint().unwrap()).policy(made.policy());
    let (talk, told) = (Talk::new(false, TALK, &made), connected.clone());
    cli.run(|reactor| {
        reactor.connect(to, move |_| talk).then(move |made| told.set(Some(made.is_ok())));
    });
    let mut carrier = relay.accept();
    for _ in 0..ROUNDS {
        carrier.carry(most);
    }
    let carried = carrier.carried;
    for probe in [&carrier.near, &carrier.far] {
        match how {
            How::Fin => probe.close_write(),
            How::Reset => probe.reset(),
        }
    }
    net.advance(Duration::from_secs(60));
    assert_eq!((srv.left().connections, cli.left().connections), (0, 0));
    Outcome { carried, connected: connected.get(), client: only(&made), server: only(&served) }
}

fn only(fates: &Fates) -> Fate {
    let mut fates = fates.0.borrow_mut();
    let ids: Vec<_> = fates.keys().copied().collect();
    assert_eq!(ids.len(), 1);
    fates.remove(&ids[0]).unwrap()
}

#[test]
fn wherever_a_connection_is_cut_nobody_takes_it_for_an_end() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).resumption(false).build().unwrap();
    let client = ca.client().resumption(false).build().unwrap();
    let whole = talk(&server, &client, [usize::MAX; 2], How::Fin);
    for fate in [&whole.client, &whole.server] {
        assert_eq!((fate.told, fate.heard, fate.eof), (Some("closed"), TALK, true));
    }
    let ends = [(0, How::Fin), (0, How::Reset), (1, How::Fin), (1, How::Reset)];
    let (mut unbuilt, mut cut) = (0, 0);
    for (side, how) in ends {
        let total = whole.carried[side];
        for at in (0..total).step_by(STEP).chain([total - 1]) {
            let mut most = [usize::MAX; 2];
            most[side] = at;
            let outcome = talk(&server, &client, most, how);
            // Whom the bytes were for.
            let fate = [&outcome.server, &outcome.client][side];
            assert!(!fate.eof, "an end after {at} of {total} bytes: {fate:?}");
            let told = if how == How::Fin { "truncated" } else { "io" };
            assert_eq!(fate.ended, Some(told), "after {at} of {total} bytes by {how:?}");
            assert_eq!(fate.told, fate.built.then_some(told));
            assert_eq!(outcome.connected, Some(outcome.client.built), "{:?}", outcome.client);
            if fate.built { cut += 1 } else { unbuilt += 1 }
        }
    }
    assert!(unbuilt > 50 && cut > 50, "{unbuilt} before and {cut} behind the handshake");
}

//! Ten thousand clients that begin a handshake and hang up.

use crate::{
    ground::{Authority, Echo, Log, say},
    insider,
};
use rustls::version::TLS13;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use trenza_core::{IntoEndpoint, Left, Policy, Seen, Transport};
use trenza_sim::{Net, Probe};
use trenza_tls::{ServerTls, Side};

/// How many there are of each manner.
const EACH: usize = 1000;
/// What a connection may hold before its handshake is done, in bytes: what a server says of itself in one go.
const HELD_MAX: usize = 3000;

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Manner {
    Silence,
    HalfAHello,
    Garbage,
    PlainHttp,
    EndAtOnce,
    EndInHandshake,
    ResetInHandshake,
    DeafInHandshake,
    EndAfterwards,
    ResetAfterwards,
}

impl Manner {
    const ALL: [Self; 10] = [
        Self::Silence,
        Self::HalfAHello,
        Self::Garbage,
        Self::PlainHttp,
        Self::EndAtOnce,
        Self::EndInHandshake,
        Self::ResetInHandshake,
        Self::DeafInHandshake,
        Self::EndAfterwards,
        Self::ResetAfterwards,
    ];

    /// What the log says of it.
    fn reason(self) -> &'static str {
        match self {
            Self::Silence | Self::HalfAHello | Self::DeafInHandshake => "the handshake took too long",
            Self::Garbage => "TLS failed: received corrupt message of type HandshakePayloadTooLarge",
            Self::PlainHttp => "the peer does not speak TLS here: it sent a plain HTTP request",
            Self::EndAtOnce | Self::EndInHandshake | Self::EndAfterwards => "the peer's stream was cut short",
            Self::ResetInHandshake | Self::ResetAfterwards => "connection reset",
        }
    }

    /// Begins with it.
    fn begin(self, probe: &Probe, hello: &[u8]) {
        match self {
            Self::Silence => {}
            Self::HalfAHello => probe.send(&hello[..hello.len() / 2]),
            Self::Garbage => probe.send(b"\x16\x03\x01\x00\x05hello"),
            Self::PlainHttp => probe.send(b"GET / HTTP/1.1\r\n\r\n"),
            Self::EndAtOnce => probe.close_write(),
            Self::EndInHandshake => {
                probe.send(hello);
                probe.close_write();
            }
            Self::ResetInHandshake => {
                probe.send(hello);
                probe.reset();
            }
            Self::DeafInHandshake => {
                probe.window(100);
                probe.read(false);
                probe.send(hello);
            }
            Self::EndAfterwards | Self::ResetAfterwards => {}
        }
    }
}

/// The reasons in the traffic log, with the ports that they are of.
#[derive(Clone, Default)]
struct Reasons(Arc<Mutex<BTreeMap<String, String>>>);

#[derive(Default)]
struct Line(BTreeMap<&'static str, String>);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Reasons {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "trenza::traffic"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().insert(line.0["remote"].clone(), line.0["reason"].clone());
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The connections of a server as they come.
#[derive(Clone, Default)]
struct Came(Rc<RefCell<Vec<Transport>>>);

impl Came {
    /// The most that one of them holds.
    fn most_held(&self) -> usize {
        let counts = self.0.borrow().iter().map(Transport::counts).collect::<Vec<_>>();
        counts.iter().map(|counts| counts.unread + counts.unsent).max().unwrap_or_default()
    }
}

#[test]
fn ten_thousand_hang_up_and_nothing_is_left_of_them() {
    let reasons = Reasons::default();
    let _listening = tracing::subscriber::set_default(reasons.clone());
    let (ca, net) = (Authority::new("ca"), Net::gentle(1));
    // So fast that all are there at the same time.
    net.latency(Duration::from_micros(1));
    let (srv, crowd) = (net.host("srv"), net.host("crowd"));
    let (came, heard, said) = (Came::default(), Log::default(), Log::default());
    let tls = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let (seen, log) = (came.clone(), heard.clone());
    let policy = Policy::new().log().tap(move |transport: &Transport| {
        seen.0.borrow_mut().push(transport.clone());
        |_: &Transport, _: Seen<'_>| ()
    });
    let on = tls.over("tcp:443".into_endpoint().unwrap()).policy(policy);
    srv.run(|reactor| reactor.listen(on, move |_| Echo(log.clone())).map(drop)).unwrap();
    let client = ca.client().build().unwrap();

    let hello = insider::hello(&TLS13);
    let mut probes = Vec::new();
    for manner in Manner::ALL.into_iter().cycle().take(EACH * Manner::ALL.len()) {
        let probe = crowd.probe("tcp:srv:443");
        manner.begin(&probe, &hello);
        probes.push((manner, probe));
        if probes.len() % 1000 == 0 {
            net.run();
            assert!(came.most_held() <= HELD_MAX, "{}", came.most_held());
        }
    }
    say(&net, &client, "srv", b"in the middle of it", &said);
    net.run();
    assert_eq!(said.lines(), ["whole, lost: closed"], "it serves others meanwhile");
    assert!(srv.left().connections > 5 * EACH, "{:?}", srv.left());
    for (manner, probe) in &probes {
        let then: fn(&Probe) = match manner {
            Manner::EndAfterwards => Probe::close_write,
            Manner::ResetAfterwards => Probe::reset,
            _ => continue,
        };
        let mut connection = insider::client(&ca, &TLS13).into();
        insider::shake_hands(&net, probe, &mut connection);
        then(probe);
    }
    net.advance(Duration::from_secs(20));
    for (manner, probe) in &probes {
        let reason = reasons.0.lock().unwrap().remove(&probe.local_addr().to_string());
        assert!(
            reason.as_ref().is_some_and(|reason| reason.contains(manner.reason())),
            "{manner:?}: {reason:?}"
        );
    }
    assert_eq!(heard.lines().iter().filter(|line| line.starts_with("made")).count(), 2 * EACH + 1);
    assert_eq!(srv.left(), Left { ports: 1, ..Left::default() });
    drop(probes);
    say(&net, &client, "srv", b"afterwards", &said);
    net.advance(Duration::from_secs(20));
    assert_eq!(said.lines(), ["whole, lost: closed", "resumed", "whole, lost: closed"]);
    assert_eq!(net.ends(), 0);
}

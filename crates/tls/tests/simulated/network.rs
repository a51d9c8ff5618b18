//! TLS at both ends, and everything that a network can do to it.

use crate::{
    ground::Authority,
    talk::{Fate, Fates, Talk},
};
use std::{cell::Cell, collections::BTreeSet, rc::Rc, time::Duration};
use trenza_core::{IntoEndpoint, Left, Limits, Map};
use trenza_sim::{Dice, Fault, HostHandle, Kind, Net, RuleGuard, for_seeds};
use trenza_tls::{ClientTls, ServerTls, Side};

/// How much each side says.
const TALK: usize = 200_000;
/// When everything has ended, whatever happened: a connect, an idle time, a linger, and some.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a fault lasts that does not last for ever.
const BRIEF: Duration = Duration::from_secs(3);
/// The receive window, so that a talk takes many segments.
const WINDOW: usize = 16 * 1024;
/// A fault strikes before so many events, which is somewhere in the talk.
const EVENTS: usize = 100;
const SEEDS: u64 = 12;
/// The stream of a seed that says when a fault strikes.
const STREAM: u64 = u64::MAX;

/// A server and a client that talk, and one fault between them.
struct Trial {
    fault: Fault,
    net: Net,
    srv: HostHandle,
    cli: HostHandle,
    served: Fates,
    made: Fates,
    /// Whether the connect went well, once that is known.
    connected: Rc<Cell<Option<bool>>>,
}

impl Trial {
    fn new(fault: Fault, seed: u64) -> Self {
        let net = fault.net(seed);
        if fault != Fault::Window {
            net.window(WINDOW);
        }
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        Self {
            fault,
            net,
            srv,
            cli,
            served: Fates::default(),
            made: Fates::default(),
            connected: Rc::default(),
        }
    }

    fn serve(&self, server: &ServerTls) {
        let fates = self.served.clone();
        let on = server.over("tcp:443".into_endpoint().unwrap()).policy(fates.policy());
        self.srv.run(|reactor| reactor.listen(on, move |_| Talk::new(true, TALK, &fates)).map(drop)).unwrap();
    }

    fn connect(&self, client: &ClientTls) {
        let (talk, connected) = (Talk::new(false, TALK, &self.made), self.connected.clone());
        let to = client.to("srv").unwrap().over("tcp:srv:443".into_endpoint().unwrap());
        let to = to.policy(self.made.policy());
        self.cli.run(|reactor| {
            // Both say all at once, so that one must go on reading while the other does not.
            reactor.set_limits(Limits { read_while_full: true, ..Limits::default() });
            reactor.connect(to, move |_| talk).then(move |made| connected.set(Some(made.is_ok())));
        });
    }

    /// Lets the fault strike before or somewhere in the talk, and end again or not.
    fn run(&self, server: &ServerTls, client: &ClientTls) {
        let mut dice = Dice::new(self.net.seed(), STREAM);
        let (before, brief) = (dice.chance(0.3), dice.chance(0.5));
        self.serve(server);
        let strike = || self.fault.strike(&self.net, &self.srv, &self.cli);
        let mut guard = if before { strike() } else { None };
        if !self.cli.is_down() {
            self.connect(client);
        }
        if !before {
            let at = self.net.events() + dice.below(EVENTS) as u64;
            self.net.run_until(|| self.net.events() >= at);
            guard = strike();
        }
        if brief {
            self.net.advance(BRIEF);
            drop(guard);
        } else {
            guard.into_iter().for_each(RuleGuard::detach);
        }
        self.net.advance(PATIENCE);
    }

    /// What must hold, whatever happened; gives how those ended that were built, and whether none was.
    fn judge(&self) -> BTreeSet<&'static str> {
        for host in [&self.srv, &self.cli] {
            let left = host.left();
            // The answer of a job that hangs never comes.
            let answers = if self.fault == Fault::Jobs(trenza_sim::Fate::Hang) { left.answers } else { 0 };
            assert_eq!(left, Left { ports: left.ports, answers, ..Left::default() }, "{}", host.name());
        }
        let (served, made) = (self.served.0.borrow(), self.made.0.borrow());
        for fate in served.values().chain(made.values()) {
            assert!(fate.ended.is_some(), "it never ended: {fate:?}");
            assert_eq!(fate.told, fate.ended.filter(|_| fate.built), "{fate:?}");
            assert_eq!(fate.eof, fate.heard == TALK && fate.eof, "an end before all was heard: {fate:?}");
            assert!(fate.told != Some("closed") || fate.eof, "cut short, and called closed: {fate:?}");
        }
        let built = |fates: &Map<_, Fate>| fates.values().filter(|fate| fate.built).count();
        match self.connected.get() {
            Some(well) => assert_eq!(built(&made), usize::from(well), "whoever connects is told the truth"),
            None => assert!(self.client_dies(), "nobody said how the connect went"),
        }
        assert!(built(&served) <= 1 && built(&served) <= built(&made), "a server after half a handshake");
        if self.fault.is_harmless() {
            let whole = |fates: &Map<_, Fate>| {
                let whole = |fate: &Fate| fate.told == Some("closed") && fate.heard == TALK;
                built(fates) == 1 && fates.values().filter(|fate| fate.built).all(whole)
            };
            assert!(whole(&served) && whole(&made), "{served:?} {made:?}");
        }
        let failed = (self.connected.get() == Some(false)).then_some("not connected");
        served.values().chain(made.values()).filter_map(|fate| fate.told).chain(failed).collect()
    }

    fn client_dies(&self) -> bool {
        matches!(self.fault, Fault::ClientKilled | Fault::ClientCrash | Fault::ClientRestart)
    }
}

/// Does nothing to a connection over TCP that is not broken by something else.
fn passes_by(fault: Fault) -> bool {
    matches!(fault, Fault::Rule(_, Kind::Descriptor | Kind::Datagram(_) | Kind::Reset))
}

#[test]
fn whatever_the_network_does_what_arrives_is_what_was_said_and_the_end_has_a_name() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let clients = [true, false].map(|resumption| ca.client().resumption(resumption).build().unwrap());
    let mut ends = BTreeSet::new();
    for fault in Fault::all() {
        let mut own = BTreeSet::new();
        for_seeds(0..SEEDS, |seed| {
            let trial = Trial::new(fault, seed);
            trial.run(&server, &clients[seed as usize / 2 % 2]);
            own.extend(trial.judge());
        });
        let strikes = !fault.is_harmless() && !passes_by(fault);
        assert_eq!(own.iter().any(|end| *end != "closed"), strikes, "{fault:?}: {own:?}");
        ends.extend(own);
    }
    let all = ["closed", "io", "not connected", "stopped", "timed out"];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), all);
}

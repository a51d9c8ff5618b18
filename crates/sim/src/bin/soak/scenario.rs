//! A run: a network from a seed, hosts that are busy for a while, and a look at what is left of them.

use crate::{
    chores,
    judge::{Breach, Invariant, Judge},
    keeper::Keeper,
    panics,
    roles::{Hosts, PORTS, Postman},
    services::Service,
};
use std::{collections::BTreeMap, fmt, mem, rc::Rc, time::Duration};
use trenza_core::{Left, Limits, Port, UdpPort};
use trenza_sim::{Dice, Fate, HostHandle, Net, PIECE_MAX, RuleGuard, Verdict};

/// The stream of a seed that a scenario draws from.
const STREAM: u64 = u64::MAX;
/// How long a scenario is busy, in ticks of a few milliseconds.
const TICKS: usize = 40;
/// After which time everything has ended, whatever broke: idle time, drain and linger and some.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many clients visit in one scenario.
const VISITS_MAX: usize = 24;

/// What a scenario is about. The kind follows from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Monkeys,
    Bulk,
    Lines,
    Layers,
    Coroutines,
    Proxies,
    Rude,
    Chores,
    Datagrams,
    Ports,
    Faults,
    Crashes,
    Mixed,
}

impl Kind {
    pub(crate) const ALL: [Self; 13] = [
        Self::Monkeys,
        Self::Bulk,
        Self::Lines,
        Self::Layers,
        Self::Coroutines,
        Self::Proxies,
        Self::Rude,
        Self::Chores,
        Self::Datagrams,
        Self::Ports,
        Self::Faults,
        Self::Crashes,
        Self::Mixed,
    ];

    pub(crate) fn of(seed: u64) -> Self {
        Self::ALL[(seed % Self::ALL.len() as u64) as usize]
    }

    fn services(self) -> &'static [Service] {
        match self {
            Self::Monkeys => &[Service::Monkey],
            Self::Bulk => &[Service::Echo, Service::Sink],
            Self::Lines => &[Service::Lines],
            Self::Layers => &[Service::Veiled, Service::Lines],
            Self::Coroutines => &[Service::Coroutine],
            Self::Proxies => &[Service::ProxyEcho, Service::ProxySink],
            Self::Rude => &[Service::Rude, Service::Sink],
            Self::Chores | Self::Datagrams => &[Service::Echo],
            Self::Ports | Self::Faults | Self::Crashes | Self::Mixed => &Service::ALL,
        }
    }

    fn has_chores(self) -> bool {
        matches!(self, Self::Chores | Self::Crashes | Self::Mixed)
    }

    fn has_mail(self) -> bool {
        matches!(self, Self::Datagrams | Self::Ports | Self::Faults | Self::Crashes | Self::Mixed)
    }

    fn stops_ports(self) -> bool {
        matches!(self, Self::Ports | Self::Mixed)
    }

    fn crashes(self) -> bool {
        matches!(self, Self::Crashes | Self::Mixed)
    }

    fn has_faults(self) -> bool {
        matches!(self, Self::Faults | Self::Mixed)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) breach: Option<Breach>,
    pub(crate) connections: u64,
    pub(crate) callbacks: u64,
    pub(crate) events: u64,
    pub(crate) fingerprint: u64,
    /// Virtual time.
    pub(crate) elapsed: Duration,
}

/// Runs the scenario of a seed, for at most so many ticks.
pub(crate) fn run(seed: u64, ticks: Option<usize>) -> Outcome {
    let net = Rc::new(Net::new(seed));
    let judge = Judge::new(&net);
    net.allow_panics();
    let panicked = panics::catch(|| {
        let mut scenario = Scenario::new(seed, &net, &judge);
        scenario.busy(ticks.unwrap_or(TICKS));
        scenario.wind_down();
    });
    if let Some(panic) = panicked {
        judge.breach(Invariant::Panic, panic);
    }
    let (connections, callbacks) = judge.figures();
    let (events, fingerprint, elapsed) = (net.events(), net.fingerprint(), net.elapsed());
    // What the hosts still hold is dropped now, after the last look.
    let dropped = panics::catch(|| judge.dropping(|| drop(net)));
    if let Some(panic) = dropped {
        judge.breach(Invariant::Panic, panic);
    }
    Outcome { breach: judge.take_breach(), connections, callbacks, events, fingerprint, elapsed }
}

struct Scenario {
    kind: Kind,
    net: Rc<Net>,
    judge: Rc<Judge>,
    dice: Dice,
    /// `srv` and `mid`, then the clients.
    hosts: Vec<HostHandle>,
    limits: Limits,
    /// Of `srv`.
    connections_max: Option<usize>,
    ports: Vec<(Service, Option<Port>)>,
    /// Of postmen, by host and which of its ports.
    udp_ports: BTreeMap<(usize, u16), UdpPort>,
    /// Of each host.
    keepers: Vec<Keeper>,
    /// Those that were told to stop and have not ended.
    stopping: Vec<HostHandle>,
    visits: usize,
    rules: Vec<RuleGuard>,
}

impl Scenario {
    fn new(seed: u64, net: &Rc<Net>, judge: &Rc<Judge>) -> Self {
        let kind = Kind::of(seed);
        let mut dice = Dice::new(seed, STREAM);
        let window = match dice.below(3) {
            0 => 100 + dice.below(3000),
            _ => 4096 << dice.below(5),
        };
        net.window(window);
        net.latency(Duration::from_micros(dice.below(2000) as u64));
        judge.set_late_bytes_max(2 * window.min(PIECE_MAX));
        judge.set_large(window.min(12_000));
        let high = 500 + dice.below(8000);
        let limits = Limits {
            high,
            low: dice.below(high),
            unread: 1000 + dice.below(5000),
            unsent: 200_000,
            ..Limits::default()
        };
        let clients = ["cli0", "cli1", "cli2"].into_iter().take(1 + dice.below(3));
        let hosts: Vec<_> = ["srv", "mid"].into_iter().chain(clients).map(|name| net.host(name)).collect();
        let ports = Service::ALL.map(|service| (service, None)).into();
        let keepers = hosts.iter().map(|_| Keeper::default()).collect();
        let mut scenario = Self {
            kind,
            net: net.clone(),
            judge: judge.clone(),
            dice,
            hosts,
            limits,
            connections_max: None,
            ports,
            udp_ports: BTreeMap::new(),
            keepers,
            stopping: Vec::new(),
            visits: 0,
            rules: Vec::new(),
        };
        scenario.note(format_args!("seed {seed} is {kind}, window {window}"));
        scenario.limit();
        scenario.listen();
        scenario
    }

    fn note(&self, what: fmt::Arguments<'_>) {
        self.net.note(what);
    }

    /// Small limits, which are reached.
    fn limit(&mut self) {
        if self.dice.chance(0.2) {
            self.net.bandwidth(200_000 + self.dice.below(5_000_000) as u64);
        }
        if self.dice.chance(0.3) {
            let max = 2 + self.dice.below(4);
            self.judge.set_connections_max(max);
            self.connections_max = Some(max);
        }
        self.hosts.iter().for_each(|host| self.limit_host(host));
    }

    fn limit_host(&self, host: &HostHandle) {
        // Of two ends that wait for each other to read, one must do so.
        let read_while_full = host.name().starts_with("cli");
        let limits = Limits { read_while_full, ..self.limits.clone() };
        host.run(|reactor| reactor.set_limits(limits));
        if let Some(max) = self.connections_max.filter(|_| &*host.name() == "srv") {
            host.run(|reactor| reactor.set_connections_max(max));
        }
    }

    fn host(&self, name: &str) -> HostHandle {
        self.net.host(name)
    }

    /// Listens where nobody does.
    fn listen(&mut self) {
        for place in 0..self.ports.len() {
            let (service, None) = &self.ports[place] else { continue };
            let service = *service;
            let host = self.host(service.host());
            if host.is_down() || self.is_stopping(&host) {
                continue;
            }
            let port = host.run(|reactor| service.listen(reactor, &self.judge));
            self.ports[place].1 = port.ok();
        }
    }

    /// Lets hosts do things for a while.
    fn busy(&mut self, ticks: usize) {
        for _ in 0..ticks {
            if self.judge.is_breached() {
                return;
            }
            if self.visits < VISITS_MAX && self.dice.chance(0.7) {
                self.visit();
            }
            if self.kind.has_chores() {
                self.chore();
            }
            if self.kind.has_mail() {
                self.mail();
            }
            if self.kind.stops_ports() && self.dice.chance(0.2) {
                self.meddle_with_ports();
            }
            if self.kind.has_faults() && self.dice.chance(0.3) {
                self.fault();
            }
            if self.kind.stops_ports() && self.dice.chance(0.03) {
                self.stop_host();
            }
            if self.kind.crashes() && self.dice.chance(0.1) {
                self.crash_or_restart();
            }
            if self.kind.crashes() {
                self.keep();
            }
            if self.dice.chance(0.05) {
                let host = self.dice.below(self.hosts.len());
                self.hosts[host].fail_accepts(1 + self.dice.below(3));
            }
            self.start_stopped();
            let pause = Duration::from_micros(self.dice.below(10_000) as u64);
            self.net.advance(pause);
        }
    }

    fn client(&mut self) -> HostHandle {
        let client = 2 + self.dice.below(self.hosts.len() - 2);
        self.hosts[client].clone()
    }

    fn visit(&mut self) {
        let services = self.kind.services();
        for _ in 0..1 + self.dice.below(3) {
            let service = services[self.dice.below(services.len())];
            let client = self.client();
            if client.is_down() {
                continue;
            }
            self.visits += 1;
            client.run(|reactor| service.visit(reactor, &self.judge));
        }
    }

    fn chore(&mut self) {
        let host = self.client();
        if host.is_down() {
            return;
        }
        for _ in 0..self.dice.below(4) {
            let chore = [chores::timer, chores::job, chores::wrong_number][self.dice.below(3)];
            host.run(|reactor| chore(reactor, &self.judge));
        }
    }

    /// Has some postmen send, and hires them where there are none.
    fn mail(&mut self) {
        let addresses: Hosts = self.hosts.iter().map(HostHandle::ips).collect();
        for _ in 0..1 + self.dice.below(4) {
            let place = (self.dice.below(self.hosts.len()), self.dice.below(PORTS.into()) as u16);
            let host = self.hosts[place.0].clone();
            if host.is_down() || self.is_stopping(&host) {
                continue;
            }
            if let Some(port) = self.udp_ports.get(&place).filter(|port| port.is_open()) {
                port.handle::<Postman>().call(Postman::post);
                continue;
            }
            let postman = Postman::new(&self.judge, host.ips(), &addresses, self.limits.unsent);
            // The former one may not be gone yet.
            if let Ok(port) = host.run(|reactor| reactor.udp(&Postman::endpoint(place.1), postman)) {
                self.udp_ports.insert(place, port);
            }
        }
    }

    fn meddle_with_ports(&mut self) {
        let place = self.dice.below(self.ports.len());
        match (&self.ports[place].1, self.dice.below(4)) {
            (Some(port), 0) => port.pause(),
            (Some(port), 1) => port.resume(),
            (Some(_), 2) => self.stop_port(place),
            _ => self.listen(),
        }
    }

    fn stop_port(&mut self, place: usize) {
        let Some(port) = self.ports[place].1.take() else { return };
        // Connections that wait to be accepted are reset, and others close early.
        self.judge.get_rough();
        let question = self.judge.ask("the stop of a port");
        port.stop().then(move |_| question.answered());
    }

    /// Crashes a host, or starts one again that has crashed.
    fn crash_or_restart(&mut self) {
        self.judge.get_rough();
        let host = self.hosts[self.dice.below(self.hosts.len())].clone();
        match self.hosts.iter().find(|host| host.is_down()).cloned() {
            Some(down) if self.dice.chance(0.7) => self.restart(&down),
            _ if !host.is_down() => self.crash(&host),
            _ => {}
        }
    }

    fn crash(&mut self, host: &HostHandle) {
        self.forget_ports(host);
        self.judge.dropping(|| host.crash());
        if let Some(place) = self.hosts.iter().position(|other| other.name() == host.name()) {
            self.keepers[place].check(host, &self.judge);
        }
    }

    /// Some host saves a number.
    fn keep(&mut self) {
        let place = self.dice.below(self.hosts.len());
        if !self.hosts[place].is_down() && !self.is_stopping(&self.hosts[place]) {
            self.keepers[place].save(&self.hosts[place]);
        }
    }

    fn forget_ports(&mut self, host: &HostHandle) {
        for (service, port) in &mut self.ports {
            if service.host() == &*host.name() {
                *port = None;
            }
        }
    }

    fn restart(&mut self, host: &HostHandle) {
        host.restart(|_| ());
        self.limit_host(host);
        self.listen();
    }

    /// Stops a host gracefully; when it has ended it is started again.
    fn stop_host(&mut self) {
        let host = self.hosts[self.dice.below(self.hosts.len())].clone();
        if host.is_down() || self.is_stopping(&host) {
            return;
        }
        self.judge.get_rough();
        self.judge.let_answers_drop();
        self.forget_ports(&host);
        host.run(|reactor| {
            reactor.set_grace(Duration::from_millis(self.dice.below(200) as u64));
            reactor.stop();
        });
        self.stopping.push(host);
    }

    fn is_stopping(&self, host: &HostHandle) -> bool {
        self.stopping.iter().any(|other| other.name() == host.name())
    }

    /// Starts those again that have stopped.
    fn start_stopped(&mut self) {
        let (ended, stopping) =
            mem::take(&mut self.stopping).into_iter().partition(|host| !host.is_running());
        self.stopping = stopping;
        let ended: Vec<HostHandle> = ended;
        for host in ended.iter().filter(|host| !host.is_down()) {
            self.limit_host(host);
        }
        if !ended.is_empty() {
            self.listen();
        }
    }

    fn fault(&mut self) {
        self.judge.get_rough();
        match self.dice.below(10) {
            0..=3 => self.rules.clear(),
            4 => self.split(),
            5 => self.break_pool(),
            _ => self.break_link(),
        }
    }

    /// Any hosts do not hear any others.
    fn split(&mut self) {
        let (these, those): (Vec<_>, Vec<_>) = self.hosts.iter().partition(|_| self.dice.chance(0.5));
        let partition = self.net.partition(&these, &those);
        self.rules.push(partition);
    }

    /// Some jobs of any host do not end well, or at all.
    fn break_pool(&mut self) {
        let fate = [Fate::Refuse, Fate::Fail, Fate::Hang][self.dice.below(3)];
        if fate == Fate::Hang {
            self.judge.let_jobs_hang();
        }
        let (mut seen, every) = (0, 1 + self.dice.below(4));
        let rule = self.net.job_rule(move |_| {
            seen += 1;
            if seen % every == 0 { fate } else { Fate::Run }
        });
        self.rules.push(rule);
    }

    /// Some segments to and from a client are late, lost or answered with a reset.
    fn break_link(&mut self) {
        let verdict = match self.dice.below(4) {
            0 => Verdict::Drop,
            1 => Verdict::Reset,
            _ => Verdict::Delay(Duration::from_millis(self.dice.below(50) as u64)),
        };
        let (client, mut left) = (self.client().name(), 1 + self.dice.below(20));
        let skip = self.dice.below(30);
        let mut seen = 0;
        let rule = self.net.rule(move |packet| {
            if !(packet.to(&client) || packet.from(&client)) {
                return Verdict::Pass;
            }
            seen += 1;
            if seen < skip || left == 0 {
                return Verdict::Pass;
            }
            left -= 1;
            verdict
        });
        self.rules.push(rule);
    }

    fn is_quiet(&self) -> bool {
        self.judge.unanswered() == 0 && self.hosts.iter().all(|host| host.left().connections == 0)
    }

    /// All faults end, all connections too; then nothing may be left.
    fn wind_down(&mut self) {
        self.rules.clear();
        for host in self.hosts.clone().iter().filter(|host| host.is_down()) {
            self.restart(host);
        }
        // Grace is short.
        self.net.advance(Duration::from_secs(1));
        self.start_stopped();
        for (_, port) in &self.ports {
            port.iter().for_each(Port::resume);
        }
        self.udp_ports.values().for_each(UdpPort::close);
        // A connection's timer goes with it, so it is looked for as soon as the last connection has gone.
        let end = self.net.elapsed() + PATIENCE;
        while self.net.elapsed() < end {
            self.net.advance(Duration::from_secs(1));
            if self.is_quiet() {
                break;
            }
        }
        self.net.advance(Duration::from_secs(1));
        for host in &self.hosts {
            let stuck = host.run(|reactor| reactor.connections());
            if let Some(first) = stuck.first() {
                let what = format!("{} of {} never end, {first:?} among them", stuck.len(), host.name());
                self.judge.breach(Invariant::Hang, what);
            }
        }
        for place in 0..self.ports.len() {
            self.stop_port(place);
        }
        self.net.advance(Duration::from_secs(1));
        for host in &self.hosts {
            // The answer of a job that hangs never comes.
            let answers = if self.judge.jobs_hang() { host.left().answers } else { 0 };
            if host.left() != (Left { answers, ..Left::default() }) {
                self.judge.breach(Invariant::Left, format!("{} has {:?}", host.name(), host.leftovers()));
            }
        }
        if self.net.ends() > 0 {
            self.judge.breach(Invariant::Left, format!("the network knows {} ends", self.net.ends()));
        }
        self.judge.audit();
        for host in mem::take(&mut self.hosts) {
            host.run(|reactor| reactor.stop());
            self.net.advance(Duration::ZERO);
            if host.is_running() {
                self.judge.breach(Invariant::Hang, format!("{} does not stop", host.name()));
            }
        }
    }
}

//! [`Fault`]: what may go wrong between two hosts, one thing at a time.

use crate::{
    hostility::Hostility,
    jobs::Fate,
    machine::HostHandle,
    net::Net,
    rule::{Kind, RuleGuard, Verdict},
};
use std::{mem, time::Duration};

/// How much longer a delayed segment travels.
const DELAY: Duration = Duration::from_millis(700);
/// How long a slow job takes.
const SLOW: Duration = Duration::from_secs(2);
/// How long a segment travels to a host that is far away.
const FAR: Duration = Duration::from_millis(300);
/// How many bytes a second fit through a narrow line.
const NARROW: u64 = 50_000;
/// The receive window of a host that takes little at once, in bytes.
const WINDOW: usize = 500;
/// How many accepts fail in a row.
const ACCEPTS: usize = 3;
/// The longest datagram where the MTU is small, in bytes.
const MTU: usize = 100;

/// One thing that may go wrong between two hosts. [`Fault::all`] has everything that a [`Net`] can do to programs, so
/// that a suite is tried on all of it and nothing new is forgotten.
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Input, Protocol, Result, Transport};
/// use trenza_sim::Fault;
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
///         transport.write(input.rest());
///         Ok(())
///     }
/// }
///
/// for fault in Fault::all() {
///     let net = fault.net(1);
///     let (srv, cli) = (net.host("srv"), net.host("cli"));
///     srv.listen("tcp:7", |_| Echo);
///     let probe = cli.probe("tcp:srv:7");
///     probe.send("hello");
///     let _guard = fault.strike(&net, &srv, &cli);
///     net.advance(Duration::from_secs(60));
///     assert!(b"hello".starts_with(&probe.received()[..]), "{fault:?}");
///     assert!(!fault.is_harmless() || probe.received() == b"hello", "{fault:?}");
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Everything of one field of [`Hostility`], by its name.
    Hostile(&'static str),
    /// A [`Net::rule`] with this verdict on all segments or datagrams of a kind, whatever the numbers in it.
    Rule(Verdict, Kind),
    /// A [`Net::job_rule`] with this fate, on both hosts.
    Jobs(Fate),
    /// [`Net::job_time`]: jobs of both hosts take their time.
    SlowJobs,
    /// [`Net::partition`] between the two.
    Partition,
    /// [`Net::bandwidth_between`] the two: next to none.
    Narrow,
    /// [`Net::latency_between`] the two: a lot.
    Far,
    /// [`Net::window`]: next to none.
    Window,
    /// [`Net::mtu`]: datagrams must be short.
    Mtu,
    /// [`HostHandle::fail_accepts`] of the server.
    Accepts,
    /// [`HostHandle::kill`] of the server.
    ServerKilled,
    /// [`HostHandle::kill`] of the client.
    ClientKilled,
    /// [`HostHandle::crash`] of the server.
    ServerCrash,
    /// [`HostHandle::crash`] of the client.
    ClientCrash,
    /// [`HostHandle::restart`] of the server, which has nothing on it then.
    ServerRestart,
    /// [`HostHandle::restart`] of the client.
    ClientRestart,
}

/// The fields of [`Hostility`], and how each is set to what it can be at worst.
type Worst = (&'static str, fn(&mut Hostility));
const HOSTILE: [Worst; 15] = [
    ("split", |worst| worst.split = 1.0),
    ("merge", |worst| worst.merge = 1.0),
    ("late", |worst| worst.late = 1.0),
    ("extra_sent", |worst| worst.extra_sent = 0.5),
    ("starve", |worst| worst.starve = 0.5),
    ("spurious", |worst| worst.spurious = 0.5),
    ("short_send", |worst| worst.short_send = 1.0),
    ("reset_overtakes", |worst| worst.reset_overtakes = 1.0),
    ("shuffle", |worst| worst.shuffle = 1.0),
    ("accept_fails", |worst| worst.accept_fails = 0.5),
    ("completion", |worst| worst.completion = 1.0),
    ("jitter", |worst| worst.jitter = Duration::from_millis(20)),
    ("loss", |worst| worst.loss = 0.5),
    ("duplicate", |worst| worst.duplicate = 1.0),
    ("reorder", |worst| worst.reorder = 1.0),
];
const VERDICTS: [Verdict; 3] = [Verdict::Delay(DELAY), Verdict::Drop, Verdict::Reset];
const KINDS: [Kind; 8] = [
    Kind::Connect,
    Kind::Accept,
    Kind::Data(0),
    Kind::Descriptor,
    Kind::Fin,
    Kind::Reset,
    Kind::Window(0),
    Kind::Datagram(0),
];
const FATES: [Fate; 4] = [Fate::Slow(SLOW), Fate::Refuse, Fate::Fail, Fate::Hang];
const OTHERS: [Fault; 13] = [
    Fault::SlowJobs,
    Fault::Partition,
    Fault::Narrow,
    Fault::Far,
    Fault::Window,
    Fault::Mtu,
    Fault::Accepts,
    Fault::ServerKilled,
    Fault::ClientKilled,
    Fault::ServerCrash,
    Fault::ClientCrash,
    Fault::ServerRestart,
    Fault::ClientRestart,
];

impl Fault {
    /// Everything that may go wrong.
    pub fn all() -> impl Iterator<Item = Self> {
        let hostile = HOSTILE.iter().map(|(name, _)| Self::Hostile(name));
        let rules = VERDICTS.into_iter().flat_map(|verdict| KINDS.map(|kind| Self::Rule(verdict, kind)));
        hostile.chain(rules).chain(FATES.map(Self::Jobs)).chain(OTHERS)
    }

    /// True where a program that is right notices nothing but time: connections of streams go on, and what is sent
    /// arrives.
    pub fn is_harmless(self) -> bool {
        match self {
            Self::Hostile(name) => name != "reset_overtakes",
            Self::Rule(verdict, _) => verdict == Verdict::Delay(DELAY),
            Self::Jobs(fate) => fate == Fate::Slow(SLOW),
            Self::SlowJobs | Self::Narrow | Self::Far | Self::Window | Self::Mtu | Self::Accepts => true,
            Self::Partition
            | Self::ServerKilled
            | Self::ClientKilled
            | Self::ServerCrash
            | Self::ClientCrash
            | Self::ServerRestart
            | Self::ClientRestart => false,
        }
    }

    /// A network for it. With an even seed nothing else happens, with an odd one also what [`Net::new`] does.
    pub fn net(self, seed: u64) -> Net {
        let net = if seed.is_multiple_of(2) { Net::gentle(seed) } else { Net::new(seed) };
        if let Self::Hostile(name) = self {
            net.change_hostility(|hostility| make_worst(name, hostility));
        }
        if self == Self::Window {
            net.window(WINDOW);
        }
        net
    }

    /// It begins between a server and its client. It lasts until the guard is dropped, where there is one: the others
    /// are over at once, or last for ever. What a [`Fault::net`] has anyway needs nobody to begin it; a reset that
    /// overtakes bytes needs a reset, and this is it.
    ///
    /// # Panics
    /// This is called from a callback of one of the hosts.
    pub fn strike(self, net: &Net, server: &HostHandle, client: &HostHandle) -> Option<RuleGuard> {
        match self {
            Self::Hostile("reset_overtakes") => return Some(rule(net, Verdict::Reset, Kind::Data(0))),
            Self::Rule(verdict, kind) => return Some(rule(net, verdict, kind)),
            Self::Jobs(fate) => {
                let names = [server.name(), client.name()];
                let on = move |host: &str| names.iter().any(|name| **name == *host);
                return Some(net.job_rule(move |host| if on(host) { fate } else { Fate::Run }));
            }
            Self::Partition => return Some(net.partition(&[server], &[client])),
            Self::SlowJobs => net.job_time(SLOW),
            Self::Narrow => net.bandwidth_between(server, client, NARROW),
            Self::Far => net.latency_between(server, client, FAR),
            Self::Mtu => net.mtu(MTU),
            Self::Accepts => server.fail_accepts(ACCEPTS),
            Self::ServerKilled => server.kill(),
            Self::ClientKilled => client.kill(),
            Self::ServerCrash => server.crash(),
            Self::ClientCrash => client.crash(),
            Self::ServerRestart => server.restart(|_| ()),
            Self::ClientRestart => client.restart(|_| ()),
            Self::Hostile(_) | Self::Window => {}
        }
        None
    }
}

fn make_worst(name: &str, hostility: &mut Hostility) {
    HOSTILE.iter().filter(|(field, _)| *field == name).for_each(|(_, make)| make(hostility));
}

/// A rule for all of a kind, whatever the numbers in it.
fn rule(net: &Net, verdict: Verdict, kind: Kind) -> RuleGuard {
    let same = move |other: Kind| mem::discriminant(&other) == mem::discriminant(&kind);
    net.rule(move |packet| if same(packet.kind()) { verdict } else { Verdict::Pass })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How bad each field is; a new one does not compile here.
    fn fields(of: &Hostility) -> [f64; 15] {
        let Hostility {
            split,
            merge,
            late,
            extra_sent,
            starve,
            spurious,
            short_send,
            reset_overtakes,
            shuffle,
            accept_fails,
            completion,
            jitter,
            loss,
            duplicate,
            reorder,
        } = *of;
        let jitter = jitter.as_secs_f64();
        [
            split,
            merge,
            late,
            extra_sent,
            starve,
            spurious,
            short_send,
            reset_overtakes,
            shuffle,
            accept_fails,
            completion,
            jitter,
            loss,
            duplicate,
            reorder,
        ]
    }

    #[test]
    fn every_field_of_hostility_has_a_fault_of_its_own() {
        let mut had = [false; 15];
        for fault in Fault::all() {
            let Fault::Hostile(name) = fault else { continue };
            let hostility = fault.net(0).hostility();
            let bad: Vec<_> = fields(&hostility).iter().map(|how| *how > 0.0).collect();
            assert_eq!(bad.iter().filter(|bad| **bad).count(), 1, "{name}");
            let place = bad.iter().position(|bad| *bad).unwrap();
            assert!(!mem::replace(&mut had[place], true), "{name} twice");
        }
        assert!(had.iter().all(|had| *had), "{had:?}");
    }

    #[test]
    fn every_verdict_kind_and_fate_has_a_fault() {
        // A new variant does not compile here.
        let verdict = |verdict| match verdict {
            Verdict::Pass => 0,
            Verdict::Delay(_) => 1,
            Verdict::Drop => 2,
            Verdict::Reset => 3,
        };
        let kind = |kind| match kind {
            Kind::Connect => 0,
            Kind::Accept => 1,
            Kind::Data(_) => 2,
            Kind::Descriptor => 3,
            Kind::Fin => 4,
            Kind::Reset => 5,
            Kind::Window(_) => 6,
            Kind::Datagram(_) => 7,
        };
        let fate = |fate| match fate {
            Fate::Run => 0,
            Fate::Slow(_) => 1,
            Fate::Refuse => 2,
            Fate::Fail => 3,
            Fate::Hang => 4,
        };
        let rules: Vec<_> = Fault::all()
            .filter_map(|fault| match fault {
                Fault::Rule(of, on) => Some((verdict(of), kind(on))),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = (1..4).flat_map(|of| (0..8).map(move |on| (of, on))).collect();
        assert_eq!(rules, expected);
        let fates: Vec<_> = Fault::all()
            .filter_map(|fault| match fault {
                Fault::Jobs(of) => Some(fate(of)),
                _ => None,
            })
            .collect();
        assert_eq!(fates, [1, 2, 3, 4]);
    }

    /// What the network and its hosts can be told that is nobody's misfortune.
    const HARMLESS: &[&str] = &[
        "new",
        "gentle",
        "with",
        "host",
        "name",
        "allow_panics",
        "elapsed",
        "now",
        "seed",
        "hostility",
        "trace",
        "note",
        "events",
        "fingerprint",
        "ends",
        "run",
        "advance",
        "set_wall",
        "run_until",
        "block_on",
        "ips",
        "reactor",
        "listen",
        "program",
        "disk",
        "is_down",
        "left",
        "leftovers",
        "is_running",
        "driver",
        "hand_over",
        "probe",
        "probe_to",
        "probe_listen",
        "socket_pair",
        "pipe",
        "stdio",
        "watchable",
        "probe_of",
        "datagram_probe",
    ];
    /// What can be done for all hosts or for two, or on one host or all; its fault does one of them.
    const WIDER: &[&str] = &["rule", "latency", "bandwidth"];

    #[test]
    fn whatever_the_network_can_do_has_a_fault() {
        let (code, _) = include_str!("fault.rs").split_once("#[cfg(test)]").unwrap();
        let methods = [include_str!("net.rs"), include_str!("machine.rs")].map(|source| {
            source.lines().filter_map(|line| line.strip_prefix("    pub fn ")?.split(['(', '<']).next())
        });
        let methods: Vec<_> = methods.into_iter().flatten().collect();
        assert!(methods.contains(&"partition") && methods.contains(&"crash"), "{methods:?}");
        for method in methods {
            let used = code.contains(&format!(".{method}("));
            let told = HARMLESS.contains(&method) || WIDER.contains(&method);
            assert!(
                used || told,
                "{method} of Net or HostHandle is in no Fault, and not said to be harmless"
            );
        }
    }
}

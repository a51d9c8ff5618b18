//! What well-behaved servers say, and several of them.

use super::ns::{Ns, a, cname, look_up, name, record, soa};
use crate::{Config, ErrorKind, Fault, Hosts, Mx, RData, RecordType, ResponseCode, rdata};
use std::{cell::RefCell, collections::BTreeSet, net::IpAddr, rc::Rc, time::Duration};
use trenza_core::join;
use trenza_sim::{Net, for_seeds};

fn ip(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

#[test]
fn all_types_are_looked_up() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        let name = asked.name();
        vec![match (name.as_str(), asked.record_type()) {
            ("www.example.org", RecordType::A) => asked.with([a(&name, 60, 1), a(&name, 60, 2)]),
            ("www.example.org", RecordType::AAAA) => {
                asked.with([record(&name, 60, RData::AAAA(rdata::AAAA("2001:db8::1".parse().unwrap())))])
            }
            ("example.org", RecordType::MX) => {
                asked.with([(20, "b.example.org"), (10, "a.example.org")].map(|(preference, to)| {
                    record(&name, 60, RData::MX(rdata::MX::new(preference, super::ns::name(to))))
                }))
            }
            ("null.example.org", RecordType::MX) => {
                asked.with([record(&name, 60, RData::MX(rdata::MX::new(0, crate::Name::root())))])
            }
            ("example.org", RecordType::TXT) => asked.with([record(
                &name,
                60,
                RData::TXT(rdata::TXT::from_bytes(vec![b"v=spf1 ", b"-all\xff"])),
            )]),
            ("1.2.0.192.in-addr.arpa", RecordType::PTR) => {
                asked.with([record(&name, 60, RData::PTR(rdata::PTR(super::ns::name("www.example.org"))))])
            }
            (name, _) if name.ends_with("example.org") => asked.nothing(),
            _ => asked.code(ResponseCode::NXDomain),
        }]
    });
    let config = Config::asking([ns.at]);
    look_up(&net, config, |resolver| async move {
        assert_eq!(resolver.ipv4("www.example.org").await.unwrap().len(), 2);
        assert_eq!(resolver.ipv6("WWW.example.org.").await.unwrap().len(), 1);
        let both = resolver.addresses("www.example.org").await.unwrap();
        assert_eq!(both, ["2001:db8::1".parse().unwrap(), ip(1), ip(2)]);
        let mx = resolver.mx("example.org").await.unwrap();
        assert_eq!(mx[0], Mx { preference: 10, exchange: "a.example.org".into() });
        assert_eq!(mx.len(), 2);
        assert!(resolver.mx("null.example.org").await.unwrap()[0].is_null());
        assert_eq!(resolver.txt("example.org").await.unwrap(), [b"v=spf1 -all\xff"]);
        assert_eq!(resolver.ptr(ip(1)).await.unwrap(), ["www.example.org"]);
        assert_eq!(resolver.ptr("::ffff:192.0.2.1".parse().unwrap()).await.unwrap(), ["www.example.org"]);

        let none = resolver.mx("www.example.org").await.unwrap_err();
        assert_eq!((none.kind.clone(), none.fault()), (ErrorKind::NoData, Fault::Nobody));
        let nobody = resolver.addresses("nobody.example.com").await.unwrap_err();
        assert_eq!(nobody.kind, ErrorKind::NoName);
        assert!(nobody.is_negative() && !nobody.is_temporary());
        for wrong in ["", "a..b", "a b", &"x".repeat(64), &"x.".repeat(130)] {
            let error = resolver.addresses(wrong).await.unwrap_err();
            assert_eq!(error.fault(), Fault::Caller, "{wrong:?}: {error}");
        }
    });
}

#[test]
fn equal_mail_servers_come_in_any_order() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        let mx = |to: &str| record("example.org", 0, RData::MX(rdata::MX::new(10, name(to))));
        vec![asked.with([mx("a.example.org"), mx("b.example.org")])]
    });
    let firsts = look_up(&net, Config::asking([ns.at]), |resolver| async move {
        let mut firsts = BTreeSet::new();
        for _ in 0..40 {
            firsts.insert(resolver.mx("example.org").await.unwrap()[0].exchange.clone());
        }
        firsts
    });
    assert_eq!(firsts.len(), 2);
}

#[test]
fn aliases_are_followed_within_a_message_and_beyond() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        vec![match asked.name().as_str() {
            "one" => asked.with([cname("one", 60, "two"), cname("two", 50, "three"), a("three", 70, 3)]),
            "apart" => asked.with([cname("apart", 60, "then")]),
            "then" => asked.with([a("then", 60, 4), a("other", 60, 9)]),
            "nowhere" => {
                let mut answer = asked.answer();
                answer.add_answer(cname("nowhere", 60, "gone"));
                answer.add_authority(soa("gone", 60, 60));
                answer.metadata.response_code = ResponseCode::NXDomain;
                answer.to_vec().unwrap()
            }
            "circle" => asked.with([cname("circle", 60, "round"), cname("round", 60, "circle")]),
            other => {
                let next = format!("x{other}");
                asked.with([cname(other, 60, &next)])
            }
        }]
    });
    look_up(&net, Config::asking([ns.at]), |resolver| async move {
        let one = resolver.lookup("one", RecordType::A).await.unwrap();
        assert_eq!((one.name.clone(), one.ttl), (name("three"), Duration::from_secs(50)));
        assert_eq!(one.aliases, [name("one"), name("two")]);
        let apart = resolver.lookup("apart", RecordType::A).await.unwrap();
        assert_eq!((apart.aliases.clone(), apart.records.len()), (vec![name("apart")], 1));
        let alias = resolver.lookup("apart", RecordType::CNAME).await.unwrap();
        assert!(alias.aliases.is_empty() && alias.records.len() == 1);
        assert_eq!(resolver.ipv4("nowhere").await.unwrap_err().kind, ErrorKind::NoName);
        for endless in ["circle", "y"] {
            let error = resolver.ipv4(endless).await.unwrap_err();
            assert_eq!((error.kind.clone(), error.fault()), (ErrorKind::Aliases, Fault::Zone), "{endless}");
        }
    });
    assert!(ns.asked().len() < 30);
}

#[test]
fn what_needs_no_server_asks_none() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| vec![asked.nothing()]);
    let mut config = Config::asking([ns.at]);
    config.hosts = Hosts::parse(b"192.0.2.7 mail.example.org mail\n192.0.2.8 mail\n");
    look_up(&net, config, |resolver| async move {
        assert_eq!(resolver.addresses("192.0.2.1").await.unwrap(), [ip(1)]);
        assert_eq!(resolver.addresses("2001:db8::1").await.unwrap().len(), 1);
        assert_eq!(resolver.addresses("mail").await.unwrap(), [ip(7), ip(8)]);
        assert_eq!(resolver.ptr(ip(7)).await.unwrap(), ["mail.example.org"]);
        assert!(resolver.addresses("localhost").await.unwrap().iter().all(IpAddr::is_loopback));
        assert!(resolver.addresses("db.localhost.").await.unwrap().iter().all(IpAddr::is_loopback));
    });
    assert!(ns.asked().is_empty());
}

#[test]
fn short_names_are_searched_for() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        vec![match asked.name().as_str() {
            "srv.b.example" | "srv.c.example" | "a.b" => asked.with([a(&asked.name(), 60, 1)]),
            _ => asked.code(ResponseCode::NXDomain),
        }]
    });
    let mut config = Config::asking([ns.at]);
    config.search = ["a.example", "b.example", "c.example"].map(name).into();
    look_up(&net, config, |resolver| async move {
        assert_eq!(resolver.search("srv").await.unwrap(), [ip(1)]);
        assert_eq!(resolver.search("a.b").await.unwrap(), [ip(1)]);
        assert_eq!(resolver.search("srv.").await.unwrap_err().kind, ErrorKind::NoName);
        assert_eq!(resolver.search("none").await.unwrap_err().name, "none");
    });
    let mut asked: Vec<_> = ns.asked().iter().map(|asked| asked.name()).collect();
    asked.dedup();
    let expected = ["srv.a.example", "srv.b.example", "a.b", "srv", "none.a.example"];
    assert_eq!(asked[..5], expected);
}

#[test]
fn those_who_ask_at_once_share_a_question() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| vec![asked.with([a(&asked.name(), 60, 1)])]);
    look_up(&net, Config::asking([ns.at]), |resolver| async move {
        let all = (0..50).map(|number| {
            let resolver = resolver.clone();
            async move {
                Ok(resolver.ipv4(if number % 2 == 0 { "www.example.org" } else { "WWW.Example.Org" }).await?)
            }
        });
        assert_eq!(join(all).await.unwrap().len(), 50);
    });
    assert_eq!(ns.asked().len(), 1);
}

#[test]
fn who_stops_waiting_ends_nothing_for_others() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| vec![asked.with([a(&asked.name(), 60, 1)])]);
    net.latency(Duration::from_secs(1));
    let host = net.host("cli");
    let resolver = host.run(|reactor| crate::Resolver::new(reactor, Config::asking([ns.at])));
    let ask = || {
        let resolver = resolver.clone();
        host.run(|reactor| reactor.spawn(async move { Ok(resolver.ipv4("www.example.org").await?) }))
    };
    let (one, other) = (ask(), ask());
    net.advance(Duration::from_millis(500));
    drop(one);
    net.advance(Duration::from_millis(500));
    assert_eq!(net.block_on(&host, async { other.await }).unwrap().len(), 1);

    resolver.forget();
    let alone = ask();
    net.advance(Duration::from_millis(500));
    drop(alone);
    net.advance(Duration::from_millis(100));
    let left = host.left();
    assert_eq!((left.ports, left.tasks, left.timers), (0, 0, 0), "{resolver:?}");
}

#[test]
fn more_lookups_than_are_permitted_wait_or_fail() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| vec![asked.with([a(&asked.name(), 60, 1)])]);
    let mut config = Config::asking([ns.at]);
    (config.lookups, config.waiting) = (2, 3);
    let (found, busy) = look_up(&net, config, |resolver| async move {
        let all = (0..10).map(|number| {
            let resolver = resolver.clone();
            async move { Ok(resolver.ipv4(&format!("h{number}")).await.map_err(|error| error.kind)) }
        });
        let all = join(all).await.unwrap();
        let busy = all.iter().filter(|one| **one == Err(ErrorKind::Busy)).count();
        (all.iter().filter(|one| one.is_ok()).count(), busy)
    });
    assert_eq!((found, busy), (5, 5));
}

#[test]
fn a_server_that_fails_is_followed_by_the_next() {
    for (broken, spoken) in
        [(ResponseCode::ServFail, true), (ResponseCode::Refused, true), (ResponseCode::NoError, false)]
    {
        let net = Net::gentle(1);
        let bad =
            Ns::start(&net.host("bad"), move |asked| if spoken { vec![asked.code(broken)] } else { vec![] });
        let good = Ns::start(&net.host("good"), |asked| vec![asked.with([a(&asked.name(), 0, 1)])]);
        look_up(&net, Config::asking([bad.at, good.at]), |resolver| async move {
            assert_eq!(resolver.ipv4("a").await.unwrap().len(), 1);
            assert_eq!(resolver.ipv4("b").await.unwrap().len(), 1);
        });
        // One that says nothing is not asked first again so soon; one that answers is.
        assert_eq!(bad.asked().len(), if spoken { 2 } else { 1 });
    }
}

#[test]
fn what_all_servers_say_is_the_error() {
    let net = Net::gentle(1);
    let bad = Ns::start(&net.host("bad"), |asked| vec![asked.code(ResponseCode::ServFail)]);
    let mute = Ns::start(&net.host("mute"), |_| vec![]);
    let nobody = (net.host("nobody").ips()[0], 53).into();
    let kind = |servers: Vec<_>| {
        look_up(&net, Config::asking(servers), |resolver| async move {
            let error = resolver.ipv4("www.example.org").await.unwrap_err();
            assert!(error.is_temporary() && error.fault() == Fault::Server, "{error}");
            error.kind
        })
    };
    assert_eq!(kind(vec![bad.at, mute.at]), ErrorKind::Failed(ResponseCode::ServFail));
    assert_eq!(kind(vec![mute.at]), ErrorKind::TimedOut);
    assert!(matches!(kind(vec![nobody]), ErrorKind::Unreachable(_)));
    assert!(matches!(kind(vec![]), ErrorKind::Unreachable(_)));
}

#[test]
fn servers_take_turns_where_they_are_told_to() {
    let net = Net::gentle(1);
    let servers = ["one", "two", "three"]
        .map(|host| Ns::start(&net.host(host), |asked| vec![asked.with([a(&asked.name(), 0, 1)])]));
    let mut config = Config::asking(servers.iter().map(|server| server.at));
    config.rotate = true;
    look_up(&net, config, |resolver| async move {
        for _ in 0..6 {
            resolver.ipv4("www.example.org").await.unwrap();
        }
    });
    assert_eq!(servers.map(|server| server.asked().len()), [2, 2, 2]);
}

#[test]
fn a_lossy_network_delays_the_right_answer() {
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        let ns = Ns::start(&net.host("ns"), |asked| {
            let long = (0..100).map(|last| a(&asked.name(), 60, last));
            vec![if asked.tcp { asked.with(long) } else { asked.cut() }]
        });
        let mut config = Config::asking([ns.at]);
        (config.attempts, config.deadline) = (20, Duration::from_secs(300));
        let found = look_up(&net, config, |resolver| async move { resolver.ipv4("www.example.org").await });
        assert_eq!(found.unwrap().len(), 100);
    });
}

#[test]
fn a_seed_replays_a_lookup() {
    let run = |seed| {
        let net = Net::new(seed);
        let ns = Ns::start(&net.host("ns"), |asked| vec![asked.with([a(&asked.name(), 60, 1)])]);
        let asked = ns.clone();
        let _ = look_up(&net, Config::asking([ns.at]), |resolver| async move {
            resolver.addresses("www.example.org").await
        });
        let asked: Vec<_> =
            asked.asked().iter().map(|asked| (asked.from.clone(), asked.message.clone())).collect();
        (net.fingerprint(), asked)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).1, run(8).1);
}

#[test]
fn what_is_under_way_at_a_stop_is_waited_for() {
    for tcp in [false, true] {
        let net = Net::gentle(1);
        let ns = Ns::start(&net.host("ns"), move |asked| {
            vec![if tcp && !asked.tcp { asked.cut() } else { asked.with([a(&asked.name(), 60, 1)]) }]
        });
        net.latency(Duration::from_secs(1));
        let host = net.host("cli");
        let found = Rc::new(RefCell::new(None));
        let (end, at) = (found.clone(), ns.at);
        host.run(|reactor| {
            let resolver = crate::Resolver::new(reactor, Config::asking([at]));
            let asking = reactor.spawn(async move { Ok(resolver.ipv4("www.example.org").await) });
            asking.then(move |found| *end.borrow_mut() = Some(found.unwrap()));
        });
        // Over TCP: when the connection is there.
        net.advance(Duration::from_millis(if tcp { 4500 } else { 500 }));
        host.run(|reactor| reactor.stop());
        net.advance(Duration::from_secs(8));
        let found = found.take().expect("it has ended");
        assert_eq!(found.map(|ips| ips.len()), Ok(1), "over TCP: {tcp}");
    }
}

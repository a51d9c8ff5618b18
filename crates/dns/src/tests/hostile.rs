//! Servers that are wrong, and those who answer in their place.

use super::ns::{Asked, Ns, a, look_up, record};
use crate::{Config, ErrorKind, Message, RData, RecordType, ResponseCode, SPOOFS_MAX, rdata};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};
use trenza_sim::{Fault, Net, for_seeds};

/// The answer that nobody else can give.
const RIGHT: u8 = 1;
/// What a forger wants to be believed.
const FORGED: u8 = 66;

fn forged(asked: &Asked) -> Message {
    let mut answer = asked.answer();
    answer.add_answer(a(&asked.name(), 60, FORGED));
    answer
}

fn found(net: &Net, config: Config) -> Result<Vec<Ipv4Addr>, ErrorKind> {
    look_up(net, config, |resolver| async move {
        resolver.ipv4("www.example.org").await.map_err(|error| error.kind)
    })
}

#[test]
fn questions_cannot_be_guessed() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| vec![asked.with([a(&asked.name(), 0, RIGHT)])]);
    look_up(&net, Config::asking([ns.at]), |resolver| async move {
        for _ in 0..50 {
            resolver.ipv4("a-name-with-many-letters.example.org").await.unwrap();
        }
    });
    let asked = ns.asked();
    let ids: BTreeSet<_> = asked.iter().map(|asked| asked.message.metadata.id).collect();
    let ports: BTreeSet<_> = asked.iter().map(|asked| asked.from.port()).collect();
    let names: BTreeSet<_> = asked.iter().map(|asked| asked.message.queries[0].name.to_ascii()).collect();
    assert!(
        ids.len() > 45 && ports.len() > 45 && names.len() > 45,
        "{} {} {}",
        ids.len(),
        ports.len(),
        names.len()
    );
    let edns = asked[0].message.edns.as_ref().expect("an OPT record");
    assert_eq!((edns.max_payload(), asked[0].message.metadata.recursion_desired), (1232, true));
}

#[test]
fn forged_answers_are_not_believed() {
    type Forge = fn(&Asked) -> Vec<u8>;
    let forgers: [(&str, Forge); 6] = [
        ("wrong id", |asked| {
            let mut answer = forged(asked);
            answer.metadata.id = answer.metadata.id.wrapping_add(1);
            answer.to_vec().unwrap()
        }),
        ("wrong question", |asked| {
            let mut answer = forged(asked);
            answer.queries[0].name = super::ns::name("www.example.com");
            answer.to_vec().unwrap()
        }),
        ("wrong type", |asked| {
            let mut answer = forged(asked);
            answer.queries[0].query_type = RecordType::AAAA;
            answer.to_vec().unwrap()
        }),
        ("two questions", |asked| {
            let mut answer = forged(asked);
            answer.queries.push(answer.queries[0].clone());
            answer.to_vec().unwrap()
        }),
        ("a question, not an answer", |asked| {
            let mut answer = forged(asked).to_vec().unwrap();
            answer[2] &= 0x7f;
            answer
        }),
        ("too short", |asked| forged(asked).to_vec().unwrap()[..11].to_vec()),
    ];
    for (what, forge) in forgers {
        let net = Net::gentle(1);
        let ns = Ns::start(&net.host("ns"), move |asked| {
            vec![forge(asked), forge(asked), asked.with([a(&asked.name(), 60, RIGHT)])]
        });
        assert_eq!(found(&net, Config::asking([ns.at])), Ok(vec![Ipv4Addr::new(192, 0, 2, RIGHT)]), "{what}");
    }
}

#[test]
fn another_spelling_is_asked_for_over_tcp() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        if asked.tcp {
            return vec![asked.with([a(&asked.name(), 60, RIGHT)])];
        }
        let mut answer = forged(asked);
        answer.queries[0].name = answer.queries[0].name.to_lowercase();
        vec![answer.to_vec().unwrap()]
    });
    assert_eq!(found(&net, Config::asking([ns.at])), Ok(vec![Ipv4Addr::new(192, 0, 2, RIGHT)]));
    assert_eq!(ns.asked().iter().map(|asked| asked.tcp).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn answers_from_elsewhere_are_not_believed() {
    let net = Net::gentle(1);
    let (server, other) = (net.host("ns"), net.host("other"));
    let ns = Ns::start(&server, |_| vec![]);
    // A forger who sees everything but cannot send from the server's port.
    let forgers = [server.datagram_probe("udp:5353"), other.datagram_probe("udp:53")];
    let resolver = net.host("cli").run(|reactor| crate::Resolver::new(reactor, Config::asking([ns.at])));
    let asking = net
        .host("cli")
        .run(|reactor| reactor.spawn(async move { Ok(resolver.ipv4("www.example.org").await?) }));
    net.run_until(|| !ns.asked().is_empty());
    let asked = ns.asked()[0].clone();
    let to = asked.from.socket().unwrap();
    for forger in &forgers {
        forger.send(SocketAddr::new(net.host("cli").ips()[0], to.port()), forged(&asked).to_vec().unwrap());
    }
    let error = net.block_on(&net.host("cli"), async { asking.await }).unwrap_err();
    assert!(error.to_string().contains("no answer in time"), "{error}");
}

#[test]
fn who_guesses_makes_it_go_over_tcp() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        if asked.tcp {
            return vec![asked.with([a(&asked.name(), 60, RIGHT)])];
        }
        let guesses = (1..=SPOOFS_MAX as u16).map(|guess| {
            let mut answer = forged(asked);
            answer.metadata.id = answer.metadata.id.wrapping_add(guess);
            answer.to_vec().unwrap()
        });
        // Even the right one comes too late then.
        guesses.chain([forged(asked).to_vec().unwrap()]).collect()
    });
    assert_eq!(found(&net, Config::asking([ns.at])), Ok(vec![Ipv4Addr::new(192, 0, 2, RIGHT)]));
}

#[test]
fn cut_and_huge_answers_come_over_tcp() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        let text = vec![vec![b'x'; 255]; 254];
        let text = rdata::TXT::from_bytes(text.iter().map(Vec::as_slice).collect());
        vec![if asked.tcp { asked.with([record(&asked.name(), 60, RData::TXT(text))]) } else { asked.cut() }]
    });
    let text =
        look_up(&net, Config::asking([ns.at]), |resolver| async move { resolver.txt("example.org").await });
    assert_eq!(text.unwrap()[0].len(), 255 * 254);
}

#[test]
fn old_servers_are_asked_without_edns() {
    for code in [ResponseCode::FormErr, ResponseCode::NotImp] {
        for bare in [false, true] {
            let net = Net::gentle(1);
            let ns = Ns::start(&net.host("ns"), move |asked| {
                if asked.message.edns.is_none() {
                    return vec![asked.with([a(&asked.name(), 60, RIGHT)])];
                }
                let mut answer = asked.answer();
                answer.metadata.response_code = code;
                if bare {
                    answer.queries.clear();
                }
                vec![answer.to_vec().unwrap()]
            });
            assert_eq!(found(&net, Config::asking([ns.at])).unwrap().len(), 1, "{code} {bare}");
        }
    }
}

#[test]
fn a_server_that_refers_to_others_does_not_do() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        let mut answer = asked.answer();
        answer.metadata.recursion_available = false;
        answer.add_authority(record("org", 60, RData::NS(rdata::NS(super::ns::name("a.nic.org")))));
        vec![answer.to_vec().unwrap()]
    });
    assert_eq!(found(&net, Config::asking([ns.at])), Err(ErrorKind::NotRecursive));
}

#[test]
fn a_server_that_writes_nonsense_is_at_fault() {
    type Ruin = fn(Vec<u8>) -> Vec<u8>;
    let ruins: [(&str, Ruin); 4] = [
        ("a name that points to itself", |mut answer| {
            let at = answer.len();
            answer[7] = 1;
            answer.extend([0xc0, at as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
            answer
        }),
        ("records that are not there", |mut answer| {
            answer[6] = 0xff;
            answer
        }),
        ("data that is not there", |mut answer| {
            answer[7] = 1;
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0xff, 0xff, 192]);
            answer
        }),
        ("an address of three octets", |mut answer| {
            answer[7] = 1;
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 3, 192, 0, 2]);
            answer
        }),
    ];
    for (what, ruin) in ruins {
        let net = Net::gentle(1);
        let ns = Ns::start(&net.host("ns"), move |asked| vec![ruin(asked.nothing())]);
        let error = found(&net, Config::asking([ns.at])).unwrap_err();
        assert!(matches!(error, ErrorKind::Malformed(_)), "{what}: {error}");
    }
}

#[test]
fn any_bytes_are_stood() {
    for_seeds(0..200, |seed| {
        let net = Net::new(seed);
        let ns = Ns::start(&net.host("ns"), move |asked| {
            // The answer, with some of its bytes behind the id changed, and some behind it.
            let mut answer = asked.with([a(&asked.name(), 60, RIGHT), a("other", 60, 2)]);
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut draw = |below: usize| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state % below as u64) as usize
            };
            for _ in 0..=draw(6) {
                let at = 2 + draw(answer.len() - 2);
                answer[at] = draw(256) as u8;
            }
            answer.truncate(2 + draw(answer.len()));
            vec![answer]
        });
        let mut config = Config::asking([ns.at]);
        config.timeout = Duration::from_secs(1);
        if let Ok(found) = found(&net, config) {
            assert!(found.len() <= 2);
        }
    });
}

#[test]
fn a_tcp_server_that_stalls_or_ends_is_given_up() {
    type Say = fn(&[u8]) -> Vec<u8>;
    let says: [Say; 4] = [
        |_| vec![],
        |_| vec![0],
        |answer| [&(answer.len() as u16).to_be_bytes(), &answer[..answer.len() - 1]].concat(),
        |answer| [&[0xff, 0xff], answer].concat(),
    ];
    for say in says {
        for ends in [false, true] {
            let net = Net::gentle(1);
            let ns = net.host("ns");
            let (udp, tcp) = (ns.datagram_probe("udp:53"), ns.probe_listen("tcp:53"));
            let host = net.host("cli");
            let at = (ns.ips()[0], 53).into();
            let asking = host.run(|reactor| {
                let resolver = crate::Resolver::new(reactor, Config { attempts: 1, ..Config::asking([at]) });
                reactor.spawn(async move { Ok(resolver.ipv4("www.example.org").await?) })
            });
            net.run();
            let question = udp.take_received().remove(0);
            let asked = Asked {
                message: Message::from_vec(&question.data).unwrap(),
                from: question.from.into(),
                tcp: false,
            };
            udp.send(question.from, asked.cut());
            net.run();
            let connection = tcp.accept().expect("a connection");
            connection.send(say(&asked.nothing()));
            if ends {
                connection.close();
            }
            let error = net.block_on(&host, async { asking.await }).unwrap_err();
            let error = error.downcast_ref::<crate::Error>().unwrap();
            assert!(matches!(error.kind, ErrorKind::TimedOut | ErrorKind::Unreachable(_)), "{error}");
            net.advance(Duration::from_secs(60));
            let left = host.left();
            assert_eq!((left.ports, left.connections, left.tasks), (0, 0, 0));
        }
    }
}

#[test]
fn the_whole_has_a_limit_in_time() {
    let net = Net::gentle(1);
    let servers: Vec<SocketAddr> = (1..=8).map(|last| (IpAddr::from([192, 0, 2, last]), 53).into()).collect();
    let mut config = Config::asking(servers);
    config.attempts = 5;
    let _drop = net.rule(|_| trenza_sim::Verdict::Drop);
    assert!(found(&net, config).is_err());
    assert!(net.elapsed() <= Duration::from_secs(31), "{:?}", net.elapsed());
}

#[test]
fn every_fault_is_stood() {
    for fault in Fault::all() {
        for seed in 0..4 {
            let net = fault.net(seed);
            let (srv, cli) = (net.host("ns"), net.host("cli"));
            let ns = Ns::start(&srv, |asked| {
                let all = (0..100).map(|last| a(&asked.name(), 60, last));
                vec![if asked.tcp { asked.with(all) } else { asked.cut() }]
            });
            let ended = Rc::new(RefCell::new(None));
            let (end, at) = (ended.clone(), ns.at);
            cli.run(|reactor| {
                let resolver = crate::Resolver::new(reactor, Config::asking([at]));
                let asking = reactor.spawn(async move { Ok(resolver.ipv4("www.example.org").await?) });
                asking.then(move |found| *end.borrow_mut() = Some(found));
            });
            let guard = fault.strike(&net, &srv, &cli);
            net.advance(Duration::from_secs(40));
            if cli.is_down() || !cli.is_running() || ended.borrow().is_none() {
                let is_ours =
                    matches!(fault, Fault::ClientKilled | Fault::ClientCrash | Fault::ClientRestart);
                assert!(is_ours, "{fault:?}, seed {seed}: it never ended");
                continue;
            }
            match ended.take().expect("it has ended") {
                Ok(found) => assert_eq!(found.len(), 100, "{fault:?}, seed {seed}"),
                // Of datagrams every second one may be lost, and nobody is asked more than twice.
                Err(error) => {
                    let may_fail = !fault.is_harmless() || fault == Fault::Hostile("loss") || seed % 2 == 1;
                    let error = error.downcast_ref::<crate::Error>().expect("an error of ours");
                    assert!(may_fail && error.is_temporary(), "{fault:?}, seed {seed}: {error}");
                }
            }
            drop(guard);
            net.advance(Duration::from_secs(120));
            let left = cli.left();
            assert_eq!((left.ports, left.connections, left.tasks), (0, 0, 0), "{fault:?}, seed {seed}");
        }
    }
}

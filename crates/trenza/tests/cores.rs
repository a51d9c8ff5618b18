//! Programs of several loops, on each driver.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    reason = "threads and sockets are the outside world"
)]

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::net::UnixStream,
    panic::catch_unwind,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};
use trenza::{Addr, Cores, DriverKind, Remote, prelude::*};

const ANY: &str = "tcp:0:interface=127.0.0.1";
const KINDS: [DriverKind; 2] = [DriverKind::Poll, DriverKind::Best];

/// Says which loop it is of, once it was sent something.
struct Which;

impl Protocol for Which {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        transport.write(transport.reactor().loop_index().to_string().as_bytes());
        Ok(())
    }
}

impl DatagramProtocol for Which {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        let index = port.reactor().loop_index().to_string();
        port.send(Outgoing::new(datagram.from, index.as_bytes()));
        Ok(())
    }
}

/// Stops all loops by the last of them, also when a test fails.
struct StopsAll(Vec<Remote>);

impl Drop for StopsAll {
    fn drop(&mut self) {
        self.0.last().iter().for_each(|remote| assert!(remote.call(Reactor::stop)));
    }
}

/// Runs `setup` on loops, has `client` do something with what it gives, and stops them.
fn with<T: Send + Sync + 'static>(
    cores: Cores,
    setup: impl Fn(&Reactor) -> Result<T> + Send + Sync,
    client: impl FnOnce(Vec<T>),
) -> Result {
    let (tell, told) = mpsc::channel();
    let count = cores.loops();
    thread::scope(|scope| {
        let setup = &setup;
        let run = move || {
            cores.run(move |reactor| {
                let made = setup(reactor)?;
                Ok(tell.send((reactor.remote(), made))?)
            })
        };
        let running = scope.spawn(run);
        let all: Vec<(Remote, T)> = told.iter().take(count).collect();
        let (remotes, made): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let stops = StopsAll(remotes);
        if made.len() == count {
            client(made);
        }
        drop(stops);
        running.join().expect("it does not panic")
    })
}

fn ip(addr: &Addr) -> SocketAddr {
    addr.socket().expect("an IP address")
}

fn ask(mut stream: impl Read + Write) -> usize {
    let mut answer = [0];
    stream.write_all(b"?").and_then(|()| stream.read_exact(&mut answer)).expect("it answers");
    (answer[0] - b'0').into()
}

#[test]
fn all_loops_serve_one_port() {
    for kind in KINDS {
        let setup = |reactor: &Reactor| Ok((reactor.loop_index(), reactor.listen(ANY, |_| Which)?.addr()));
        with(Cores::new(3).on(kind), setup, |made| {
            let indices: Vec<_> = made.iter().map(|(index, _)| *index).collect();
            assert_eq!(indices, [0, 1, 2]);
            let addrs: BTreeSet<_> = made.iter().map(|(_, addr)| ip(addr)).collect();
            assert_eq!(addrs.len(), 1, "{addrs:?}");
            let addr = ip(&made[0].1);
            let all: Vec<_> = (0..60).map(|_| TcpStream::connect(addr).expect("it listens")).collect();
            let served: BTreeSet<_> = all.iter().map(ask).collect();
            assert_eq!(served, BTreeSet::from([0, 1, 2]));
        })
        .expect("it stops when asked to");
    }
}

#[test]
fn nobody_else_gets_the_port_of_several_loops() {
    for kind in KINDS {
        let setup = |reactor: &Reactor| Ok(reactor.listen(ANY, |_| Which)?.addr());
        let mut freed = None;
        with(Cores::new(2).on(kind), setup, |made| {
            let addr = ip(&made[0]);
            freed = Some(addr);
            let endpoint = format!("tcp:{}:interface=127.0.0.1", addr.port());
            let refused = Cores::new(2).on(kind).run(|reactor| {
                reactor.listen(&endpoint, |_| Which)?;
                reactor.stop();
                Ok(())
            });
            let refused = refused.expect_err("it is taken");
            let kind = refused.downcast_ref::<io::Error>().map(io::Error::kind);
            assert_eq!(kind, Some(ErrorKind::AddrInUse), "{refused}");
            // Not even who says that it would share.
            let sharing =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
            sharing.set_reuse_port(true).expect("an option");
            sharing.set_reuse_address(true).expect("an option");
            let bound = sharing.bind(&addr.into()).and_then(|()| sharing.listen(1));
            assert_eq!(bound.expect_err("it is taken").kind(), ErrorKind::AddrInUse);
        })
        .expect("it stops when asked to");
        TcpListener::bind(freed.expect("it listened")).expect("it is free again");
    }
}

#[test]
fn a_sender_of_datagrams_stays_on_its_loop_and_nobody_else_gets_the_port() {
    for kind in KINDS {
        let setup = |reactor: &Reactor| Ok(reactor.udp("udp:0:interface=127.0.0.1", Which)?.addr());
        with(Cores::new(2).on(kind), setup, |made| {
            assert_eq!(made[0], made[1]);
            let to = ip(&made[0]);
            let loop_of = |socket: &UdpSocket| {
                let mut answer = [0];
                socket.send_to(b"?", to).and_then(|_| socket.recv(&mut answer)).expect("it answers");
                answer[0] - b'0'
            };
            let mut served = BTreeSet::new();
            for _ in 0..32 {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
                let first = loop_of(&socket);
                assert!((0..4).all(|_| loop_of(&socket) == first));
                served.insert(first);
            }
            assert_eq!(served, BTreeSet::from([0, 1]));
            assert_eq!(UdpSocket::bind(to).expect_err("it is taken").kind(), ErrorKind::AddrInUse);
            let endpoint = format!("udp:{}:interface=127.0.0.1", to.port());
            let refused = Cores::new(2).on(kind).run(|reactor| reactor.udp(&endpoint, Which).map(drop));
            assert!(refused.expect_err("it is taken").to_string().contains(&endpoint));
        })
        .expect("it stops when asked to");
    }
}

#[test]
fn a_unix_socket_is_served_by_all_and_its_file_goes_with_the_last() {
    let folder = std::env::temp_dir().join(format!("trenza-cores-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("s");
    for kind in KINDS {
        let endpoint = format!("unix:{}", path.display());
        let setup = |reactor: &Reactor| {
            let port = reactor.listen(&endpoint, |_| Which)?;
            if reactor.loop_index() == 0 {
                port.stop().detach();
            }
            Ok(())
        };
        with(Cores::new(2).on(kind), setup, |_| {
            assert_eq!(ask(UnixStream::connect(&path).expect("the other one listens")), 1);
        })
        .expect("it stops when asked to");
        assert!(!path.exists());
    }
    std::fs::remove_dir(&folder).expect("it is empty");
}

#[test]
fn what_fails_on_one_loop_ends_all() {
    #[derive(Debug, thiserror::Error)]
    #[error("not this one")]
    struct NotThis;
    for (kind, which) in KINDS.into_iter().flat_map(|kind| [(kind, 0), (kind, 1), (kind, 2)]) {
        let set_up = AtomicUsize::new(0);
        let ended = Cores::new(3).on(kind).run(|reactor| {
            reactor.listen(ANY, |_| Which)?;
            set_up.fetch_add(1, Ordering::Relaxed);
            if reactor.loop_index() == which { Err(NotThis.into()) } else { Ok(()) }
        });
        assert!(ended.expect_err("one has failed").is::<NotThis>());
        assert_eq!(set_up.into_inner(), which + 1);
    }
}

#[test]
fn a_panic_while_one_is_set_up_ends_all_and_goes_on() {
    for (kind, which) in KINDS.into_iter().flat_map(|kind| [(kind, 0), (kind, 1)]) {
        let run = move || {
            Cores::new(2).on(kind).run(|reactor| {
                reactor.listen(ANY, |_| Which)?;
                assert!(reactor.loop_index() != which, "this one");
                Ok(())
            })
        };
        let panic = catch_unwind(run).expect_err("it has panicked");
        assert_eq!(panic.downcast_ref(), Some(&"this one"));
    }
}

#[test]
fn a_panic_of_a_callback_costs_its_connection_only() {
    struct Panics;
    impl Protocol for Panics {
        fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
            panic!("as tested");
        }
    }
    for kind in KINDS {
        let setup = |reactor: &Reactor| {
            Ok((reactor.listen(ANY, |_| Panics)?.addr(), reactor.listen(ANY, |_| Which)?.addr()))
        };
        with(Cores::new(2).on(kind), setup, |made| {
            let (panics, which) = &made[0];
            for _ in 0..8 {
                let mut stream = TcpStream::connect(ip(panics)).expect("it listens");
                stream.write_all(b"!").expect("it takes it");
                assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
            }
            let all: Vec<_> = (0..40).map(|_| TcpStream::connect(ip(which)).expect("it listens")).collect();
            assert_eq!(all.iter().map(ask).collect::<BTreeSet<_>>().len(), 2);
        })
        .expect("it stops when asked to");
    }
}

#[test]
fn loops_call_each_other() {
    for kind in KINDS {
        // Round and round, until it has been everywhere twice.
        fn pass(path: Vec<usize>, reactor: &Reactor) {
            let path: Vec<_> = path.into_iter().chain([reactor.loop_index()]).collect();
            let loops = reactor.loops();
            if path.len() == 2 * loops.len() {
                PATHS.lock().expect("nobody panicked").push(path);
                return reactor.stop();
            }
            let next = &loops[(reactor.loop_index() + 1) % loops.len()];
            assert!(next.call(move |reactor| pass(path, reactor)));
        }
        static PATHS: Mutex<Vec<Vec<usize>>> = Mutex::new(Vec::new());
        Cores::new(3)
            .on(kind)
            .run(|reactor| {
                if reactor.loop_index() == 1 {
                    pass(Vec::new(), reactor);
                }
                Ok(())
            })
            .expect("it stops by itself");
        assert_eq!(PATHS.lock().expect("nobody panicked").pop(), Some(vec![1, 2, 0, 1, 2, 0]));
    }
}

#[test]
fn connections_that_stay_are_spread_evenly() {
    for (kind, loops) in KINDS.into_iter().flat_map(|kind| [(kind, 2), (kind, 4)]) {
        let setup = |reactor: &Reactor| Ok(reactor.listen(ANY, |_| Which)?.addr());
        with(Cores::new(loops).on(kind), setup, |made| {
            let addr = ip(&made[0]);
            let all: Vec<_> = (0..200).map(|_| TcpStream::connect(addr).expect("it listens")).collect();
            let mut each = vec![0; loops];
            all.iter().map(ask).for_each(|index| each[index] += 1);
            let (most, least) = (each.iter().max(), each.iter().min());
            // 4 ahead, and what loops take at the same moment.
            assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 4 + loops), "{each:?}");
        })
        .expect("it stops when asked to");
    }
}

/// A peer that is served, or None if the other end has reset the connection.
fn served(addr: SocketAddr) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    let mut answer = [0];
    (stream.write_all(b"?").is_ok() && stream.read(&mut answer).is_ok_and(|read| read == 1)).then_some(stream)
}

#[test]
fn the_limit_for_an_address_is_that_of_all_loops() {
    for kind in KINDS {
        let on = format!("{ANY}:per-address=10");
        let setup = |reactor: &Reactor| Ok(reactor.listen(&on, |_| Which)?.addr());
        with(Cores::new(3).on(kind), setup, |made| {
            let addr = ip(&made[0]);
            let mut all: Vec<_> = (0..10).map(|_| served(addr).expect("there is room")).collect();
            assert!((0..10).all(|_| served(addr).is_none()));
            // As many as go may come, whatever loop they are of.
            all.drain(..5);
            let mut more = Vec::new();
            while more.len() < 5 {
                more.extend(served(addr));
            }
            assert!(served(addr).is_none());
        })
        .expect("it stops when asked to");
    }
}

/// Counts those that are there, and the most that there were.
struct Present<'a>(&'a Presence);

#[derive(Default)]
struct Presence {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Protocol for Present<'static> {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        transport.write(b".");
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, _: &Reason) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// 60 clients come, of which those that are served go, until all were; `most` may be there at once.
fn all_come_in_turn(kind: DriverKind, most: usize, on: &str, limit: impl Fn(&Reactor) + Send + Sync) {
    let presence: &'static Presence = Box::leak(Box::default());
    let setup = |reactor: &Reactor| {
        limit(reactor);
        Ok(reactor.listen(on, |_| Present(presence))?.addr())
    };
    with(Cores::new(3).on(kind), setup, |made| {
        let addr = ip(&made[0]);
        let mut waiting: Vec<_> = (0..60).map(|_| TcpStream::connect(addr).expect("it listens")).collect();
        while !waiting.is_empty() {
            waiting.retain_mut(|stream| {
                stream.set_nonblocking(true).expect("a socket");
                !matches!(stream.read(&mut [0]), Ok(1))
            });
        }
    })
    .expect("it stops when asked to");
    assert!((1..=most).contains(&presence.most.load(Ordering::SeqCst)), "{:?}", presence.most);
}

#[test]
fn the_limit_of_a_port_is_that_of_all_loops() {
    for kind in KINDS {
        all_come_in_turn(kind, 5, &format!("{ANY}:connections=5"), |_| ());
    }
}

#[test]
fn the_limit_of_connections_is_that_of_all_loops() {
    for kind in KINDS {
        // Each of three loops may take one more at the very same moment.
        all_come_in_turn(kind, 5 + 2, ANY, |reactor| reactor.set_connections_max(5));
    }
}

#[test]
fn a_port_that_one_loop_stops_is_served_by_the_others() {
    for kind in KINDS {
        let (tell, stopped) = mpsc::channel();
        let setup = |reactor: &Reactor| {
            let port = reactor.listen(ANY, |_| Which)?;
            let addr = port.addr();
            if reactor.loop_index() == 1 {
                let tell = tell.clone();
                port.stop().then(move |_| tell.send(()).expect("somebody waits"));
            }
            Ok(addr)
        };
        with(Cores::new(3).on(kind), setup, |made| {
            stopped.recv().expect("it stops");
            // None of those that come is given to it.
            let all: Vec<_> = (0..60).filter_map(|_| served(ip(&made[0]))).collect();
            let served: BTreeSet<_> = all.iter().map(ask).collect();
            assert_eq!((served, all.len()), (BTreeSet::from([0, 2]), 60));
        })
        .expect("it stops when asked to");
    }
}

/// A loop stands still while 40 peers come, and then leaves the port. Gives those that are not served by the others.
fn lost_when_one_leaves(kind: DriverKind, loops: usize, leave: fn(&trenza::Port)) -> usize {
    let (tell, standing) = mpsc::channel();
    let (go_on, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let told: &'static Mutex<mpsc::Receiver<()>> = Box::leak(Box::new(told));
    let mut lost = 0;
    let setup = |reactor: &Reactor| {
        let port = reactor.listen(ANY, |_| Which)?;
        let addr = port.addr();
        if reactor.loop_index() == loops - 1 {
            let tell = tell.clone();
            // Once it has waited, so that the driver accepts.
            reactor
                .call_later(std::time::Duration::from_millis(20), move || {
                    tell.send(()).expect("somebody waits");
                    told.lock().expect("nobody panicked").recv().expect("it is told");
                    leave(&port);
                })
                .detach();
        }
        Ok(addr)
    };
    with(Cores::new(loops).on(kind), setup, |made| {
        standing.recv().expect("it stands");
        let addr = ip(&made[0]);
        let peers: Vec<_> = (0..40).map(|_| TcpStream::connect(addr).expect("it listens")).collect();
        go_on.send(()).expect("it waits");
        let answer = |mut stream: &TcpStream| {
            let mut answer = [0];
            let asked = stream.write_all(b"?").is_ok();
            asked && stream.read(&mut answer).is_ok_and(|read| read == 1)
        };
        lost = peers.iter().filter(|stream| !answer(stream)).count();
    })
    .expect("it stops when asked to");
    lost
}

#[test]
fn who_comes_while_one_loop_stops_a_port_is_served_by_another() {
    for (kind, loops) in KINDS.into_iter().flat_map(|kind| [(kind, 2), (kind, 3)]) {
        assert_eq!(lost_when_one_leaves(kind, loops, |port| port.stop().detach()), 0, "{kind:?}");
        assert_eq!(lost_when_one_leaves(kind, loops, trenza::Port::pause), 0, "{kind:?}");
    }
}

#[test]
fn a_loop_that_pauses_a_port_is_given_none_until_it_goes_on() {
    for kind in KINDS {
        let (tell, heard) = mpsc::channel();
        let setup = |reactor: &Reactor| {
            let port = reactor.listen(ANY, |_| Which)?;
            let addr = port.addr();
            if reactor.loop_index() == 1 {
                port.pause();
                let (tell, resume) = (tell.clone(), port);
                let on = reactor.listen(ANY, move |_: &Transport| {
                    resume.resume();
                    Which
                })?;
                tell.send(ip(&on.addr())).expect("somebody waits");
            }
            Ok(addr)
        };
        with(Cores::new(2).on(kind), setup, |made| {
            let addr = ip(&made[0]);
            let come = |count: usize| -> Vec<_> { (0..count).filter_map(|_| served(addr)).collect() };
            let few = come(20);
            assert_eq!(few.iter().map(ask).collect::<BTreeSet<_>>(), BTreeSet::from([0]));
            let other = served(heard.recv().expect("it listens")).expect("it is served");
            let more = come(40);
            assert_eq!(more.iter().map(ask).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1]));
            drop(other);
        })
        .expect("it stops when asked to");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn pinned_loops_have_a_core_each_and_the_caller_gets_his_back() {
    let cores = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("this thread has one");
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.expect("it has cores").trim().to_owned()
    };
    let before = cores();
    for kind in KINDS {
        let had = Mutex::new(Vec::new());
        let ended = Cores::new(3).on(kind).pinned(true).run(|reactor| {
            had.lock().expect("nobody panicked").push(cores());
            reactor.stop();
            Ok(())
        });
        ended.expect("it stops by itself");
        let had = had.into_inner().expect("nobody panicked");
        assert!(had.len() == 3 && had.iter().all(|core| core.parse::<usize>().is_ok()), "{had:?}");
        let different: BTreeSet<_> = had.iter().collect();
        assert_eq!(different.len(), Cores::new(0).loops().min(3), "{had:?}");
        assert_eq!(cores(), before);
    }
}

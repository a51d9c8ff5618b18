//! UNIX sockets for datagrams against those of the standard library: what only real systems have.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

#[macro_use]
mod common;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::{
    fs::read_dir,
    io::{ErrorKind, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::AsFd,
        unix::{fs::PermissionsExt, net::UnixDatagram},
    },
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use trenza_core::{
    Addr, Outbox, Outgoing, UnixAddr,
    driver::{Bind, BindUdp, Driver, Event, Open, Token},
};
use trenza_sys::DriverKind;

cases! {
    a_socket_that_was_never_served_takes_no_others_file_with_it
    nobody_gets_in_before_the_permissions_are_set
    a_port_that_waits_for_its_peer_sleeps_until_there_is_room
    a_peer_that_goes_while_it_is_waited_for_is_told
    a_full_receiver_does_not_hold_up_who_is_not_connected
    descriptors_that_come_with_a_datagram_are_not_taken
    a_datagram_that_is_longer_than_the_limit_is_told_and_the_next_one_comes
}

/// Nothing here takes a second; a test that waits so long has failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// A driver, a folder for sockets, and what has happened.
struct Post {
    driver: Box<dyn Driver>,
    folder: TempDir,
}

#[derive(Debug, PartialEq)]
enum Told {
    Got(Vec<u8>, Addr),
    Refused(Option<Addr>, ErrorKind),
    Sent,
}

impl Post {
    fn new(kind: DriverKind) -> Self {
        Self { driver: kind.driver().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn addr(&self, name: &str) -> Addr {
        UnixAddr::path(self.path(name)).into()
    }

    fn open(&mut self, how: &BindUdp) -> Token {
        let bound = self.driver.host().bind_udp(how).unwrap();
        let token = self.driver.open(Open::Datagrams(bound)).unwrap();
        self.driver.read(token, true);
        token
    }

    fn peer(&self, name: &str) -> UnixDatagram {
        let peer = UnixDatagram::bind(self.path(name)).unwrap();
        peer.set_read_timeout(Some(DEADLINE)).unwrap();
        peer
    }

    /// One that is connected to it.
    fn connected(&mut self, to: &str) -> Token {
        self.open(&BindUdp { to: Some(self.addr(to)), ..BindUdp::at(UnixAddr::Unnamed) })
    }

    fn poll(&mut self) -> Option<Told> {
        self.driver.next().map(|event| match event {
            Event::Datagram { datagram, .. } => Told::Got(datagram.data.to_vec(), datagram.from.clone()),
            Event::Undelivered { to, error, .. } => Told::Refused(to, error.kind()),
            Event::Sent { .. } => Told::Sent,
            other => panic!("{other:?}"),
        })
    }

    fn next(&mut self) -> Told {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(told) = self.poll() {
                return told;
            }
            assert!(Instant::now() < until, "nothing happened");
            self.driver.wait(Some(until)).unwrap();
        }
    }

    /// How often the driver wakes up while nothing happens.
    fn wakeups(&mut self, during: Duration) -> usize {
        let (until, mut wakeups) = (Instant::now() + during, 0);
        while Instant::now() < until {
            assert_eq!(self.poll(), None);
            self.driver.wait(Some(until)).unwrap();
            wakeups += 1;
        }
        wakeups
    }
}

fn outbox(to: &Addr, count: usize) -> Outbox {
    let mut out = Outbox::new();
    (0..count).for_each(|_| out.push(Outgoing::new(to, b"hello")));
    out
}

fn descriptors() -> usize {
    read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn a_port_that_waits_for_its_peer_sleeps_until_there_is_room(kind: DriverKind) {
    let mut post = Post::new(kind);
    let peer = post.peer("peer");
    let token = post.connected("peer");
    let mut out = outbox(&post.addr("peer"), 1000);
    post.driver.send_to(token, &mut out);
    assert!(!out.is_empty());
    assert!(post.wakeups(Duration::from_millis(200)) < 10, "it must not spin");
    let mut received = 0;
    while !out.is_empty() {
        // As many as there are: the system tells of room when it pleases.
        peer.set_nonblocking(true).unwrap();
        while peer.recv(&mut [0; 10]).is_ok() {
            received += 1;
        }
        assert_eq!(post.next(), Told::Sent);
        post.driver.send_to(token, &mut out);
    }
    while peer.recv(&mut [0; 10]).is_ok() {
        received += 1;
    }
    assert_eq!(received, 1000);
}

fn a_peer_that_goes_while_it_is_waited_for_is_told(kind: DriverKind) {
    let mut post = Post::new(kind);
    let peer = post.peer("peer");
    let to = post.addr("peer");
    let token = post.connected("peer");
    let mut out = outbox(&to, 1000);
    post.driver.send_to(token, &mut out);
    drop(peer);
    assert_eq!(post.next(), Told::Sent);
    post.driver.send_to(token, &mut out);
    assert!(out.is_empty());
    assert_eq!(post.next(), Told::Refused(Some(to.clone()), ErrorKind::ConnectionRefused));
    while post.poll().is_some() {}
    std::fs::remove_file(post.path("peer")).unwrap();
    post.driver.send_to(token, &mut outbox(&to, 1));
    assert_eq!(post.next(), Told::Refused(Some(to.clone()), ErrorKind::NotFound));
    // Its heir is found.
    let heir = post.peer("peer");
    post.driver.send_to(token, &mut outbox(&to, 1));
    assert_eq!(heir.recv(&mut [0; 10]).unwrap(), 5);
    assert_eq!(post.poll(), None);
}

fn a_full_receiver_does_not_hold_up_who_is_not_connected(kind: DriverKind) {
    let mut post = Post::new(kind);
    let (slow, other) = (post.peer("slow"), post.peer("other"));
    let token = post.open(&BindUdp::at(post.addr("own")));
    let mut out = outbox(&post.addr("slow"), 100);
    out.push(Outgoing::new(&post.addr("other"), b"you"));
    post.driver.send_to(token, &mut out);
    assert!(out.is_empty(), "nothing waits for who does not read");
    if std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").is_ok_and(|most| most.trim() == "10") {
        assert_eq!(other.recv(&mut [0; 10]).unwrap(), 3);
        assert_eq!(post.next(), Told::Refused(Some(post.addr("slow")), ErrorKind::WouldBlock));
    }
    assert_eq!(slow.recv(&mut [0; 10]).unwrap(), 5);
}

fn descriptors_that_come_with_a_datagram_are_not_taken(kind: DriverKind) {
    let mut post = Post::new(kind);
    let token = post.open(&BindUdp::at(post.addr("own")));
    let peer = post.peer("peer");
    peer.connect(post.path("own")).unwrap();
    let before = descriptors();
    for _ in 0..20 {
        let passed = [peer.as_fd(); 8];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut with = SendAncillaryBuffer::new(&mut space);
        assert!(with.push(SendAncillaryMessage::ScmRights(&passed)));
        sendmsg(&peer, &[IoSlice::new(b"a gift")], &mut with, SendFlags::empty()).unwrap();
        assert_eq!(post.next(), Told::Got(b"a gift".to_vec(), post.addr("peer")));
    }
    // Other tests open some as well.
    assert!(descriptors() < before + 100);
    post.driver.close(token, trenza_core::driver::Close::Abort);
}

fn a_datagram_that_is_longer_than_the_limit_is_told_and_the_next_one_comes(kind: DriverKind) {
    let mut post = Post::new(kind);
    post.open(&BindUdp::at(post.addr("own")));
    let peer = UnixDatagram::unbound().unwrap();
    peer.send_to(&[1; 65_537], post.path("own")).unwrap();
    peer.send_to(&[2; 65_536], post.path("own")).unwrap();
    let told = [post.next(), post.next()];
    assert!(told.contains(&Told::Refused(None, ErrorKind::InvalidData)), "{told:?}");
    assert!(told.contains(&Told::Got(vec![2; 65_536], UnixAddr::Unnamed.into())));
}

fn a_socket_that_was_never_served_takes_no_others_file_with_it(kind: DriverKind) {
    let post = Post::new(kind);
    let (datagrams, streams) = (post.path("datagrams"), post.path("streams"));
    let host = post.driver.host();
    // A file system may give the number of a file that is gone to the next one.
    for _ in 0..20 {
        drop(host.bind_udp(&BindUdp::at(UnixAddr::path(&datagrams))).unwrap());
        let addr = UnixAddr::path(&streams).into();
        drop(host.bind(&Bind { addr, dual_stack: false, mode: None, backlog: 8 }).unwrap());
        assert!(datagrams.exists() && streams.exists());
    }
}

fn nobody_gets_in_before_the_permissions_are_set(kind: DriverKind) {
    let post = Post::new(kind);
    let how = BindUdp { mode: Some(0o600), ..BindUdp::at(post.addr("own")) };
    let path = post.path("own");
    let mode = |path: &Path| std::fs::symlink_metadata(path).map(|about| about.permissions().mode() & 0o777);
    let watched = path.clone();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let over = done.clone();
    let watch = std::thread::spawn(move || {
        let mut seen = std::collections::BTreeSet::new();
        while !over.load(std::sync::atomic::Ordering::Relaxed) {
            seen.extend(mode(&watched));
        }
        seen
    });
    for _ in 0..300 {
        let bound = post.driver.host().bind_udp(&how).unwrap();
        drop(bound);
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(watch.join().unwrap().iter().all(|mode| mode & !0o600 == 0));
    assert_eq!(mode(&path).unwrap(), 0o600);
}

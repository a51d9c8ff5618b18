//! The driver when the process has no descriptor left. The limit is the process's: one test at a time.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

mod common;

use common::{DEADLINE, Net, Told};
use rustix::{
    io::Errno,
    process::{Resource, getrlimit, setrlimit},
};
use std::{
    fs::File,
    io::Read,
    net::TcpStream,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use trenza_core::driver::{Driver, Ends, Open};
use trenza_wire::OutBuf;

static LIMIT: Mutex<()> = Mutex::new(());

fn soft_limit(descriptors: u64) -> MutexGuard<'static, ()> {
    let guard = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(descriptors);
    setrlimit(Resource::Nofile, limit).unwrap();
    guard
}

/// Takes every descriptor that is left.
fn exhaust() -> Vec<File> {
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken
}

#[test]
fn limit_is_raised_to_the_hard_one() {
    let _limit = soft_limit(100);
    let hard = getrlimit(Resource::Nofile).maximum;
    assert_eq!(trenza_sys::raise_descriptor_limit().unwrap(), hard.unwrap_or(u64::MAX));
    assert_eq!(getrlimit(Resource::Nofile).current, hard);
    assert_eq!(trenza_sys::raise_descriptor_limit().unwrap(), hard.unwrap_or(u64::MAX));
}

#[test]
fn listener_outlives_a_lack_of_descriptors() {
    let _limit = soft_limit(100);
    let mut net = Net::new();
    let (listener, addr) = net.listen();
    let mut peers: Vec<TcpStream> = (0..6).map(|_| TcpStream::connect(addr).unwrap()).collect();
    peers.iter().for_each(|peer| peer.set_read_timeout(Some(DEADLINE)).unwrap());
    for _ in 0..2 {
        let taken = exhaust();
        match net.next() {
            Told::Failed(of, error) => {
                assert_eq!((of, error.raw_os_error()), (listener, Some(Errno::MFILE.raw_os_error())));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(peers[0].read(&mut [0]).unwrap(), 0, "the peer was told");
        assert_eq!(net.wakeups(Duration::from_millis(50)), 1, "only the time ran out");
        net.driver.open(Open::Connect { to: addr.into(), from: None }).unwrap_err();
        drop(taken);
        net.driver.read(listener, true);
        net.accept();
        peers.drain(..2);
    }
    net.accept();
    net.accept();
}

#[test]
fn descriptors_that_come_when_there_is_no_room_are_not_lost_in_silence() {
    let _limit = soft_limit(100);
    let mut net = Net::new();
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let token = net.driver.open(Open::Adopt(Ends::one(near))).unwrap();
    net.driver.read(token, true);
    let giver = net.driver.open(Open::Adopt(Ends::one(far))).unwrap();
    let mut out = OutBuf::new();
    out.push_descriptor(File::open("/dev/null").unwrap().into());
    out.push_slice(b"here");
    net.driver.send(giver, &mut out);
    assert!(out.is_empty());
    let taken = exhaust();
    match net.next() {
        Told::Failed(of, error) => {
            assert_eq!(of, token);
            assert!(error.to_string().contains("are lost"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    drop(taken);
}

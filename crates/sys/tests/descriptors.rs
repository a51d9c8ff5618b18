//! The driver when the process has no descriptor left. The limit is the process's: one test at a time.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

#[macro_use]
mod common;

use common::{DEADLINE, NO_URING, Net, Told};
use rustix::{
    io::Errno,
    process::{Resource, getrlimit, setrlimit},
};
use std::{
    fs::File,
    io::Read,
    net::TcpStream,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use trenza_core::driver::{Ends, Open};
use trenza_sys::DriverKind;
use trenza_wire::OutBuf;

cases! {
    listener_outlives_a_lack_of_descriptors
    descriptors_that_come_when_there_is_no_room_are_not_lost_in_silence
}

static LIMIT: Mutex<()> = Mutex::new(());

fn soft_limit(descriptors: u64) -> MutexGuard<'static, ()> {
    LazyLock::force(&NO_URING);
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

fn listener_outlives_a_lack_of_descriptors(kind: DriverKind) {
    let _limit = soft_limit(100);
    let mut net = Net::new(kind);
    let (listener, addr) = net.listen();
    for _ in 0..2 {
        net.driver.read(listener, false);
        net.settle();
        let [mut first, _second, _third] = [(); 3].map(|()| TcpStream::connect(addr).unwrap());
        first.set_read_timeout(Some(DEADLINE)).unwrap();
        let taken = exhaust();
        net.driver.read(listener, true);
        match net.next() {
            Told::Failed(of, error) => {
                assert_eq!((of, error.raw_os_error()), (listener, Some(Errno::MFILE.raw_os_error())));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(first.read(&mut [0]).unwrap(), 0, "the peer was told");
        net.is_quiet(Duration::from_millis(50));
        net.driver.open(Open::Connect { to: addr.into(), from: None }).unwrap_err();
        drop(taken);
        net.driver.read(listener, true);
        net.accept();
        net.accept();
    }
}

fn descriptors_that_come_when_there_is_no_room_are_not_lost_in_silence(kind: DriverKind) {
    let _limit = soft_limit(100);
    let mut net = Net::new(kind);
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

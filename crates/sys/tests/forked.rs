//! A process that is forked has copies of all connections.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

#[macro_use]
mod common;

use common::Net;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitOptions, kill_process, waitpid},
};
use std::{
    net::Shutdown,
    time::{Duration, Instant},
};
use trenza_core::driver::Close;
use trenza_sys::DriverKind;

cases! {
    what_a_forked_process_keeps_open_is_not_told_after_close
}

/// How long nothing is to be told.
const QUIET: Duration = Duration::from_millis(20);

/// How often a driver may be asked to look until nothing is left.
const ROUNDS_MAX: usize = 100;

/// Forks a process that waits for its end.
#[allow(unsafe_code, reason = "the standard library starts programs only")]
fn fork() -> Pid {
    // SAFETY: the child makes one call, which takes no lock and no memory, and waits in it until it is killed.
    let child = unsafe {
        match libc::fork() {
            0 => loop {
                libc::pause();
            },
            child => child,
        }
    };
    Pid::from_raw(child).unwrap()
}

fn what_a_forked_process_keeps_open_is_not_told_after_close(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, peer) = net.pair();
    net.driver.read(token, true);
    net.is_quiet(QUIET);
    let child = fork();
    net.driver.close(token, Close::Drained);
    // The child has a copy of this one, too.
    let _ = peer.shutdown(Shutdown::Both);
    let is_quiet = (0..ROUNDS_MAX).any(|_| {
        net.driver.wait(Some(Instant::now())).unwrap();
        assert!(net.driver.next().is_none());
        let mut watched = [PollFd::from_borrowed_fd(net.driver.descriptor().unwrap(), PollFlags::IN)];
        poll(&mut watched, Some(&Timespec::default())).unwrap() == 0
    });
    kill_process(child, Signal::KILL).unwrap();
    waitpid(Some(child), WaitOptions::empty()).unwrap();
    assert!(is_quiet, "it would be told for ever");
}

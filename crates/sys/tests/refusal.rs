//! Kernels and sandboxes that give no io_uring. A filter (seccomp(2)) answers for the kernel, on the test's thread alone.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

#[macro_use]
mod common;

use common::{Net, Told, has_uring, not_run};
use libc::{c_long, sock_filter, sock_fprog};
use std::{
    io::{self, Write},
    net::TcpStream,
    thread,
};
use trenza_core::driver::SECOND;
use trenza_sys::DriverKind;

/// The calls without which there is no ring, and what they may answer: kernels that have none, or another set of
/// features, `io_uring_disabled` and sandboxes, a limit on locked memory.
const REFUSALS: [(c_long, i32); 7] = [
    (libc::SYS_io_uring_setup, libc::ENOSYS),
    (libc::SYS_io_uring_setup, libc::EPERM),
    (libc::SYS_io_uring_setup, libc::EINVAL),
    (libc::SYS_io_uring_setup, libc::ENOMEM),
    (libc::SYS_io_uring_register, libc::EPERM),
    (libc::SYS_io_uring_enter, libc::EPERM),
    (libc::SYS_io_uring_enter, libc::ENOSYS),
];

/// From now on a call of this thread is answered so.
///
/// # Errors
/// The kernel has no filters, or does not let us use them.
#[allow(unsafe_code, reason = "filters are programs of the kernel's own machine")]
fn refuse(call: c_long, errno: i32) -> io::Result<()> {
    let step = |code: u32, jf, k| sock_filter { code: code as u16, jt: 0, jf, k };
    let mut steps = [
        // The number of the call, which comes first in what a filter is given.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, call as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: the first call has no pointers; the second reads the program, which outlives it.
    let answers = unsafe {
        [
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program),
        ]
    };
    if answers == [0, 0] { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs a test on a thread for each refusal.
fn refused(name: &str, test: fn(i32)) {
    for (call, errno) in REFUSALS {
        // Where the first call fails already, there is none of the others.
        if call != libc::SYS_io_uring_setup && !has_uring(name) {
            continue;
        }
        let answered = thread::spawn(move || refuse(call, errno).map(|()| test(errno)));
        if let Err(error) = answered.join().unwrap() {
            not_run(name, &format!("there is no seccomp: {error}"));
        }
    }
}

#[test]
fn the_best_driver_without_io_uring_is_that_over_readiness() {
    refused("the_best_driver_without_io_uring_is_that_over_readiness", |_| {
        let mut net = Net::new(DriverKind::Best);
        let (listener, addr) = net.listen();
        assert!(listener.index < SECOND, "it has io_uring: {listener:?}");
        let mut peer = TcpStream::connect(addr).unwrap();
        let token = net.accept();
        net.driver.read(token, true);
        peer.write_all(b"hello").unwrap();
        assert!(matches!(net.next(), Told::Received(of, data) if of == token && data == b"hello"));
    });
}

#[test]
fn who_asks_for_io_uring_and_gets_none_is_told_why_and_what_to_do() {
    refused("who_asks_for_io_uring_and_gets_none_is_told_why_and_what_to_do", |errno| {
        let Err(error) = DriverKind::Uring.driver() else { panic!("it has io_uring") };
        assert_eq!(error.kind(), io::Error::from_raw_os_error(errno).kind());
        let said = error.to_string();
        for part in [
            &*io::Error::from_raw_os_error(errno).to_string(),
            "Linux 6.1",
            "kernel.io_uring_disabled",
            "sandbox",
            "TRENZA_DRIVER=poll",
        ] {
            assert!(said.contains(part), "{part} is missing: {said}");
        }
    });
}

/// The best driver is the one that a test of it would say.
fn the_best_driver_is_io_uring_where_there_is_one(kind: DriverKind) {
    let mut net = Net::new(if kind == DriverKind::Uring { DriverKind::Best } else { kind });
    let (listener, _) = net.listen();
    assert_eq!(listener.index >= SECOND, kind == DriverKind::Uring);
}

cases! {
    the_best_driver_is_io_uring_where_there_is_one
}

//! Sockets that a service manager has opened: a process that starts another one with two of them.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

use rustix::io::{FdFlags, fcntl_getfd};
use std::{
    env, io,
    net::TcpListener,
    os::fd::OwnedFd,
    process::{Command, Output, Stdio},
};
use trenza_core::driver::{HandedOver, Host, Socket};
use trenza_sys::SystemHost;

/// Says which part of the test a process of its own is.
const PART: &str = "TRENZA_ACTIVATION_PART";

/// Runs a part of this test in a process of its own, whose descriptors 3 and 4 are the two sockets.
fn start(part: &str, environment: &str) -> Output {
    let sockets = [(); 2].map(|()| OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap()));
    let [one, other] = sockets.map(Stdio::from);
    let script = format!("{environment} exec \"$0\" \"$@\" 3<&0 4<&1 <&- >&2");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(env::current_exe().unwrap());
    command.args(["--exact", "sockets_are_handed_over_by_number_and_name", "--nocapture"]);
    command.env(PART, part).stdin(one).stdout(other).output().unwrap()
}

#[test]
fn sockets_are_handed_over_by_number_and_name() {
    match env::var(PART).as_deref() {
        Ok("taken") => return taken(),
        Ok("refused") => return refused(),
        _ => {}
    }
    let names = "LISTEN_FDNAMES=http:admin";
    for (part, environment) in [
        ("taken", format!("LISTEN_PID=$$ LISTEN_FDS=2 {names}")),
        ("refused", "LISTEN_PID=$$".into()),
        ("refused", "LISTEN_FDS=2".into()),
        ("refused", "LISTEN_PID=1 LISTEN_FDS=2".into()),
        ("refused", "LISTEN_PID=$$ LISTEN_FDS=999".into()),
    ] {
        let output = start(part, &environment);
        assert!(output.status.success(), "{environment}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn taken() {
    let host = SystemHost::new();
    let admin = host.handed_over(HandedOver::Name("admin")).unwrap();
    let first = host.handed_over(HandedOver::Index(0)).unwrap();
    assert_ne!(admin.addr, first.addr);
    let Socket::Descriptor(socket) = &admin.socket else { panic!("a real one") };
    assert!(fcntl_getfd(socket).unwrap().contains(FdFlags::CLOEXEC));
    // Another reactor's host does not get it a second time.
    let again = SystemHost::new().handed_over(HandedOver::Index(1)).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::ResourceBusy);
    let third = host.handed_over(HandedOver::Index(2)).unwrap_err();
    assert!(third.to_string().contains("0 (http), 1 (admin)"), "{third}");
}

fn refused() {
    let error = SystemHost::new().handed_over(HandedOver::Index(0)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("LISTEN_"), "{error}");
}

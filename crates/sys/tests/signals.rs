//! Being asked to stop. Signals are the process's: what ends it is tried on a child.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    low_level::raise,
};
use std::{
    env,
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
    sync::mpsc::channel,
    time::Duration,
};
use trenza_sys::Signals;

const CHILD: &str = "TRENZA_TEST_CHILD";
const LONG: Duration = Duration::from_secs(30);

/// Runs inside the child: handled twice, the second time by other `Signals`, then no longer.
fn child() {
    for _ in 0..2 {
        let (tell, told) = channel();
        let signals = Signals::install(move |signal| tell.send(signal).unwrap()).unwrap();
        for signal in [SIGINT, SIGTERM] {
            raise(signal).unwrap();
            assert_eq!(told.recv_timeout(LONG), Ok(signal));
        }
        drop(signals);
        told.try_recv().unwrap_err();
    }
    raise(SIGTERM).unwrap();
}

#[test]
fn signals_are_told_while_installed_and_end_the_program_afterwards() {
    if env::var_os(CHILD).is_some() {
        return child();
    }
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "signals_are_told_while_installed_and_end_the_program_afterwards"])
        .env(CHILD, "1")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(SIGTERM));
}

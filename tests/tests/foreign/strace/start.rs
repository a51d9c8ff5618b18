//! How a program starts where the kernel refuses io_uring, and where it does not.

use crate::{folder, program};
use std::{
    fs,
    io::{self, Write},
    net::TcpStream,
    path::Path,
};
use trenza::DriverKind;
use trenza_tests::Program;

const LISTEN: &str = "--listen=tcp:0:interface=127.0.0.1";
/// Which calls are logged: what makes either driver.
const TRACED: &str = "--trace=io_uring_setup,io_uring_enter,epoll_create1,accept4";

/// True where the kernel has io_uring. Else that is said past the test runner, which would keep it to itself.
pub(super) fn has_uring(test: &str) -> bool {
    let Err(error) = DriverKind::Uring.driver() else { return true };
    let _ = writeln!(io::stderr(), "not run: {test}, on io_uring: {error}");
    false
}

/// Starts `trenza web` with these variables, traced from its first call on, and perhaps with a fault. It stays the process
/// that was started: strace looks on from beside.
fn start(folder: &Path, variables: &[&str], fault: Option<&str>) -> Program {
    let log = format!("--output={}", folder.join(".log").display());
    let fault = fault.map(|fault| format!("--inject={fault}"));
    let (program, folder) = (program(), folder.to_str().unwrap());
    let tracer = ["strace", "--daemonize", "--follow-forks", TRACED, &log];
    let traced = [program.to_str().unwrap(), "web", folder, LISTEN];
    let arguments = variables.iter().copied().chain(tracer).chain(fault.as_deref()).chain(traced);
    Program::start(Path::new("env"), arguments)
}

/// It serves a file; gives what was logged of its calls.
fn serves(folder: &Path, mut web: Program) -> String {
    let url = web.hear_url("http://");
    let addr = url.trim_start_matches("http://").trim_end_matches('/');
    let mut client = TcpStream::connect(addr).unwrap();
    client.write_all(b"GET /hello.txt HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let answer = io::read_to_string(client).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("Hello, braid!\n"), "{answer}");
    web.signal("TERM");
    let (status, said) = web.end();
    assert!(status.success(), "{status}: {said}");
    fs::read_to_string(folder.join(".log")).unwrap()
}

#[test]
fn a_program_without_io_uring_starts_on_the_other_driver() {
    for error in ["EPERM", "ENOSYS"] {
        let folder = folder(&[("hello.txt", b"Hello, braid!\n")]);
        let web = start(folder.path(), &[], Some(&format!("io_uring_setup:error={error}")));
        let log = serves(folder.path(), web);
        assert!(log.contains("INJECTED"), "{log}");
        assert!(!log.contains("io_uring_enter") && log.contains("accept4"), "{log}");
    }
}

#[test]
fn a_program_that_may_have_only_io_uring_says_why_it_does_not_start() {
    let folder = folder(&[]);
    for (error, reason) in [("EPERM", "Operation not permitted"), ("ENOSYS", "Function not implemented")] {
        let fault = format!("io_uring_setup:error={error}");
        let (status, said) = start(folder.path(), &["TRENZA_DRIVER=uring"], Some(&fault)).end();
        assert_eq!(status.code(), Some(1), "{said}");
        for part in [reason, "Linux 6.1", "kernel.io_uring_disabled", "TRENZA_DRIVER=poll"] {
            assert!(said.contains(part), "{part} is missing: {said}");
        }
    }
}

#[test]
fn a_program_is_on_io_uring_where_there_is_one_and_nobody_minds() {
    if !has_uring("a_program_is_on_io_uring_where_there_is_one_and_nobody_minds") {
        return;
    }
    for (variables, on_uring) in
        [(&[][..], true), (&["TRENZA_DRIVER=uring"], true), (&["TRENZA_DRIVER=poll"], false)]
    {
        let folder = folder(&[("hello.txt", b"Hello, braid!\n")]);
        let log = serves(folder.path(), start(folder.path(), variables, None));
        assert_eq!(log.contains("io_uring_enter"), on_uring, "{variables:?}: {log}");
        assert_eq!(log.contains("accept4"), !on_uring, "{variables:?}: {log}");
    }
}

#[test]
fn an_unknown_driver_is_refused_by_name() {
    let folder = folder(&[]);
    let (status, said) = start(folder.path(), &["TRENZA_DRIVER=magic"], None).end();
    assert!(!status.success() && said.contains("TRENZA_DRIVER=magic"), "{said}");
    assert!(said.contains("poll") && said.contains("uring"), "{said}");
}

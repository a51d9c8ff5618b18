//! socat as a SOCKS client, as a client and as a target of the forwarder.

use super::{LISTEN, Server, forward, socks, start, stop};
use crate::pattern;
use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
};

/// Ports cannot be 0 here.
const PORT: u16 = 9183;

/// What socat hears that sends `say`, then its end.
fn socat(address: &str, say: &[u8]) -> Vec<u8> {
    let mut command = Command::new("socat");
    // After the end of its input it waits for the answer.
    command.args(["-t", "60", "-", address]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let say = say.to_vec();
    let writing = thread::spawn(move || drop(stdin.write_all(&say)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    output.stdout
}

#[test]
fn versions_4_and_4a() {
    let (target, to) = start(&["echo", LISTEN]);
    let (program, proxy) = socks(&[]);
    let long = pattern(2 << 20);
    for (kind, host) in [("SOCKS4", "127.0.0.1"), ("SOCKS4A", "localhost")] {
        let address =
            format!("{kind}:127.0.0.1:{host}:{},socksport={},socksuser=ann", to.port(), proxy.port());
        assert_eq!(socat(&address, b"hello"), b"hello");
        assert!(socat(&address, &long) == long);
    }
    let said = stop(program);
    assert_eq!(said.matches(&format!("({to}) sent {} received {0} ", 2 << 20)).count(), 2, "{said}");
    stop(target);
}

#[test]
fn a_client_of_the_forwarder() {
    let (target, to) = start(&["echo", LISTEN]);
    let (program, address) = forward(&format!("tcp:{to}"));
    let long = pattern(4 << 20);
    assert!(socat(&format!("TCP:{address}"), &long) == long);
    stop(program);
    stop(target);
}

#[test]
fn a_target_of_the_forwarder() {
    let listen = format!("TCP-LISTEN:{PORT},bind=127.0.0.1,reuseaddr,fork");
    // It answers when it has heard all: each direction ends by itself.
    let _server = Server::start(Command::new("socat").args(["-t", "60", &listen, "SYSTEM:wc -c"]), PORT);
    let (program, address) = forward(&format!("tcp:127.0.0.1:{PORT}"));
    assert_eq!(socat(&format!("TCP:{address}"), &pattern(1 << 20)).trim_ascii(), b"1048576");
    stop(program);
}

//! A client in Python for what no packaged tool asks for.

use super::{LISTEN, socks, start, stop};
use crate::run;
use std::process::Command;

/// Runs `client.py` with these arguments; it must succeed.
fn client(arguments: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/proxies/client.py");
    drop(run(Command::new("python3").arg(script).args(arguments)));
}

#[test]
fn bind() {
    let (program, proxy) = socks(&[]);
    client(&["bind", &proxy.port().to_string()]);
    let said = stop(program);
    assert!(
        said.contains(" - -> 127.0.0.1:0 (127.0.0.1:") && said.contains(") sent 15 received 14 "),
        "{said}"
    );
}

#[test]
fn datagrams() {
    let (target, to) = start(&["echo", LISTEN, "--udp"]);
    let (program, proxy) = socks(&[]);
    client(&["datagrams", &proxy.port().to_string(), &to.port().to_string()]);
    let said = stop(program);
    assert!(said.contains(" - -> 127.0.0.1:") && said.contains(" sent 122002 received 122002 "), "{said}");
    stop(target);
}

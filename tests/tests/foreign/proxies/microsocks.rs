//! Our client's endpoint `socks5:` through somebody else's proxy.

use super::{Server, forward, site, stop};
use crate::run;
use std::process::Command;

#[test]
fn with_and_without_password() {
    let site = site();
    for (port, options) in [(9184, &[][..]), (9185, &["-u", "ann", "-P", "pass:word"])] {
        let port_ = port.to_string();
        let mut command = Command::new("microsocks");
        let _server = Server::start(command.args(["-i", "127.0.0.1", "-p", &port_]).args(options), port);
        let shown = if options.is_empty() { "" } else { r"user=ann:password=pass\:word:" };
        let (program, address) =
            forward(&format!("socks5:127.0.0.1:{port}:{shown}tcp:localhost:{}", site.port()));
        let url = format!("http://{address}/hello.txt");
        let got = run(Command::new("curl").args(["-sS", "--max-time", "60", "--noproxy", "*", &url]));
        assert_eq!(got.stdout, b"Hello, braid!\n");
        stop(program);
        // What it says no to is told as it says it.
        let (program, address) = forward(&format!("socks5:127.0.0.1:{port}:{shown}tcp:127.0.0.1:1"));
        let url = format!("http://{address}/");
        assert!(!Command::new("curl").args(["-s", "--noproxy", "*", &url]).status().unwrap().success());
        let said = stop(program);
        assert!(said.contains("did not connect to 127.0.0.1:1: connection refused"), "{said}");
        if !options.is_empty() {
            let wrong = format!("socks5:127.0.0.1:{port}:user=ann:password=no:tcp:localhost:{}", site.port());
            let (program, address) = forward(&wrong);
            let url = format!("http://{address}/");
            assert!(!Command::new("curl").args(["-s", "--noproxy", "*", &url]).status().unwrap().success());
            let said = stop(program);
            assert!(said.contains("does not accept the user and password"), "{said}");
        }
    }
}

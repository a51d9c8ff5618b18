//! Our client's endpoint `http-proxy:` through somebody else's proxy.

use super::{Server, forward, site, stop};
use std::{fs, process::Command};

#[test]
fn with_and_without_password() {
    let site = site();
    for (port, auth) in [(9186, ""), (9187, "BasicAuth ann secret\n")] {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("tinyproxy.conf");
        fs::write(&conf, format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\n{auth}"))
            .unwrap();
        let _server = Server::start(Command::new("tinyproxy").arg("-d").arg("-c").arg(&conf), port);
        let curl = |to: &str| {
            let (program, address) = forward(to);
            let url = format!("http://{address}/hello.txt");
            let got = Command::new("curl").args(["-sS", "--max-time", "60", "--noproxy", "*", &url]).output();
            (got.unwrap().stdout, stop(program))
        };
        let shown = if auth.is_empty() { "" } else { "user=ann:password=secret:" };
        let (got, said) = curl(&format!("http-proxy:127.0.0.1:{port}:{shown}tcp:localhost:{}", site.port()));
        assert_eq!(got, b"Hello, braid!\n", "{said}");
        let (_, said) = curl(&format!("http-proxy:127.0.0.1:{port}:{shown}tcp:127.0.0.1:1"));
        assert!(
            said.contains("the HTTP proxy 127.0.0.1:") && said.contains(" did not connect to "),
            "{said}"
        );
        if !auth.is_empty() {
            let (_, said) = curl(&format!("http-proxy:127.0.0.1:{port}:tcp:localhost:{}", site.port()));
            assert!(said.contains("status 407") || said.contains("status 401"), "{said}");
        }
    }
}

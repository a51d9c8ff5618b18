//! proxychains4, which gives a SOCKS proxy to programs that know of none.

use super::{site, socks, socks_for_ann, stop};
use std::{fs, process::Command};

const HELLO: &[u8] = b"Hello, braid!\n";

/// What curl gets behind a chain of these proxies; None: it fails.
fn chained(proxies: &[String], url: &str) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("proxychains.conf");
    let list = proxies.join("\n");
    fs::write(&conf, format!("strict_chain\nproxy_dns\nremote_dns_subnet 224\n[ProxyList]\n{list}\n"))
        .unwrap();
    let mut command = Command::new("proxychains4");
    command.args(["-q", "-f"]).arg(conf);
    command.args(["curl", "--silent", "--max-time", "60", "--noproxy", "*", url]);
    let output = command.output().unwrap();
    output.status.success().then_some(output.stdout)
}

#[test]
fn every_version() {
    let site = site();
    let (program, proxy) = socks(&[]);
    let (guarded, other) = socks_for_ann();
    for kind in ["socks4", "socks5"] {
        let only = [format!("{kind} {} {}", proxy.ip(), proxy.port())];
        assert_eq!(chained(&only, &site.hello()).as_deref(), Some(HELLO), "{kind}");
    }
    let ann = [format!("socks5 {} {} ann pass", other.ip(), other.port())];
    assert_eq!(chained(&ann, &site.hello()), None, "a wrong password");
    stop(program);
    assert!(stop(guarded).contains("wrong user or password"));
}

#[test]
fn names_are_looked_up_by_the_proxy() {
    let site = site();
    let (program, proxy) = socks(&[]);
    let only = [format!("socks5 {} {}", proxy.ip(), proxy.port())];
    assert_eq!(chained(&only, &site.hello_by_name()).as_deref(), Some(HELLO));
    stop(program);
}

#[test]
fn one_proxy_behind_another() {
    let site = site();
    let (one, first) = socks(&[]);
    let (two, second) = socks(&[]);
    let both = [first, second].map(|proxy| format!("socks5 {} {}", proxy.ip(), proxy.port()));
    assert_eq!(chained(&both, &site.hello()).as_deref(), Some(HELLO));
    assert!(stop(one).contains(&format!(" - -> {second} ")));
    assert!(stop(two).contains(&format!(" - -> 127.0.0.1:{} ", site.port())));
}

//! curl as a SOCKS client.

use super::{Site, site, socks, socks_for_ann, stop};
use crate::{pattern, run};
use std::process::{Command, Output};

/// curl with these arguments behind the usual ones.
fn command(arguments: &[&str]) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "60", "--noproxy", ""]).args(arguments);
    curl
}

fn curl(arguments: &[&str]) -> Vec<u8> {
    run(&mut command(arguments)).stdout
}

/// curl's exit code and what it says, when it fails.
fn failed(arguments: &[&str]) -> (i32, String) {
    let Output { status, stderr, .. } = command(arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn every_version_without_password() {
    let site = site();
    let (program, proxy) = socks(&[]);
    let proxy = proxy.to_string();
    for option in ["--socks4", "--socks4a", "--socks5", "--socks5-hostname"] {
        assert_eq!(curl([option, &proxy, &site.hello()].as_slice()), b"Hello, braid!\n", "{option}");
        assert_eq!(curl([option, &proxy, &site.hello_by_name()].as_slice()), b"Hello, braid!\n", "{option}");
    }
    let said = stop(program);
    let named = format!(" - -> localhost:{} (127.0.0.1:{0}) ", site.port());
    assert_eq!(said.matches(&named).count(), 2, "4a and 5 with names: {said}");
}

#[test]
fn with_a_password() {
    let site = site();
    let (program, proxy) = socks_for_ann();
    let proxy = proxy.to_string();
    let (hello, named) = (site.hello(), site.hello_by_name());
    for option in ["--socks5", "--socks5-hostname"] {
        let ask = |user| [option, &proxy, "--proxy-user", user];
        assert_eq!(curl(&[&ask("ann:pass word")[..], &[&*named]].concat()), b"Hello, braid!\n");
        assert_eq!(failed(&[&ask("ann:pass")[..], &[&*hello]].concat()).0, 97, "a wrong one");
        assert_eq!(failed(&[option, &proxy, &hello]).0, 97, "no password");
    }
    for option in ["--socks4", "--socks4a"] {
        assert_eq!(failed(&[option, &proxy, &hello]).0, 97, "{option} has none");
    }
    let said = stop(program);
    assert!(said.contains(" ann -> localhost:") && !said.contains("pass word"), "{said}");
}

#[test]
fn much_and_many() {
    let site = site();
    let (_program, proxy) = socks(&["--quiet"]);
    let proxy = proxy.to_string();
    let big = format!("{}big.bin?[1-40]", site.url);
    let got = curl(&["--parallel", "--parallel-max", "20", "--socks5", &proxy, &big]);
    assert_eq!(got.len(), 40 * (3 << 20));
    let one = curl(&["--socks5", &proxy, &format!("{}big.bin", site.url)]);
    assert!(one == pattern(3 << 20));
    let upload = site.folder.path().join("big.bin");
    let (code, _) = failed(&["--socks5", &proxy, "--fail", "-T", upload.to_str().unwrap(), &site.hello()]);
    assert_eq!(code, 22, "405, after an upload");
}

#[test]
fn causes_are_told() {
    let Site { url, .. } = site();
    let (_program, proxy) = socks(&["--deny", "192.0.2.0/24"]);
    let proxy = proxy.to_string();
    for (target, part) in [
        // The site is gone.
        (&*url, "(5)"),
        ("http://nobody.invalid/", "(4)"),
        ("http://192.0.2.1/", "(2)"),
    ] {
        let (code, said) = failed(&["--socks5-hostname", &proxy, target]);
        assert!(code == 97 && said.contains(part), "{target}: {code} {said}");
    }
}

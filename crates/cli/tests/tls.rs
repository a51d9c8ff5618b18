//! TLS in every command: who listens with it, who connects with it, and what is said when it cannot be.
#![allow(clippy::disallowed_types, clippy::unwrap_used, reason = "this is the outside world")]

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::Path,
    process::Command,
};
use tempfile::{TempDir, tempdir};
use trenza_tests::{Client, PATIENCE, Program};

/// The program, and what `trenza cert` makes: `localhost.pem`, which signs itself; `ca.pem`, `srv.pem`, `ann.pem`.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        let ground = Self(tempdir().unwrap());
        for arguments in [
            &["self", "localhost", "127.0.0.1"][..],
            &["ca"],
            &["sign", "srv", "--out", "srv.pem"],
            &["sign", "--client", "ann"],
        ] {
            let mut made = ground.command("cert");
            assert!(made.args(arguments).output().unwrap().status.success(), "{arguments:?}");
        }
        ground
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trenza"));
        command.arg(name).current_dir(self.0.path());
        command
    }

    /// `{}` in arguments stands for the folder.
    fn filled(&self, arguments: &[&str]) -> Vec<String> {
        let folder = self.0.path().to_str().unwrap();
        arguments.iter().map(|argument| argument.replace("{}", folder)).collect()
    }

    /// Starts a command; the address that it says behind `before`.
    fn start(&self, arguments: &[&str], before: &str) -> (Program, SocketAddr) {
        let program = Path::new(env!("CARGO_BIN_EXE_trenza"));
        let mut program = Program::start(program, self.filled(arguments));
        let line = program.hear(&format!("  {before}127.0.0.1:"));
        let address = line.trim().trim_start_matches(before).split_whitespace().next().unwrap();
        let address = address.trim_end_matches('/').parse().unwrap();
        program.hear("Ctrl-C stops.");
        (program, address)
    }

    /// A port without TLS that leads to `to`.
    fn way_to(&self, to: &str) -> (Program, SocketAddr) {
        self.start(&["forward", "--listen=tcp:0:interface=127.0.0.1", "--to", to], "")
    }

    /// What a command that fails says, and its exit code.
    fn failed(&self, arguments: &[&str]) -> (i32, String) {
        let (name, rest) = arguments.split_first().unwrap();
        let output = self.command(name).args(self.filled(rest)).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

/// What has come when all was said.
fn ask(to: SocketAddr, say: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(say).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    // Some are reset.
    let _ = stream.read_to_end(&mut heard);
    heard
}

fn stop(program: Program) -> String {
    program.signal("TERM");
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    said
}

const SECURE: &str = "--listen=tls:0:interface=127.0.0.1:cert={}/localhost.pem";
const TRUST: &str = "ca={}/localhost.pem";

#[test]
fn every_command_listens_with_tls() {
    let ground = Ground::new();
    let site = ground.0.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("hello.txt"), "Hello, braid!\n").unwrap();

    let (echo, address) = ground.start(&["echo", SECURE], "");
    let (way, near) = ground.way_to(&format!("tls:{address}:{TRUST}"));
    assert_eq!(ask(near, b"hello"), b"hello");
    stop(way);

    let (web, url) = ground.start(&["web", "{}/site", SECURE], "https://");
    let (way, near) = ground.way_to(&format!("tls:{url}:{TRUST}"));
    let answer = Client::connect(&format!("http://{near}/")).get("/hello.txt");
    assert_eq!((answer.status(), &*answer.body), (200, &b"Hello, braid!\n"[..]));
    stop(way);
    assert!(stop(web).contains("https://127.0.0.1:"));

    // TLS goes to TLS, with another certificate.
    let to = format!("--to=tls:{address}:{TRUST}");
    let (forward, middle) =
        ground.start(&["forward", "--listen=tls:0:interface=127.0.0.1:cert={}/srv.pem", &to], "");
    let (way, near) = ground.way_to(&format!("tls:{middle}:ca={{}}/ca.pem:server-name=srv"));
    assert_eq!(ask(near, b"hello"), b"hello");
    stop(way);
    assert!(stop(forward).contains(" over TLS"));

    let (socks, proxy) = ground.start(&["socks", SECURE], "socks5h://");
    let (way, near) = ground.way_to(&format!("tls:{proxy}:{TRUST}"));
    let (inner, through) = ground.way_to(&format!("socks5:{near}:tls:{address}:{TRUST}"));
    assert_eq!(ask(through, b"hello"), b"hello", "a proxy over TLS, and TLS through it");
    stop(inner);
    stop(way);
    assert!(stop(socks).contains(&format!(" -> {address} ")), "the proxy sees where it goes");
    stop(echo);
}

#[test]
fn options_of_tcp_hold_under_tls() {
    let ground = Ground::new();
    let (echo, address) = ground.start(&["echo", &format!("{SECURE}:log=yes:connections=5")], "");
    let (way, near) = ground.way_to(&format!("tls:{address}:{TRUST}:timeout=20"));
    assert_eq!(ask(near, b"hello"), b"hello");
    stop(way);
    assert!(stop(echo).contains("trenza::traffic"), "log=yes was given");
}

#[test]
fn who_is_not_trusted_is_named_in_the_log() {
    let ground = Ground::new();
    let (echo, address) = ground.start(&["echo", SECURE], "");
    for (to, part) in [
        (format!("tls:{address}:ca={{}}/ca.pem"), "nobody who is trusted has signed it"),
        (format!("tls:{address}:{TRUST}:server-name=example.org"), "not valid for name"),
        (format!("tls:{address}:pin={}", "0".repeat(64)), "not the pinned one"),
    ] {
        let (way, near) = ground.way_to(&to);
        assert_eq!(ask(near, b"hello"), b"");
        let said = stop(way);
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    stop(echo);
    // Who speaks no TLS at all.
    let (plain, address) = ground.start(&["echo", "--listen=tcp:0:interface=127.0.0.1"], "");
    let (way, near) = ground.way_to(&format!("tls:{address}:{TRUST}"));
    assert_eq!(ask(near, b"hello"), b"");
    let said = stop(way);
    assert!(said.contains(": TLS failed: "), "{said}");
    stop(plain);
}

#[test]
fn clients_show_their_certificates() {
    let ground = Ground::new();
    let (echo, address) = ground.start(&["echo", &format!("{SECURE}:client-ca={{}}/ca.pem")], "");
    for (own, heard) in [(":cert={}/ann.pem", &b"hello"[..]), ("", b""), (":cert={}/localhost.pem", b"")] {
        let (way, near) = ground.way_to(&format!("tls:{address}:{TRUST}{own}"));
        assert_eq!(ask(near, b"hello"), heard, "{own}");
        stop(way);
    }
    stop(echo);
}

#[test]
fn without_a_certificate_every_command_says_how_to_make_one() {
    let ground = Ground::new();
    for command in [&["web"][..], &["socks"], &["echo"], &["forward", "--to=tcp:localhost:1"]] {
        for listen in ["tls:0", "tls:0:backlog=5", "haproxy:tls:0", "tls-over:tcp:0"] {
            let (code, said) = ground.failed(&[command, &["--listen", listen]].concat());
            assert_eq!(code, 2, "{said}");
            assert!(said.contains("needs a certificate: cert=FILE"), "{said}");
            assert!(said.contains("hint: `trenza cert self`"), "{said}");
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_cause_and_remedy() {
    let ground = Ground::new();
    fs::write(ground.0.path().join("garbage.pem"), "garbage").unwrap();
    fs::create_dir(ground.0.path().join("site")).unwrap();
    for (listen, part) in [
        ("tls:0:cert={}/none.pem", "none.pem\" cannot be used: No such file"),
        ("tls:0:cert={}/garbage.pem", "there is no certificate in it"),
        ("tls:0:cert={}/ca.pem", "there is no private key in it"),
        ("tls:0:cert={}/ca-key.pem", "there is no certificate in it, only a key"),
        (
            "tls:0:cert={}/srv.pem:key={}/ann.pem",
            "ann.pem\" cannot be used: the key in it does not belong to",
        ),
        ("tls:0:certs={}/none", "none\" cannot be used: No such file"),
    ] {
        for command in [&["web", "site"][..], &["socks"], &["echo"], &["forward", "--to=tcp:localhost:1"]] {
            let (code, said) = ground.failed(&[command, &["--listen", listen]].concat());
            assert_eq!(code, 1, "{said}");
            assert!(said.contains(part), "no {part:?} in {said}");
            assert!(said.contains("^^^") && said.contains("hint: `trenza cert self`"), "{said}");
        }
    }
    let (code, said) =
        ground.failed(&["web", "site", "--listen=tls:0:cert={}/srv.pem:client-ca={}/none.pem"]);
    assert!(code == 1 && said.contains("hint: `trenza cert ca`"), "{said}");
}

#[test]
fn a_key_is_not_served() {
    let ground = Ground::new();
    let [site, hidden] = ["site", ".keys"].map(|name| ground.0.path().join(name));
    for folder in [&site, &hidden] {
        fs::create_dir(folder).unwrap();
        fs::copy(ground.0.path().join("localhost.pem"), folder.join("a.pem")).unwrap();
    }
    std::os::unix::fs::symlink(ground.0.path().join("srv.pem"), site.join("link.pem")).unwrap();
    std::os::unix::fs::symlink(&site, ground.0.path().join("other")).unwrap();
    let listen = |options: &str| format!("--listen=tls:0:interface=127.0.0.1:{options}");
    for (folder, options) in [
        (".", "cert=localhost.pem"),
        (".", "cert={}/localhost.pem"),
        ("site", "cert=site/a.pem"),
        (".", "cert=site/a.pem"),
        ("site", "cert=other/a.pem"),
        ("other", "cert=site/a.pem"),
        ("site", "cert=site/link.pem"),
        (".", "cert=site/link.pem"),
        ("site", "cert=ca.pem:key=site/a.pem"),
        ("site", "certs=site"),
        (".", "certs=site"),
    ] {
        let (code, said) = ground.failed(&["web", folder, &listen(options)]);
        assert_eq!(code, 1, "{folder} {options}: {said}");
        assert!(
            said.contains("everybody could fetch the key") && said.contains("hint: serve another"),
            "{said}"
        );
    }
    let (code, said) = ground.failed(&["web", ".", &listen("cert=.keys/a.pem"), "--hidden"]);
    assert!(code == 1 && said.contains("everybody could fetch"), "{said}");
    for (folder, options) in
        [("{}", "cert={}/.keys/a.pem"), ("{}/site", "cert={}/localhost.pem"), ("{}/site", "certs={}/.keys")]
    {
        let (program, _) = ground.start(&["web", folder, &listen(options)], "https://");
        stop(program);
    }
}

#[test]
fn a_target_whose_files_cannot_be_used_is_refused_at_the_start() {
    let ground = Ground::new();
    for (to, code, part) in [
        ("tls:h:1:ca={}/none.pem", 1, "none.pem: No such file"),
        (
            "tls:h:1:ca={}/ca-key.pem",
            1,
            "ca-key.pem cannot be used: there is no certificate in it, only a key",
        ),
        ("tls:h:1:ca={}/ca.pem:cert={}/ca.pem", 1, "ca.pem cannot be used: there is no private key in it"),
        ("socks5:h:1:tls:h:1:ca={}/none.pem", 1, "none.pem: No such file"),
        ("tls:h:1:ca={}/ca.pem:pin=ab", 2, "takes only one of ca="),
        ("tls:h", 2, "PORT is missing: tls:HOST:PORT"),
        ("tls-over:tcp:h:1", 2, "needs server-name=NAME"),
    ] {
        let (got, said) = ground.failed(&["forward", "--listen=tcp:0:interface=127.0.0.1", "--to", to]);
        assert_eq!(got, code, "{said}");
        assert!(said.contains(part), "no {part:?} in {said}");
        assert_eq!(code == 1, said.contains("hint: ca=FILE"), "{said}");
    }
}

#[test]
fn a_certificate_out_of_its_time_is_served_with_a_warning() {
    let ground = Ground::new();
    let key = rcgen::KeyPair::generate().unwrap();
    for (from, until, part) in [(2001, 2002, "has expired"), (2901, 2902, "is not valid yet")] {
        let mut params = rcgen::CertificateParams::new(["old.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
        fs::write(ground.0.path().join("old.pem"), pem).unwrap();
        let listen = "--listen=tls:0:interface=127.0.0.1:cert={}/old.pem";
        let (program, _) = ground.start(&["echo", listen], "");
        let said = stop(program);
        assert!(said.contains("the certificate for old.example ") && said.contains(part), "{said}");
    }
    let (program, _) = ground.start(&["echo", SECURE], "");
    assert!(!stop(program).contains("WARN"));
}

#[test]
fn help_shows_how_tls_is_asked_for() {
    let ground = Ground::new();
    for command in ["web", "socks", "echo", "forward"] {
        let help = ground.command(command).arg("--help").output().unwrap();
        let text = String::from_utf8(help.stdout).unwrap();
        let examples = text.split_once("Examples:").unwrap().1;
        assert!(examples.contains("--listen tls:") && text.contains("tls:PORT:cert=FILE"), "{text}");
    }
}

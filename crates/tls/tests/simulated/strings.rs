//! Endpoints as strings.

use crate::ground::{Authority, Echo, Log, Say};
use std::{fs, path::Path, time::Duration};
use trenza_core::{EndpointError, IntoEndpoint, Reactor, Result};
use trenza_sim::Net;
use trenza_tls::{Identity, TlsError};

/// A folder with `site.pem` (key and chain), `chain.pem`, `key.pem`, `ca.pem`, `ann.pem`.
pub(crate) fn folder() -> tempfile::TempDir {
    let (ca, folder) = (Authority::new("ca"), tempfile::tempdir().unwrap());
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let site = ca.sign_pem("srv", &["srv"]);
    let key = site.find("-----BEGIN PRIVATE KEY").unwrap();
    put("site.pem", &site);
    put("chain.pem", &site[..key]);
    put("key.pem", &site[key..]);
    put("ca.pem", &ca.pem);
    put("ann.pem", &ca.sign_pem("Ann", &[]));
    put("strange.pem", STRANGE);
    put("locked.pem", LOCKED);
    fs::write(folder.path().join("site.der"), [0x30, 0x82, 1, 0]).unwrap();
    folder
}

/// A key on a curve that nobody speaks TLS with (secp256k1).
const STRANGE: &str = "-----BEGIN PRIVATE KEY-----
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgIIBzBGzqBI09OTQNO4ni
erFF1D8FwMCyzk/h3oWvLLGhRANCAAQRCYk8t+7sZOjdjxjAtfP9qsFeXDMmfvxa
O9Sn+SnyoqPvoVOvfur2YdeGHWjH0u2YpIp2bRGnqdFDQpJgguJx
-----END PRIVATE KEY-----
";

/// A key with a password.
const LOCKED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjJeKW/mQByCwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEILm2LKy7RPBSgxab1DtzZAEQBOd
2TIhdjzSQzU1RppvT6zP6m5xWp5hwb6mWps2BTQ1MzDJkD2LWlUcL1smrYvMCM7c
sR20Qk0XZ6nkRDlOLl4=
-----END ENCRYPTED PRIVATE KEY-----
";

/// A network in which `srv` and `cli` know TLS, and what is said there; `{}` in endpoints stands for the folder.
struct Ground {
    net: Net,
    folder: String,
    heard: Log,
    said: Log,
}

impl Ground {
    fn new(folder: &Path) -> Self {
        let net = Net::gentle(1);
        net.host("srv").run(trenza_tls::register);
        net.host("cli").run(trenza_tls::register);
        Self { net, folder: folder.display().to_string(), heard: Log::default(), said: Log::default() }
    }

    fn serve(&self, endpoint: &str) {
        let endpoint = endpoint.replace("{}", &self.folder);
        self.net.host("srv").run(|reactor| listen(reactor, &endpoint, self.heard.clone())).unwrap();
    }

    /// Has a client say something.
    fn say(&self, endpoint: &str, what: &[u8]) {
        let endpoint = endpoint.replace("{}", &self.folder);
        let (say, told) = (Say::new(what, &self.said), self.said.clone());
        self.net.host("cli").run(|reactor| {
            reactor.connect(&endpoint, move |_| say).then(move |made| {
                if let Err(error) = made {
                    told.note(format!("not connected: {error}"));
                }
            });
        });
    }
}

/// How a talk between two endpoints went; `{}` in them stands for the folder.
pub(crate) fn talk(folder: &Path, server: &str, client: &str) -> (Log, Log) {
    let ground = Ground::new(folder);
    ground.serve(server);
    ground.say(client, b"hello");
    ground.net.advance(Duration::from_secs(20));
    (ground.heard, ground.said)
}

fn listen(reactor: &Reactor, server: &str, log: Log) -> Result {
    trenza_tls::register(reactor);
    reactor.listen(server, move |_| Echo(log.clone())).map(drop)
}

#[test]
fn servers_and_clients() {
    let folder = folder();
    let pin = Identity::from_files(folder.path().join("site.pem"), folder.path().join("site.pem"));
    let pin: String = pin.unwrap().fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
    for (server, client) in [
        ("tls:443:cert={}/site.pem", "tls:srv:443:ca={}/ca.pem"),
        ("tls:443:cert={}/chain.pem:key={}/key.pem:min=1.3", "tls:srv:443:ca={}/ca.pem:timeout=5"),
        ("tls:443:certs={}:interface=10.0.0.1", "tls:10.0.0.1:443:ca={}/ca.pem:server-name=srv"),
        ("tls:443:cert={}/site.pem:alpn=a,b", "tls:srv:443:ca={}/ca.pem:alpn=b"),
        ("tls:443:cert={}/site.pem", &format!("tls:srv:443:pin={pin}")),
        ("tls:443:cert={}/site.pem", "tls:srv:443:dangerously-trust-anybody=yes"),
        ("tls:443:cert={}/site.pem:client-ca={}/ca.pem", "tls:srv:443:ca={}/ca.pem:cert={}/ann.pem"),
        ("tls:443:cert={}/site.pem:client-ca={}/ca.pem:clients=optional", "tls:srv:443:ca={}/ca.pem"),
        ("tls-over:cert={}/site.pem:tcp:443", "tls-over:ca={}/ca.pem:server-name=srv:tcp:srv:443"),
        (
            "tls-over:cert={}/site.pem:tls:443:cert={}/site.pem",
            "tls-over:ca={}/ca.pem:server-name=srv:tls:srv:443:ca={}/ca.pem",
        ),
    ] {
        let (heard, said) = talk(folder.path(), server, client);
        assert_eq!(said.lines(), ["whole, lost: closed"], "{server} {client}");
        assert!(heard.has("made"), "{server} {client}: {:?}", heard.lines());
    }
}

/// The error of who listens on this.
fn refused(folder: &Path, endpoint: &str) -> EndpointError {
    let text = endpoint.replace("{}", &folder.display().to_string());
    let listened = Net::gentle(1).host("srv").run(|reactor| listen(reactor, &text, Log::default()));
    *listened.unwrap_err().downcast().unwrap()
}

#[test]
fn what_cannot_be_says_why_and_where() {
    let folder = folder();
    for (endpoint, part, at) in [
        ("tls:443", "cert=FILE, or certs=DIR", "tls"),
        ("tls:443:key={}/key.pem", "cert=FILE is missing", "{}/key.pem"),
        ("tls:443:cert={}/site.pem:certs={}", "beside cert=", "{}"),
        ("tls:443:cert={}/site.pem:min=1.1", "1.2 and 1.3 can", "1.1"),
        ("tls:443:cert={}/site.pem:clients=optional", "without client-ca", "optional"),
        ("tls:443:sert=x", "did you mean cert?", "sert"),
        ("tls:443:cert={}/site.pem:backlgo=5", "did you mean backlog?", "backlgo"),
        // What is TCP's is pointed at, too.
        ("tls:443:idle=x:cert={}/site.pem", "idle= takes a number of seconds", "x"),
        ("tls:443:cert={}/site.pem:connections=0", "a number above 0", "0"),
        ("tls:https:cert={}/site.pem", "ports are 0 to 65535", "https"),
        ("tls:443:cert={}/site.pem:handshake=x", "a number of seconds", "x"),
    ] {
        let error = refused(folder.path(), endpoint);
        assert!(error.what.contains(part), "{error}");
        assert_eq!(error.endpoint[error.at.clone()], at.replace("{}", &folder.path().display().to_string()));
        assert!(error.cause.is_none(), "it is the string that is wrong: {error}");
    }
}

#[test]
fn files_that_cannot_be_used_say_why_and_which() {
    let folder = folder();
    for (endpoint, part, at) in [
        ("tls:443:cert={}/none.pem", "No such file", "none.pem"),
        ("tls:443:cert={}/site.pem:key={}/none.pem", "No such file", "none.pem"),
        ("tls:443:cert={}", "directory", ""),
        ("tls:443:cert={}/ca.pem", "no private key", "ca.pem"),
        ("tls:443:cert={}/chain.pem:key={}/ca.pem", "no private key", "ca.pem"),
        ("tls:443:cert={}/key.pem", "no certificate in it, only a key", "key.pem"),
        ("tls:443:cert={}/site.der", "openssl x509 -inform DER", "site.der"),
        ("tls:443:cert={}/chain.pem:key={}/site.der", "openssl pkey -inform DER", "site.der"),
        ("tls:443:cert={}/chain.pem:key={}/locked.pem", "has a password; `openssl pkey", "locked.pem"),
        ("tls:443:cert={}/chain.pem:key={}/strange.pem", "none that is spoken: RSA", "strange.pem"),
        ("tls:443:cert={}/ca.pem:key={}/key.pem", "does not belong to the first", "key.pem"),
        ("tls:443:cert={}/site.pem:client-ca={}/none.pem", "No such file", "none.pem"),
        ("tls:443:cert={}/site.pem:client-ca={}/key.pem", "no certificate", "key.pem"),
        ("tls:443:certs={}/nowhere", "No such file", "nowhere"),
    ] {
        let error = refused(folder.path(), endpoint);
        assert!(error.what.contains(part), "{error}");
        assert!(error.endpoint[error.at.clone()].ends_with(at), "{error}");
        assert!(error.what.matches("cannot be used").count() == 1, "it says so once: {error}");
        let cause = error.cause.as_deref().and_then(|cause| cause.downcast_ref::<TlsError>()).unwrap();
        assert!(cause.is_local(), "{cause:?}");
    }
}

#[test]
fn what_is_said_of_tcp_holds_under_tls() {
    let folder = folder();
    let seconds = Duration::from_secs;
    let plain = "tls:srv:443:ca={}/ca.pem";
    // Whoever is silent, or stays too long.
    for (server, client) in [
        ("idle=2", plain),
        ("deadline=2", plain),
        ("min=1.3", "tls:srv:443:ca={}/ca.pem:idle=2"),
        ("min=1.3", "tls:srv:443:ca={}/ca.pem:deadline=2"),
    ] {
        let ground = Ground::new(folder.path());
        ground.serve(&format!("tls:443:{server}:cert={{}}/site.pem"));
        ground.say(client, b"");
        ground.net.advance(seconds(1));
        assert!(
            ground.heard.has("made") && !ground.heard.has("lost"),
            "{server}: {:?}",
            ground.heard.lines()
        );
        ground.net.advance(seconds(2));
        assert!(ground.heard.has("lost") && ground.said.has("lost"), "{server} {client}");
    }
    // How many there may be.
    let ground = Ground::new(folder.path());
    ground.serve("tls:443:cert={}/site.pem:connections=1:deadline=5");
    let made = || ground.heard.lines().iter().filter(|line| line.starts_with("made")).count();
    ground.say(plain, b"");
    ground.say(plain, b"");
    ground.net.advance(seconds(4));
    assert_eq!(made(), 1);
    ground.net.advance(seconds(4));
    assert_eq!(made(), 2, "the other one has waited");
    // How fast.
    for (server, client) in [
        ("rate-in=10000", plain),
        ("rate-out=10000", plain),
        ("min=1.2", "tls:srv:443:ca={}/ca.pem:rate-in=10000"),
        ("min=1.2", "tls:srv:443:ca={}/ca.pem:rate-out=10000"),
    ] {
        let ground = Ground::new(folder.path());
        ground.serve(&format!("tls:443:cert={{}}/site.pem:{server}"));
        ground.say(client, &[7; 200_000]);
        ground.net.advance(seconds(10));
        assert!(!ground.said.has("lost"), "200 kB take some 20 s: {server} {client}");
        ground.net.advance(seconds(20));
        assert_eq!(ground.said.lines(), ["whole, lost: closed"], "{server} {client}");
    }
}

#[test]
fn who_does_not_shake_hands_has_so_much_time() {
    let folder = folder();
    for (option, time) in [("", 10), (":handshake=2", 2), (":handshake=20", 20)] {
        let ground = Ground::new(folder.path());
        ground.serve(&format!("tls:443:cert={{}}/site.pem{option}"));
        let silent = ground.net.host("cli").probe("tcp:srv:443");
        ground.net.advance(Duration::from_millis(time * 1000 - 500));
        assert!(!silent.lost() && !silent.eof(), "{option}");
        ground.net.advance(Duration::from_secs(1));
        assert!(silent.eof() || silent.lost(), "{option}");
        // The same for a server.
        let mute = ground.net.host("mute");
        let (peers, ip) = (mute.probe_listen("tcp:443"), mute.ips()[0]);
        ground.say(&format!("tls:{ip}:443:ca={{}}/ca.pem{option}"), b"hello");
        ground.net.advance(Duration::from_millis(time * 1000 - 500));
        assert!(peers.accept().is_some() && ground.said.lines().is_empty(), "{:?}", ground.said.lines());
        ground.net.advance(Duration::from_secs(1));
        assert!(ground.said.has("not connected"), "{option}");
    }
}

#[test]
fn a_thread_reads_the_files_of_clients_once() {
    let folder = folder();
    let ground = Ground::new(folder.path());
    ground.serve("tls:443:cert={}/site.pem");
    ground.net.job_time(Duration::from_secs(5));
    // No name has to be looked up, which would take a thread as well.
    let client = "tls:10.0.0.1:443:server-name=srv:ca={}/ca.pem";
    // The time of a connect holds for its files, too.
    ground.say(&format!("{client}:timeout=4"), b"hello");
    ground.net.advance(Duration::from_millis(4500));
    assert!(ground.said.has("not connected") && ground.said.has("within 4s"), "{:?}", ground.said.lines());
    // Two that come while they are being read.
    for _ in 0..2 {
        ground.say(client, b"hello");
    }
    ground.net.advance(Duration::from_secs(1));
    assert_eq!(ground.said.lines().len(), 1, "the files are not read yet");
    ground.net.run();
    assert_eq!(ground.said.lines()[1..], ["whole, lost: closed"; 2]);
    // From now on they are known, and so is the server.
    fs::remove_file(folder.path().join("ca.pem")).unwrap();
    ground.say(client, b"hello");
    ground.net.run();
    assert_eq!(ground.said.lines()[3..], ["resumed", "whole, lost: closed"]);
}

#[test]
fn files_of_clients_that_cannot_be_used_end_the_connect() {
    let folder = folder();
    for (options, part) in [
        ("ca={}/none.pem", "none.pem: No such file"),
        ("ca={}/key.pem", "key.pem cannot be used: there is no certificate in it"),
        ("ca={}/ca.pem:cert={}/chain.pem", "chain.pem cannot be used: there is no private key"),
        ("ca={}/ca.pem:cert={}/site.pem:key={}/locked.pem", "locked.pem cannot be used"),
    ] {
        for client in
            [format!("tls:srv:443:{options}"), format!("tls-over:{options}:server-name=srv:tcp:srv:443")]
        {
            let (heard, said) = talk(folder.path(), "tls:443:cert={}/site.pem", &client);
            assert!(said.has("not connected") && said.has(part), "{client}: {:?}", said.lines());
            assert!(heard.lines().is_empty(), "nobody was asked");
        }
    }
}

#[test]
fn clients_without_a_sensible_wish_are_told_so() {
    let net = Net::gentle(1);
    for (endpoint, part) in [
        ("tls-over:tcp:srv:443", "server-name=NAME"),
        ("tls:srv:443:pin=abc", "64 hexadecimal digits"),
        ("tls:srv:443:pin=abc:ca=x", "only one of"),
        ("tls:srv:443:key=x", "cert=FILE is missing"),
        ("tls:srv:443:ca=x:connections=5", "unknown option"),
        ("tls:srv:443:ca=x:timeout=y", "timeout= takes"),
        ("tls:srv:443:server-name=-", "neither a DNS name"),
    ] {
        let error = net.host("cli").run(|reactor| {
            trenza_tls::register(reactor);
            endpoint.into_endpoint().unwrap().connecting(reactor).unwrap_err()
        });
        assert!(error.to_string().contains(part), "{endpoint}: {error}");
    }
}

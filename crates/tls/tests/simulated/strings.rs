//! Endpoints as strings.

use crate::ground::{Authority, Echo, Log, Say};
use std::{fs, path::Path};
use trenza_core::{IntoEndpoint, Reactor, Result};
use trenza_sim::Net;
use trenza_tls::Identity;

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
    folder
}

/// How a talk between two endpoints went; `{}` in them stands for the folder.
pub(crate) fn talk(folder: &Path, server: &str, client: &str) -> (Log, Log) {
    let [server, client] = [server, client].map(|text| text.replace("{}", &folder.display().to_string()));
    let (net, heard, said) = (Net::gentle(1), Log::default(), Log::default());
    let log = heard.clone();
    net.host("srv").run(|reactor| listen(reactor, &server, log)).unwrap();
    let (say, told) = (Say::new("hello", &said), said.clone());
    net.host("cli").run(|reactor| {
        trenza_tls::register(reactor);
        reactor.connect(&client, move |_| say).then(move |made| {
            if let Err(error) = made {
                told.note(format!("not connected: {error}"));
            }
        });
    });
    net.advance(std::time::Duration::from_secs(20));
    (heard, said)
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

#[test]
fn what_cannot_be_says_why_and_where() {
    let folder = folder();
    let net = Net::gentle(1);
    for (endpoint, part) in [
        ("tls:443", "cert=FILE, or certs=DIR"),
        ("tls:443:cert={}/none.pem", "No such file"),
        ("tls:443:cert={}/ca.pem", "no private key"),
        ("tls:443:key={}/key.pem", "cert=FILE is missing"),
        ("tls:443:cert={}/site.pem:certs={}", "beside cert="),
        ("tls:443:cert={}/site.pem:min=1.1", "1.2 and 1.3 can"),
        ("tls:443:cert={}/site.pem:clients=optional", "without client-ca"),
        ("tls:443:cert={}/site.pem:client-ca={}/key.pem", "no certificate"),
        ("tls:443:certs={}/nowhere", "nowhere"),
        ("tls:443:sert=x", "did you mean cert?"),
    ] {
        let text = endpoint.replace("{}", &folder.path().display().to_string());
        let error = net.host("srv").run(|reactor| listen(reactor, &text, Log::default())).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(part), "{error}");
        assert!(error.matches("cannot be used").count() <= 1, "it says so once: {error}");
    }
}

#[test]
fn clients_without_a_sensible_wish_are_told_so() {
    let net = Net::gentle(1);
    for (endpoint, part) in [
        ("tls-over:tcp:srv:443", "server-name=NAME"),
        ("tls:srv:443:pin=abc", "64 hexadecimal digits"),
        ("tls:srv:443:pin=abc:ca=x", "only one of"),
        ("tls:srv:443:server-name=-", "neither a DNS name"),
    ] {
        let error = net.host("cli").run(|reactor| {
            trenza_tls::register(reactor);
            endpoint.into_endpoint().unwrap().connecting(reactor).unwrap_err()
        });
        assert!(error.to_string().contains(part), "{endpoint}: {error}");
    }
}

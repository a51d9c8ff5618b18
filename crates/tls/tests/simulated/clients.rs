//! Whom clients trust, and which clients servers want to know.

use crate::ground::{Authority, Log, say, serve};
use std::time::Duration;
use trenza_sim::{Net, for_seeds};
use trenza_tls::{ClientTls, ServerTls, Trust};

/// How a talk went: what the client has noted last, and what the server has noted.
fn talk(seed: u64, server: &ServerTls, client: &ClientTls, name: &str) -> (String, Log) {
    let (net, heard, said) = (Net::new(seed), Log::default(), Log::default());
    serve(&net.host("srv"), server, &heard);
    say(&net, client, name, b"hello", &said);
    net.advance(Duration::from_secs(60));
    (said.lines().last().cloned().unwrap_or_default(), heard)
}

#[test]
fn servers_that_nobody_trusts_are_refused_before_anything_is_said() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let server = ServerTls::new(other.sign("srv", &["srv"])).build().unwrap();
    let client = ca.client().build().unwrap();
    for_seeds(0..10, |seed| {
        let (said, heard) = talk(seed, &server, &client, "srv");
        assert!(said.contains("not connected") && said.contains("ca=FILE"), "{said}");
        assert_eq!(heard.lines(), [""; 0], "no protocol is built by a handshake that fails");
    });
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let (said, heard) = talk(1, &server, &ca.client().build().unwrap(), "example.org");
    assert!(said.contains("not connected") && said.contains("refused"), "{said}");
    assert_eq!(heard.lines(), [""; 0]);
}

#[test]
fn a_pinned_certificate_is_believed_and_no_other() {
    let ca = Authority::new("ca");
    let [one, other] = ["srv", "srv"].map(|name| ca.sign(name, &["anything"]));
    let client = ClientTls::new().trust(Trust::Pinned(one.fingerprint())).build().unwrap();
    let (said, _) = talk(1, &ServerTls::new(one).build().unwrap(), &client, "srv");
    assert_eq!(said, "whole, lost: closed");
    let (said, _) = talk(1, &ServerTls::new(other).build().unwrap(), &client, "srv");
    assert!(said.contains("not the pinned one"), "{said}");
}

#[test]
fn everybody_is_believed_only_when_that_is_asked_for() {
    let server = ServerTls::new(Authority::new("x").sign("srv", &["y"])).build().unwrap();
    let client = ClientTls::new().trust(Trust::DangerouslyAnybody).build().unwrap();
    assert_eq!(talk(1, &server, &client, "srv").0, "whole, lost: closed");
}

#[test]
fn required_clients_show_who_they_are() {
    let ca = Authority::new("ca");
    let people = Authority::new("people");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).require_clients_of(people.pem.clone());
    let server = server.build().unwrap();
    let ann = ca.client().identity(people.sign("Ann", &[])).build().unwrap();
    let nobody = ca.client().build().unwrap();
    let stranger = ca.client().identity(ca.sign("Stranger", &[])).build().unwrap();
    for_seeds(0..10, |seed| {
        let (said, heard) = talk(seed, &server, &ann, "srv");
        assert_eq!(said, "whole, lost: closed");
        assert!(heard.has("of ") && heard.has("CN=Ann"), "{:?}", heard.lines());
        for client in [&nobody, &stranger] {
            let (said, heard) = talk(seed, &server, client, "srv");
            // In TLS 1.3 the client is done before the server has looked, so it may learn of it afterwards.
            assert!(!said.contains("whole"), "{said}");
            assert_eq!(heard.lines(), [""; 0]);
        }
    });
}

#[test]
fn clients_that_are_only_asked_may_say_nothing() {
    let (ca, people) = (Authority::new("ca"), Authority::new("people"));
    let server = ServerTls::new(ca.sign("srv", &["srv"])).ask_clients_of(people.pem.clone()).build().unwrap();
    let (said, heard) = talk(1, &server, &ca.client().build().unwrap(), "srv");
    assert_eq!(said, "whole, lost: closed");
    assert!(!heard.has("of "), "{:?}", heard.lines());
    let ann = ca.client().identity(people.sign("Ann", &[])).build().unwrap();
    assert!(talk(1, &server, &ann, "srv").1.has("CN=Ann"));
}

#[test]
fn protocols_that_nobody_shares_end_the_handshake() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).alpn(["h2"]).build().unwrap();
    let client = ca.client().alpn(["smtp"]).build().unwrap();
    let (said, heard) = talk(1, &server, &client, "srv");
    assert!(said.contains("no_application_protocol"), "{said}");
    assert_eq!(heard.lines(), [""; 0]);
}

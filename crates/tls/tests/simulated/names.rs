//! Many certificates: which one a client is shown, and how they are replaced.

use crate::ground::{Authority, Log, say, serve};
use std::{fs, time::Duration};
use trenza_sim::Net;
use trenza_tls::{Certificates, ClientTls, Folder, ServerTls};

fn reaches(net: &Net, client: &ClientTls, name: &str) -> bool {
    let said = Log::default();
    say(net, client, name, b"hello", &said);
    net.run();
    said.lines() == ["whole, lost: closed"]
}

#[test]
fn each_name_has_its_certificate() {
    let ca = Authority::new("ca");
    let certificates = Certificates::many([
        ca.sign("first", &["first.example"]),
        ca.sign("wild", &["*.wild.example"]),
        ca.sign("exact", &["exact.wild.example"]),
    ]);
    assert_eq!(certificates.names(), ["*.wild.example", "exact.wild.example", "first.example"]);
    let server = ServerTls::with(certificates).build().unwrap();
    let client = ca.client().resumption(false).build().unwrap();
    let net = Net::gentle(1);
    serve(&net.host("srv"), &server, &Log::default());
    for name in ["first.example", "a.wild.example", "EXACT.wild.example", "exact.wild.example"] {
        assert!(reaches(&net, &client, name), "{name}");
    }
    // There is no certificate for these; they are shown the first one, which they refuse.
    for name in ["wild.example", "a.b.wild.example", "nobody.example"] {
        assert!(!reaches(&net, &client, name), "{name}");
    }
}

#[test]
fn certificates_are_replaced_while_connections_go_on() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("old", &["old.example"])).build().unwrap();
    let client = ca.client().resumption(false).build().unwrap();
    let (net, heard) = (Net::gentle(1), Log::default());
    serve(&net.host("srv"), &server, &heard);
    assert!(reaches(&net, &client, "old.example") && !reaches(&net, &client, "new.example"));
    server.certificates().replace([ca.sign("new", &["new.example"])]);
    assert!(reaches(&net, &client, "new.example") && !reaches(&net, &client, "old.example"));
}

#[test]
fn no_certificate_is_no_server() {
    let none = ServerTls::with(Certificates::many([])).build().unwrap_err();
    assert!(none.is_local() && none.to_string().contains("no certificate"), "{none}");
}

/// Splits a PEM text as certbot does.
fn certbot(folder: &std::path::Path, pem: &str) {
    let key = pem.find("-----BEGIN PRIVATE KEY").unwrap();
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("fullchain.pem"), &pem[..key]).unwrap();
    fs::write(folder.join("privkey.pem"), &pem[key..]).unwrap();
}

#[test]
fn a_folder_is_read_again_when_it_changes() {
    let (ca, place) = (Authority::new("ca"), tempfile::tempdir().unwrap());
    fs::write(place.path().join("a.pem"), ca.sign_pem("a", &["a.example"])).unwrap();
    fs::write(place.path().join("README"), "not a certificate").unwrap();
    fs::write(place.path().join("broken.pem"), "-----BEGIN NOTHING-----").unwrap();
    certbot(&place.path().join("b.example"), &ca.sign_pem("b", &["b.example"]));
    let folder = Folder::open(place.path()).unwrap();
    let server = ServerTls::of(folder).build().unwrap();
    assert_eq!(server.certificates().names(), ["a.example", "b.example"]);
    let client = ca.client().resumption(false).build().unwrap();
    let net = Net::gentle(1);
    serve(&net.host("srv"), &server, &Log::default());
    assert!(reaches(&net, &client, "a.example") && reaches(&net, &client, "b.example"));

    fs::remove_dir_all(place.path().join("b.example")).unwrap();
    fs::write(place.path().join("c.pem"), ca.sign_pem("c", &["c.example"])).unwrap();
    net.advance(Duration::from_secs(2));
    assert!(reaches(&net, &client, "a.example"), "whoever notices is not kept waiting");
    assert!(reaches(&net, &client, "c.example") && !reaches(&net, &client, "b.example"));

    // A folder that is broken now changes nothing.
    fs::remove_file(place.path().join("a.pem")).unwrap();
    fs::write(place.path().join("c.pem"), "broken").unwrap();
    net.advance(Duration::from_secs(2));
    assert!(reaches(&net, &client, "c.example"));
    assert!(reaches(&net, &client, "c.example") && reaches(&net, &client, "a.example"));
}

#[test]
fn a_folder_without_a_certificate_says_what_should_be_in_it() {
    let place = tempfile::tempdir().unwrap();
    let error = Folder::open(place.path()).unwrap_err();
    assert!(error.is_local() && error.to_string().contains("fullchain.pem"), "{error}");
    let missing = Folder::open(place.path().join("nowhere")).unwrap_err().to_string();
    assert!(missing.contains("nowhere") && missing.contains("No such file"), "{missing}");
}

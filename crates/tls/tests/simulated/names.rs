//! Many certificates: which one a client is shown, and how they are replaced.

use crate::ground::{Authority, Log, say, serve};
use trenza_sim::Net;
use trenza_tls::{Certificates, ClientTls, ServerTls};

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

//! Sessions that are continued.

use crate::ground::{Authority, Log, say, serve};
use trenza_sim::Net;
use trenza_tls::{ClientTls, MinVersion, ServerTls};

fn talks(server: &ServerTls, client: &ClientTls) -> (Log, Log) {
    let (net, heard, said) = (Net::gentle(1), Log::default(), Log::default());
    serve(&net.host("srv"), server, &heard);
    for _ in 0..2 {
        say(&net, client, "srv", b"hello", &said);
        net.run();
    }
    (heard, said)
}

#[test]
fn who_comes_again_continues() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let (heard, said) = talks(&server, &ca.client().build().unwrap());
    assert_eq!(said.lines(), ["whole, lost: closed", "resumed", "whole, lost: closed"]);
    assert!(heard.has("resumed"));
}

#[test]
fn nobody_continues_where_that_is_off() {
    let ca = Authority::new("ca");
    let identity = ca.sign("srv", &["srv"]);
    let on = ServerTls::new(identity.clone()).build().unwrap();
    let off = ServerTls::new(identity).resumption(false).min(MinVersion::Tls13).build().unwrap();
    let (willing, unwilling) = (ca.client().build().unwrap(), ca.client().resumption(false).build().unwrap());
    for (server, client) in [(&off, &willing), (&on, &unwilling)] {
        let (heard, said) = talks(server, client);
        assert_eq!(said.lines(), ["whole, lost: closed"; 2]);
        assert!(!heard.has("resumed"));
    }
}

#[test]
fn without_tickets_who_has_one_continues_and_nobody_gets_another() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).min(MinVersion::Tls13).build().unwrap();
    let (client, stranger) = (ca.client().build().unwrap(), ca.client().build().unwrap());
    assert!(talks(&server, &client).0.has("resumed"));
    assert!(talks(&server.without_tickets(), &client).0.has("resumed"));
    assert!(!talks(&server.without_tickets(), &stranger).0.has("resumed"));
}

#[test]
fn a_client_that_continues_is_still_known() {
    let (ca, people) = (Authority::new("ca"), Authority::new("people"));
    let server = ServerTls::new(ca.sign("srv", &["srv"])).require_clients_of(people.pem.clone()).build();
    let client = ca.client().identity(people.sign("Ann", &[])).build().unwrap();
    let (heard, _) = talks(&server.unwrap(), &client);
    assert!(heard.has("resumed"));
    let known = heard.lines().iter().filter(|line| line.contains("CN=Ann")).count();
    assert_eq!(known, 2, "{:?}", heard.lines());
}

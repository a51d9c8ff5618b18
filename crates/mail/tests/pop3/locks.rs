//! One session a mailbox.

use crate::{MESSAGES, deliver, left, serve, server};
use std::time::Duration;
use trenza_mail::pop3::Pop3Limits;
use trenza_sim::{Net, Probe};

const LOGIN: &str = "USER ann\r\nPASS secret\r\n";

fn said(net: &Net, client: &Probe, text: &str) -> String {
    client.take_received();
    client.send(text);
    net.advance(Duration::from_secs(5));
    String::from_utf8(client.take_received()).unwrap()
}

#[test]
fn a_mailbox_has_one_session() {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    deliver(&srv, "ann", &MESSAGES);
    serve(&srv, &server());
    let [one, other, third] = [(); 3].map(|()| cli.probe("tcp:srv:110"));
    assert!(said(&net, &one, LOGIN).contains("+OK 3 messages"));
    assert!(said(&net, &other, LOGIN).ends_with("-ERR [IN-USE] The mailbox is in use\r\n"));
    // The other one may try again, and other mailboxes are free.
    assert!(said(&net, &third, "USER bob\r\nPASS b b\r\n").contains("+OK 0 messages"));
    assert!(said(&net, &one, "DELE 1\r\nQUIT\r\n").ends_with("+OK Goodbye\r\n"));
    assert!(said(&net, &other, LOGIN).contains("+OK 2 messages"));
    // Who is gone lets go of it.
    other.reset();
    let again = cli.probe("tcp:srv:110");
    assert!(said(&net, &again, LOGIN).contains("+OK 2 messages"));
}

#[test]
fn all_ports_and_clones_of_a_server_know() {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    deliver(&srv, "ann", &MESSAGES);
    let (server, disk) = (server(), srv.disk());
    serve(&srv, &server);
    srv.run(|reactor| {
        let storage = trenza_storage::Storage::new(reactor, disk);
        let clone = server.clone().allow_plain_auth(true);
        reactor.listen_with("tcp:111", clone.on(crate::find(&storage))).map(drop)
    })
    .unwrap();
    let [one, other] = ["tcp:srv:110", "tcp:srv:111"].map(|to| cli.probe(to));
    assert!(said(&net, &one, LOGIN).contains("+OK 3 messages"));
    assert!(said(&net, &other, LOGIN).contains("-ERR [IN-USE] "));
}

#[test]
fn a_login_after_a_delay() {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    deliver(&srv, "ann", &MESSAGES);
    let limits = Pop3Limits { login_delay: Duration::from_secs(60), ..Pop3Limits::default() };
    serve(&srv, &server().limits(limits));
    assert!(said(&net, &cli.probe("tcp:srv:110"), &format!("{LOGIN}QUIT\r\n")).contains("+OK 3 messages"));
    let client = cli.probe("tcp:srv:110");
    assert!(said(&net, &client, LOGIN).contains("-ERR [LOGIN-DELAY] "));
    net.advance(Duration::from_secs(60));
    assert!(said(&net, &client, LOGIN).contains("+OK 3 messages"));
}

#[test]
fn what_others_change_is_no_other_message() {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    deliver(&srv, "ann", &MESSAGES);
    serve(&srv, &server());
    let client = cli.probe("tcp:srv:110");
    said(&net, &client, LOGIN);
    let disk = srv.disk();
    let (new, cur) = (disk.folder("mail/ann/new").unwrap(), disk.folder("mail/ann/cur").unwrap());
    // One is read elsewhere, one is gone, and one has come.
    new.rename("1.a.srv", &cur, "1.a.srv:2,S").unwrap();
    new.unlink("2.a.srv").unwrap();
    deliver(&srv, "bob", &[]);
    disk.folder("mail/ann/new").unwrap().open("0.a.srv", trenza_sim::DiskOpen::Create).unwrap();
    assert!(said(&net, &client, "RETR 1\r\n").ends_with("..one\r\n...two\r\n.\r\n"));
    assert_eq!(said(&net, &client, "RETR 2\r\n"), "-ERR No such message\r\n");
    let deleted = said(&net, &client, "DELE 1\r\nDELE 2\r\nQUIT\r\n");
    assert!(deleted.ends_with("+OK Goodbye\r\n"), "{deleted}");
    assert_eq!(left(&disk, "ann"), ["0.a.srv", "3.a.srv"]);
}

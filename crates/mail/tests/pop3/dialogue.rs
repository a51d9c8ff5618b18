//! Commands in all orders, at any split.

use crate::{MESSAGES, Site, server};
use std::time::Duration;
use trenza_mail::pop3::Pop3Limits;
use trenza_sim::Net;

#[test]
fn a_whole_session() {
    let site = Site::open(&server());
    assert_eq!(site.ask("STAT", "+OK"), "+OK 3 64\r\n");
    assert_eq!(site.lines("LIST"), "1 27\r\n2 18\r\n3 19\r\n");
    assert_eq!(site.ask("LIST 2", "+OK"), "+OK 2 18\r\n");
    assert_eq!(site.lines("UIDL"), "1 1.a.srv\r\n2 2.a.srv\r\n3 3.a.srv\r\n");
    assert_eq!(site.ask("UIDL 3", "+OK"), "+OK 3 3.a.srv\r\n");
    assert_eq!(site.lines("RETR 1"), "Subject: a\r\n\r\n..one\r\n...two\r\n");
    assert_eq!(site.lines("RETR 2"), "Subject: b\r\n\r\nlast\r\n");
    assert_eq!(site.lines("RETR 3"), "Subject: c\r\n\r\n\r\n..\r\n");
    assert_eq!(site.lines("TOP 1 0"), "Subject: a\r\n\r\n");
    assert_eq!(site.lines("TOP 1 1"), "Subject: a\r\n\r\n..one\r\n");
    assert_eq!(site.lines("TOP 3 99"), "Subject: c\r\n\r\n\r\n..\r\n");
    site.ask("NOOP", "+OK");
    site.ask("DELE 2", "+OK");
    for gone in ["DELE 2", "RETR 2", "TOP 2 0", "LIST 2", "UIDL 2", "RETR 0", "RETR 4", "DELE 4294967296"] {
        site.ask(gone, "-ERR No such message");
    }
    assert_eq!(site.ask("STAT", "+OK"), "+OK 2 46\r\n");
    assert_eq!(site.lines("UIDL"), "1 1.a.srv\r\n3 3.a.srv\r\n");
    site.ask("RSET", "+OK");
    assert_eq!(site.ask("STAT", "+OK"), "+OK 3 64\r\n");
    site.ask("DELE 1", "+OK");
    assert_eq!(site.left().len(), 3);
    site.ask("QUIT", "+OK");
    site.net.advance(Duration::from_secs(10));
    assert!(site.client.eof() && site.srv.left().connections == 0);
    assert_eq!(site.left(), ["2.a.srv", "3.a.srv"]);
}

#[test]
fn sizes_are_those_of_the_messages() {
    let sizes: Vec<usize> = MESSAGES.iter().map(|message| message.len()).collect();
    let site = Site::open(&server());
    let list: String = sizes.iter().zip(1..).map(|(size, number)| format!("{number} {size}\r\n")).collect();
    assert_eq!(site.lines("LIST"), list);
    assert_eq!(site.ask("STAT", "+OK"), format!("+OK 3 {}\r\n", sizes.iter().sum::<usize>()));
}

#[test]
fn what_capa_offers() {
    let site = Site::new(Net::gentle(1), &server());
    site.expect("+OK");
    let offered = "TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\nUSER\r\n\
        SASL SCRAM-SHA-256 PLAIN LOGIN\r\nIMPLEMENTATION Trenza\r\n";
    assert_eq!(site.lines("CAPA"), offered);
    let limits = Pop3Limits { login_delay: Duration::from_secs(60), ..Pop3Limits::default() };
    let site = Site::open(&server().limits(limits));
    assert!(site.lines("CAPA").contains("\r\nLOGIN-DELAY 60\r\n"));
}

#[test]
fn commands_in_wrong_places() {
    let site = Site::new(Net::gentle(1), &server());
    site.expect("+OK");
    for command in ["STAT", "LIST", "LIST 1", "UIDL", "RETR 1", "TOP 1 1", "DELE 1", "RSET", "NOOP"] {
        site.ask(command, "-ERR Log in first");
    }
    site.ask("PASS secret", "-ERR Say USER first");
    site.ask("STLS", "-ERR TLS is not offered");
    site.ask("APOP ann x", "-ERR No such command");
    site.ask("USER ann", "+OK");
    site.ask("PASS secret", "+OK");
    for command in ["USER ann", "PASS secret", "AUTH PLAIN"] {
        site.ask(command, "-ERR You have logged in already");
    }
    site.ask("LIST x", "-ERR The arguments are wrong");
    site.ask("STLS", "-ERR It is too late for TLS");
    let site = Site::new(Net::gentle(1), &server());
    site.expect("+OK");
    site.ask("QUIT", "+OK Goodbye");
}

const SCRIPT: &str = "CAPA\r\nUSER ann\r\nPASS secret\r\nSTAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nTOP 3 1\r\nRETR 3\r\nDELE 2\r\nDELE 9\r\n\
    RETR 2\r\nQUIT\r\n";

/// All that is said to the script, whatever came in one piece.
fn said(net: Net, send: impl FnOnce(&Site)) -> (String, Vec<String>) {
    let site = Site::new(net, &server());
    send(&site);
    site.net.advance(Duration::from_secs(30));
    assert!(site.client.eof());
    assert_eq!(site.srv.left().connections, 0, "{:?}", site.srv.leftovers());
    (String::from_utf8(site.client.received()).unwrap(), site.left())
}

#[test]
fn pipelined_and_cut_anywhere() {
    let (whole, left) = said(Net::gentle(0), |site| site.client.send(SCRIPT));
    assert!(whole.ends_with("-ERR No such message\r\n-ERR No such message\r\n+OK Goodbye\r\n"), "{whole}");
    assert!(whole.contains("\r\n..one\r\n...two\r\n.\r\n+OK Top follows\r\n"), "{whole}");
    assert_eq!(left, ["1.a.srv", "3.a.srv"]);
    for cut in 0..SCRIPT.len() {
        let (cut_so, left) = said(Net::gentle(cut as u64), |site| site.client.send_split(SCRIPT, &[cut]));
        assert_eq!((cut_so, left.len()), (whole.clone(), 2), "cut at {cut}");
    }
    for seed in 0..20 {
        let (bytewise, _) =
            said(Net::new(seed), |site| site.client.send_bytewise(SCRIPT, Duration::from_millis(1)));
        assert_eq!(bytewise, whole, "seed {seed}");
    }
}

#[test]
fn who_sends_no_more_gets_all_answers() {
    for seed in 0..20 {
        let site = Site::new(Net::new(seed), &server());
        site.client.send("USER ann\r\nPASS secret\r\nRETR 1\r\nDELE 1\r\nNO");
        site.client.close_write();
        site.net.advance(Duration::from_secs(10));
        let said = String::from_utf8(site.client.received()).unwrap();
        assert!(said.ends_with(".\r\n+OK Deleted at the end\r\n"), "{said}");
        assert!(site.client.eof() && site.left().len() == 3 && site.srv.left().connections == 0);
    }
}

#[test]
fn a_stop_ends_idle_sessions_and_deletes_nothing() {
    let site = Site::open(&server());
    site.ask("DELE 1", "+OK");
    site.srv.run(|reactor| reactor.stop());
    site.net.advance(Duration::from_secs(10));
    assert!(site.client.eof() && site.left().len() == 3);
}

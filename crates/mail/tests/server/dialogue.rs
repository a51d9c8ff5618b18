//! Commands in all orders, at any split.

use crate::{Site, reception, serve, submission};
use std::time::Duration;
use trenza_mail::smtp::{SmtpLimits, SmtpServer};
use trenza_sim::Net;

const MESSAGE: &str = "EHLO cli\r\nMAIL FROM:<x@y.z> SIZE=20 BODY=8BITMIME\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n\
    Subject: a\r\n\r\n..b\r\n.\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\nRCPT TO:<\"ann\"@EXAMPLE.org> NOTIFY=NEVER\r\n\
    BDAT 3\r\na\r\nBDAT 4 LAST\r\n.\r\n\nQUIT\r\n";

#[test]
fn what_ehlo_offers() {
    let site =
        Site::new(Net::gentle(1), &reception().limits(SmtpLimits { size: 99, ..SmtpLimits::default() }));
    assert_eq!(site.reply(), "220 srv.example.org ESMTP\r\n");
    let offered = "250-srv.example.org\r\n250-PIPELINING\r\n250-SIZE 99\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
        250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 HELP\r\n";
    assert_eq!(site.ask("EHLO [127.0.0.1]", "250"), offered);
    assert_eq!(site.ask("HELO x", "250"), "250 srv.example.org\r\n");
    assert!(site.ask("LHLO x", "500 5.5.1 ").contains("EHLO"));
    assert!(!Site::greeted(&reception().notifies(false)).ask("EHLO x", "250").contains("DSN"));
}

#[test]
fn a_message_is_stored_as_it_came() {
    let site = Site::greeted(&reception());
    site.ask("MAIL FROM:<x@y.z>", "250 2.1.0 ");
    site.ask("RCPT TO:<ann@example.org>", "250 2.1.5 ");
    site.ask("DATA", "354 ");
    let told = site.ask("Subject: a\r\n\r\n..b\r\n\u{e4}\0\r\n.", "250 2.0.0 Taken as ");
    let id = told.trim().rsplit(' ').next().unwrap();
    let message = &site.messages("ann")[0];
    let start = format!(
        "Return-Path: <x@y.z>\r\nReceived: from cli.example.com ([10.0.0.2])\r\n\tby srv.example.org with ESMTP id {id}\r\n\t\
         for <ann@example.org>;\r\n\t"
    );
    assert!(message.starts_with(&start), "{message}");
    assert!(message.ends_with(" +0000\r\nSubject: a\r\n\r\n.b\r\n\u{e4}\0\r\n"), "{message}");
    site.ask("QUIT", "221 2.0.0 ");
    site.net.advance(Duration::from_secs(10));
    assert!(site.client.eof() && site.srv.left().connections == 0);
}

#[test]
fn pipelined_and_cut_anywhere() {
    let codes = [220, 250, 250, 250, 354, 250, 250, 250, 250, 250, 250, 250, 221];
    // `a` and CRLF, a dot and CRLF: a chunk of three, one of four, whose last byte is a bare LF.
    let codes_bare = [220, 250, 250, 250, 354, 250, 250, 250, 250, 250, 250, 550, 221];
    for cut in 0..MESSAGE.len() {
        let site = Site::new(Net::gentle(cut as u64), &reception());
        site.client.send_split(MESSAGE, &[cut]);
        site.all("", &codes_bare);
        assert_eq!(site.messages("ann").len(), 1, "cut at {cut}");
    }
    let right = MESSAGE.replace("BDAT 4 LAST\r\n.\r\n\n", "BDAT 3 LAST\r\n.\r\n");
    for seed in 0..20 {
        let site = Site::new(Net::new(seed), &reception());
        site.client.send_bytewise(&right, Duration::from_millis(1));
        site.all("", &codes);
        let messages = site.messages("ann");
        assert!(
            messages.len() == 2
                && messages.iter().all(|one| one.ends_with("\r\n.b\r\n") || one.ends_with("\r\na\r\n.\r\n"))
        );
        assert!(site.messages("postmaster")[0].starts_with("Return-Path: <>\r\n"));
    }
}

#[test]
fn commands_in_wrong_places() {
    let site = Site::new(Net::gentle(1), &reception());
    site.expect("220");
    site.ask("MAIL FROM:<>", "503 5.5.1 ");
    site.ask("EHLO x", "250");
    for command in ["RCPT TO:<ann@example.org>", "DATA"] {
        site.ask(command, "503 5.5.1 ");
    }
    site.ask("MAIL FROM:<>", "250");
    site.ask("MAIL FROM:<>", "503 5.5.1 ");
    site.ask("DATA", "554 5.5.1 ");
    site.ask("RCPT TO:<\u{e4}@example.org>", "553 5.6.7 ");
    site.ask("RCPT TO:<ann@example.org>", "250");
    site.ask("RSET", "250");
    site.ask("DATA", "503");
    site.ask("BDAT 5\r\nabc", "503 5.5.1 ");
    site.ask("BDAT 0 LAST", "503 5.5.1 ");
    site.ask("MAIL FROM:<>", "250");
    site.ask("RCPT TO:<ann@example.org>", "250");
    site.ask("BDAT 3\r\na", "250");
    site.ask("NOOP", "250");
    site.ask("DATA", "503");
    site.ask("RCPT TO:<bob@example.org>", "503");
    // EHLO is a reset (RFC 5321 section 4.1.4).
    site.ask("EHLO x", "250");
    site.ask("BDAT 0 LAST", "503");
    assert!(site.messages("ann").is_empty());
}

#[test]
fn what_says_little() {
    let site = Site::greeted(&reception());
    assert_eq!(site.ask("VRFY ann", "252 "), site.ask("VRFY nobody", "252 "));
    site.ask("EXPN all", "502 5.5.1 ");
    site.ask("HELP", "214");
    site.ask("AUTH PLAIN", "502");
    site.ask("STARTTLS", "502");
    site.ask("FOO", "500 5.5.1 ");
    site.ask("MAIL FROM:<x@y> BODY=BINARYMIME", "501 5.5.4 ");
    site.ask("MAIL FROM:<x@y> FOO=1", "555 5.5.4 ");
}

#[test]
fn nobody_can_relay() {
    let site = Site::greeted(&reception());
    site.ask("MAIL FROM:<x@y>", "250");
    for to in [
        "a@example.com",
        "ann@sub.example.org",
        "ann@[10.0.0.9]",
        "@example.org:a@example.com",
        "\"a@b\"@example.com",
    ] {
        site.ask(format!("RCPT TO:<{to}>"), "550 5.7.1 ");
    }
    // By this address the client has come.
    site.ask("RCPT TO:<ann@[10.0.0.1]>", "250 ");
    site.ask("RCPT TO:<nobody@example.org>", "550 5.1.1 ");
    site.ask("RCPT TO:<a%example.com@example.org>", "550 5.1.1 ");
    let site = Site::greeted(&submission());
    site.ask("MAIL FROM:<ann@example.org>", "530 5.7.0 ");
}

#[test]
fn nothing_is_smuggled() {
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r"] {
        let site = Site::new(Net::gentle(1), &reception());
        let text = format!(
            "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\na{end}MAIL FROM:<evil@y>\r\nRCPT TO:<bob@example.org>\r\n\
             DATA\r\nb\r\n.\r\nQUIT\r\n"
        );
        site.all(text, &[220, 250, 250, 250, 354, 550, 221]);
        assert!(site.messages("ann").is_empty() && site.messages("bob").is_empty());
        assert!(crate::left_over(&site.srv.disk(), "ann").is_empty());
    }
    let site = Site::new(Net::gentle(1), &reception());
    site.all("EHLO x\r\nNOOP\nMAIL FROM:<>\r\n", &[220, 250, 500]);
    assert!(site.client.eof());
}

#[test]
fn helo_utf8_and_names_in_received() {
    let site = Site::new(Net::gentle(1), &reception());
    site.expect("220");
    site.ask("HELO x", "250");
    site.all(
        "MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n.\r\n",
        &[250, 250, 250, 354, 250],
    );
    let message = &site.messages("ann")[0];
    assert!(message.contains("with SMTP id ") && !message.contains("for <"), "{message}");
    assert_eq!(site.messages("bob")[0], *message);
    site.ask("EHLO \u{e4}", "250");
    site.all(
        "MAIL FROM:<\u{e4}@y> SMTPUTF8\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n.\r\n",
        &[250, 250, 354, 250],
    );
    assert!(
        site.messages("bob")
            .iter()
            .any(|one| one.contains("from \u{e4} (") && one.contains("with UTF8SMTP id "))
    );
}

#[test]
fn lmtp_answers_for_each() {
    let site = Site::new(Net::gentle(1), &SmtpServer::lmtp("srv"));
    site.expect("220 srv LMTP");
    site.ask("EHLO x", "500");
    site.ask("LHLO x", "250");
    let to = "RCPT TO:<ann@anywhere>\r\nRCPT TO:<nobody@x>\r\nRCPT TO:<bob@x>\r\nRCPT TO:<ann@x>\r\n";
    site.all(
        format!("MAIL FROM:<>\r\n{to}DATA\r\na\r\n.\r\n"),
        &[250, 250, 550, 250, 250, 354, 250, 250, 250],
    );
    assert_eq!((site.messages("ann").len(), site.messages("bob").len()), (1, 1));
    assert!(site.messages("ann")[0].contains("with LMTP id "));
    site.all(
        format!("MAIL FROM:<>\r\n{to}BDAT 1\r\naBDAT 1 LAST\r\nb"),
        &[250, 250, 550, 250, 250, 250, 250, 250, 250],
    );
    site.all(
        "MAIL FROM:<>\r\nRCPT TO:<bob@x>\r\nRCPT TO:<ann@x>\r\nDATA\r\n\n\r\n.\r\n",
        &[250, 250, 250, 354, 550, 550],
    );
}

#[test]
fn lmtp_answers_for_each_of_a_chunk_that_is_not_taken() {
    let limits = SmtpLimits { size: 5, ..SmtpLimits::default() };
    let site = Site::new(Net::gentle(1), &SmtpServer::lmtp("srv").limits(limits));
    site.all("LHLO x\r\n", &[220, 250]);
    let to = "MAIL FROM:<>\r\nRCPT TO:<bob@x>\r\nRCPT TO:<ann@x>\r\n";
    site.all(format!("{to}BDAT 6 LAST\r\nabcdefNOOP\r\n"), &[250, 250, 250, 552, 552, 250]);
    site.all(format!("{to}BDAT 6\r\nabcdefBDAT 1 LAST\r\nxNOOP\r\n"), &[250, 250, 250, 552, 552, 552, 250]);
    // There is no room for it when it begins.
    site.srv.disk().set_capacity(site.srv.disk().used());
    site.all(format!("{to}BDAT 5 LAST\r\nabc\r\nNOOP\r\n"), &[250, 250, 250, 452, 452, 250]);
    // Of nobody there is one answer (RFC 2033 section 4.2).
    site.all("MAIL FROM:<>\r\nDATA\r\nBDAT 1 LAST\r\nxNOOP\r\n", &[250, 503, 503, 250]);
}

#[test]
fn a_stop_lets_a_message_end() {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    serve(&srv, &reception());
    let (busy, idle) = (cli.probe("tcp:srv:25"), cli.probe("tcp:srv:25"));
    busy.send("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\na\r\n");
    idle.send("EHLO x\r\n");
    net.advance(Duration::from_secs(1));
    srv.run(|reactor| reactor.stop());
    net.advance(Duration::from_secs(1));
    assert!(String::from_utf8(idle.received()).unwrap().contains("\n421 4.3.2 "));
    busy.send(".\r\n");
    net.advance(Duration::from_secs(1));
    let replies = String::from_utf8(busy.received()).unwrap();
    assert!(replies.contains("\n250 2.0.0 Taken") && replies.contains("\n421 4.3.2 "), "{replies}");
    assert_eq!(crate::messages(&srv.disk(), "ann").len(), 1);
}

#[test]
fn a_stop_does_not_wait_for_who_was_refused() {
    let site = Site::greeted(&reception());
    site.all("MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\na\n", &[250, 250, 354]);
    site.srv.run(|reactor| reactor.stop());
    site.all("b\r\n.\r\n", &[550, 421]);
    assert!(site.client.eof());
}

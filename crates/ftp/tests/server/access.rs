//! Logins, limits, order of commands.

use crate::{Site, server};
use std::time::Duration;
use trenza_ftp::{FtpLimits, FtpServer, address};
use trenza_sim::Net;

#[test]
fn a_dialogue() {
    let site = Site::gentle();
    site.expect("220");
    for (command, code) in [
        ("PWD", "530"),
        ("PASS secret", "503"),
        ("SYST", "215"),
        ("FEAT", "211"),
        ("HELP", "214"),
        ("HELP stor", "214"),
        ("HELP what", "502"),
        ("STAT", "211"),
        ("NOOP", "200"),
        ("HOST ftp.example.org", "220"),
        ("LANG en-GB", "200"),
        ("LANG de", "504"),
        ("USER ann", "331"),
        ("HOST ftp.example.org", "503"),
        ("PASS secret", "230"),
        ("PWD", "257 \"/\""),
        ("ACCT x", "202"),
        ("AUTH TLS", "502"),
        ("PBSZ 0", "503"),
        ("PROT P", "503"),
        ("CCC", "503"),
        ("TYPE A", "200"),
        ("TYPE L 8", "200"),
        ("TYPE E", "504"),
        ("MODE S", "200"),
        ("MODE B", "504"),
        ("STRU F", "200"),
        ("STRU R", "504"),
        ("ALLO 100", "202"),
        ("OPTS UTF8 ON", "200"),
        ("OPTS MLST type;size;", "200 MLST OPTS type;size;"),
        ("OPTS HASH", "200 SHA-256"),
        ("SITE HELP", "214"),
        ("SITE WHAT", "500"),
        ("FOO", "500"),
        ("SMNT x", "502"),
        ("RETR", "501"),
        ("RNTO x", "503"),
        ("REIN", "220"),
        ("PWD", "530"),
        ("QUIT", "221"),
    ] {
        site.ask(command, code);
    }
    site.net.run();
    assert!(site.control.eof());
    site.leaves_nothing();
}

#[test]
fn what_feat_names_is_there() {
    let site = Site::ann();
    let features = site.ask("FEAT", "211-Features:");
    for feature in ["MLST type*;size*;", "REST STREAM", "UTF8", "TVFS", "SIZE", "MDTM", "EPSV", "EPRT"] {
        assert!(features.contains(&format!("\r\n {feature}")), "{feature}: {features}");
    }
    assert!(!features.contains("TLS"));
    site.ask("OPTS MLST size;", "200");
    assert!(site.ask("FEAT", "211").contains("MLST type;size*;"));
}

#[test]
fn names_of_accounts_are_not_told() {
    let site = Site::gentle();
    site.expect("220");
    let known = site.ask("USER ann", "331");
    assert_eq!(site.ask("USER nobody", "331"), known);
    let wrong = site.ask("PASS x", "530");
    site.ask("USER ann", "331");
    assert_eq!(site.ask("PASS x", "530"), wrong);
    // A password belongs to one USER.
    site.ask("PASS secret", "503");
    site.ask("USER ann", "331");
    site.ask("PASS x", "421");
    site.net.run();
    assert!(site.control.eof());
    site.leaves_nothing();
}

#[test]
fn nobody_in_particular_comes_in() {
    for name in ["anonymous", "FTP"] {
        let site = Site::gentle();
        site.expect("220");
        site.ask(format!("USER {name}"), "331");
        site.ask("PASS me@example.org", "230");
        site.ask("PWD", "257");
    }
}

#[test]
fn a_password_may_be_any_bytes() {
    let site = Site::gentle();
    site.expect("220");
    site.ask(b"USER \xff\xff\xfe", "331");
    site.ask(b"PASS \xff\xff\x01 ", "530");
    site.ask("USER ann", "331");
    site.ask("PASS secret", "230");
}

fn limited(limits: FtpLimits) -> impl FnOnce(FtpServer) -> FtpServer {
    move |server| server.limits(limits)
}

#[test]
fn sessions_are_limited() {
    for limits in [
        FtpLimits { sessions: 2, ..FtpLimits::default() },
        FtpLimits { per_address: 2, ..FtpLimits::default() },
    ] {
        let site = Site::new(Net::gentle(1), limited(limits));
        site.expect("220");
        let second = site.cli.probe("tcp:srv:21");
        site.net.run();
        assert!(second.received().starts_with(b"220"));
        let third = site.cli.probe("tcp:srv:21");
        site.net.run();
        assert!(third.received().starts_with(b"421") && third.eof());
        third.close();
        second.close();
        site.net.run();
        let fourth = site.cli.probe("tcp:srv:21");
        site.net.run();
        assert!(fourth.received().starts_with(b"220"));
    }
}

#[test]
fn sessions_of_an_account_are_limited() {
    let limits = FtpLimits { per_account: 1, ..FtpLimits::default() };
    let site = Site::logged_in(Net::gentle(1), limited(limits));
    for (name, password, reply) in [("ann", "secret", "421"), ("bob", "b", "230")] {
        let other = site.cli.probe("tcp:srv:21");
        other.send(format!("USER {name}\r\nPASS {password}\r\n"));
        site.net.advance(Duration::from_secs(1));
        let replies = String::from_utf8(other.received()).unwrap();
        assert!(replies.lines().last().unwrap().starts_with(reply), "{replies}");
    }
}

#[test]
fn who_is_silent_or_never_logs_in_is_told_so() {
    let site = Site::gentle();
    site.expect("220");
    for _ in 0..3 {
        site.net.advance(Duration::from_secs(18));
        site.ask("NOOP", "200");
    }
    site.net.advance(Duration::from_secs(10));
    site.expect("421");
    let site = Site::ann();
    site.net.advance(Duration::from_secs(250));
    site.ask("NOOP", "200");
    site.net.advance(Duration::from_secs(301));
    site.expect("421");
    site.leaves_nothing();
}

#[test]
fn errors_and_commands_before_the_login_are_limited() {
    let site = Site::ann();
    for _ in 0..24 {
        site.ask("FOO", "500");
    }
    site.ask("NOOP", "200");
    for _ in 0..24 {
        site.ask("FOO", "500");
    }
    site.ask("FOO", "500");
    site.expect("421");

    let site = Site::gentle();
    site.expect("220");
    for _ in 0..40 {
        site.ask("NOOP", "200");
    }
    site.ask("NOOP", "421");
    site.leaves_nothing();
}

#[test]
fn a_thousand_logins_a_second_hold_up_nobody() {
    let site = Site::new(Net::gentle(1), limited(FtpLimits { per_address: 2000, ..FtpLimits::default() }));
    let guesses: Vec<_> = (0..900)
        .map(|n| {
            let guess = site.cli.probe("tcp:srv:21");
            guess.send(format!("USER ann\r\nPASS guess{n}\r\n"));
            guess
        })
        .collect();
    let other = site.net.host("elsewhere").probe("tcp:srv:21");
    other.send("USER bob\r\nPASS b\r\nPWD\r\n");
    site.net.advance(Duration::from_secs(2));
    assert!(String::from_utf8(other.received()).unwrap().contains("257"));
    drop(guesses);
    other.close();
    site.leaves_nothing();
}

#[test]
fn a_thousand_sessions_at_once() {
    let limits = FtpLimits { per_account: 2000, ..FtpLimits::default() };
    let site = Site::logged_in(Net::gentle(1), limited(limits));
    site.write("a", "hello");
    let mut sessions = Vec::new();
    for n in 0..20 {
        let host = site.net.host(&format!("cli{n}"));
        for _ in 0..if n == 0 { 49 } else { 50 } {
            let control = host.probe("tcp:srv:21");
            control.send("USER ann\r\nPASS secret\r\nTYPE I\r\nPASV\r\n");
            sessions.push((host.clone(), control));
        }
        site.net.advance(Duration::from_secs(1));
    }
    let more = site.cli.probe("tcp:srv:21");
    site.net.run();
    assert!(more.received().starts_with(b"421"));
    let transfers: Vec<_> = sessions
        .iter()
        .map(|(host, control)| {
            let replies = String::from_utf8(control.take_received()).unwrap();
            let to = address::parse_227(replies.lines().last().unwrap().as_bytes()).unwrap();
            control.send("RETR a\r\n");
            host.probe_to(std::net::SocketAddr::from(to))
        })
        .collect();
    site.net.run();
    for (data, (_, control)) in transfers.iter().zip(&sessions) {
        assert!(data.received() == b"hello" && data.eof());
        assert!(String::from_utf8(control.take_received()).unwrap().contains("\r\n226 "));
        control.close();
    }
    site.ask("PWD", "257");
    site.leaves_nothing();
}

#[test]
fn commands_are_understood_cut_at_any_byte() {
    let script = b"USER ann\r\nPASS secret\r\nPWD\nTYPE I\r\n\xff\xf4\xff\xf2ABOR\r\nMKD a b\r\nCWD a b\r\nPWD\r\nQUIT\r\n";
    let codes = |cut: usize| {
        let net = Net::gentle(1);
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        let server = server(srv.disk());
        srv.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop)).unwrap();
        let control = cli.probe("tcp:srv:21");
        control.send_split(script, &[cut]);
        net.run();
        let replies = String::from_utf8(control.received()).unwrap();
        replies.lines().map(|line| line[..3].to_owned()).collect::<Vec<_>>()
    };
    let expected = ["220", "331", "230", "257", "200", "225", "257", "250", "257", "221"];
    for cut in 0..=script.len() {
        assert_eq!(codes(cut), expected, "cut at {cut}");
    }
}

#[test]
fn a_client_that_does_not_read_replies_is_not_read() {
    let site = Site::ann();
    site.control.window(100);
    site.control.read(false);
    site.control.send("HELP\r\n".repeat(100_000));
    site.net.advance(Duration::from_secs(5));
    let held =
        site.srv.run(|reactor| reactor.connections()).iter().map(|one| one.counts().unsent).sum::<usize>();
    assert!(held < 200_000, "{held}");
    let other = site.cli.probe("tcp:srv:21");
    site.net.run();
    assert!(other.received().starts_with(b"220"));
}

/// As `nc` does it with a file of commands.
#[test]
fn a_client_that_has_said_all_is_answered() {
    for seed in 0..20 {
        let net = Net::new(seed);
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        let server = server(srv.disk());
        srv.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop)).unwrap();
        let control = cli.probe("tcp:srv:21");
        control.send("USER ann\r\nPASS secret\r\nMKD a\r\nCWD a\r\nPWD\r\nMLST\r\nNOO");
        control.close_write();
        net.advance(Duration::from_secs(20));
        let replies = String::from_utf8(control.received()).unwrap();
        let codes: Vec<&str> = replies.lines().map(|line| &line[..3]).collect();
        assert_eq!(codes, ["220", "331", "230", "257", "250", "257", "250", " ty", "250"], "{replies}");
        assert!(control.eof());
        assert_eq!(srv.left().connections, 0);
    }
}

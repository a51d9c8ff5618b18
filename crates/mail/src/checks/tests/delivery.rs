//! What a server with checks stores and refuses.

use super::{Table, at_once, together::PEM};
use crate::{
    checks::{Checked, Checks, DkimResult, DkimSigner, Signed, SigningKey, Spool, dkim::Verifier},
    maildir::Maildirs,
    smtp::{Code, Reply, SmtpServer, Status},
};
use trenza_auth::{Account, Memory, Portal};
use trenza_sim::{DiskFate, DiskVerb, HostHandle, Net, for_seeds};
use trenza_storage::{Path, Storage, Tree};

/// A server for ann@example.com, and DNS in which example.org sends from nowhere and signs.
fn server(net: &Net, told: bool) -> HostHandle {
    let record = SigningKey::from_pem(PEM).unwrap().record();
    let records = "example.org TXT v=spf1 -all\n_dmarc.example.org TXT v=DMARC1; p=reject";
    server_with(net, told, &format!("{records}\nsel._domainkey.example.org TXT {record}"))
}

/// A server for ann@example.com, with these records in the DNS.
fn server_with(net: &Net, told: bool, records: &str) -> HostHandle {
    let host = net.host("mx");
    let disk = host.disk();
    disk.make_folder(&Path::new("checking").unwrap()).unwrap();
    disk.sync(&Path::root()).unwrap();
    let table = Table::new(records);
    host.run(|reactor| {
        let storage = Storage::new(reactor, disk);
        let maildirs = Maildirs::new(&storage, "mx", |_, to| match to.mailbox() {
            Some(mailbox) if mailbox.local() == "ann" => Ok(Path::new("ann").unwrap()),
            _ => Err(Reply::new(Code::REFUSED, Status::NO_MAILBOX, "No such user here")),
        });
        let checks = Checks::new(reactor, table, "mx.example.com");
        let spool = Spool::new(&storage, Path::new("checking").unwrap());
        let checked = Checked::new(checks, spool, maildirs);
        let checked = if told { checked.only_told() } else { checked };
        reactor
            .listen_with("tcp:25", SmtpServer::reception("mx.example.com", ["example.com"]).on(checked))
            .unwrap();
    });
    host
}

fn signed(message: &str) -> String {
    let mut signing = DkimSigner::new("example.org", "sel", SigningKey::from_pem(PEM).unwrap()).begin();
    signing.push(message.as_bytes());
    signing.finish(std::time::UNIX_EPOCH).unwrap() + message
}

/// Sends a message, and gives the last replies.
fn send(net: &Net, message: &str) -> String {
    let client = net.host("cli").probe("tcp:mx:25");
    client.send("EHLO cli\r\nMAIL FROM:<bob@example.org>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n");
    client.send(message);
    client.send(".\r\nQUIT\r\n");
    net.run();
    let said = String::from_utf8(client.received()).unwrap();
    said.rsplit("354 ").next().unwrap().split_once("\r\n").unwrap().1.to_owned()
}

/// What waits to be checked.
fn waiting(host: &HostHandle) -> Vec<trenza_sim::DiskEntry> {
    host.disk().folder("checking").unwrap().list().unwrap()
}

/// What was stored, on the medium.
fn stored(host: &HostHandle) -> Vec<String> {
    host.crash();
    let disk = host.disk();
    let Ok(new) = disk.folder("ann/new") else { return Vec::new() };
    let names = new.list().unwrap();
    let read = names.iter().map(|name| {
        let path = Path::new("ann/new").unwrap().join(name.name.as_encoded_bytes()).unwrap();
        let file = disk.open(&path).unwrap();
        let mut text = vec![0; usize::try_from(file.metadata().unwrap().size).unwrap()];
        let mut at = 0;
        while at < text.len() {
            at += file.read_at(&mut text[at..], at as u64).unwrap();
        }
        String::from_utf8(text).unwrap()
    });
    read.collect()
}

const MESSAGE: &str = "From: bob@example.org\r\nAuthentication-Results: mx.example.com; dmarc=pass\r\n\
    Authentication-Results: other.example; dmarc=fail\r\nSubject: hello\r\n\r\nHello!\r\n";

#[test]
fn a_message_is_stored_with_what_was_found_out() {
    for_seeds(0..30, |seed| {
        let net = Net::new(seed);
        let host = server(&net, false);
        let long = format!("{MESSAGE}{}", "a long line of text, over and over\r\n".repeat(20_000));
        for message in [MESSAGE, &long] {
            let said = send(&net, &signed(message));
            if !said.starts_with("250 ") {
                // The network breaks connections.
                continue;
            }
            assert!(waiting(&host).is_empty());
            let stored = stored(&host);
            let text = stored.last().expect("it was taken");
            let (before, own) =
                text.split_once("Authentication-Results: mx.example.com;").expect("the field");
            assert!(before.starts_with("Return-Path: ") && !before.contains("Received:"), "{before}");
            assert!(
                own.contains("spf=fail") && own.contains("dkim=pass") && own.contains("dmarc=pass (p=reject")
            );
            assert!(!own.contains("mx.example.com; dmarc=pass"), "the forged one is gone");
            assert!(own.contains("other.example; dmarc=fail"));
            assert!(own.ends_with(message.split_once("\r\n\r\n").unwrap().1));
            return;
        }
    });
}

#[test]
fn what_its_domain_disowns_is_refused() {
    let net = Net::gentle(1);
    let host = server(&net, false);
    let said = send(&net, MESSAGE);
    assert!(said.starts_with("550 5.7.1 The domain example.org"), "{said}");
    assert!(stored(&host).is_empty());
}

#[test]
fn nobody_gets_round_the_checks_by_a_long_header() {
    let net = Net::gentle(1);
    let host = server(&net, false);
    let padding = "X-Long: something that goes on and on and on and on and on\r\n".repeat(3000);
    let said = send(&net, &format!("{padding}{MESSAGE}"));
    assert!(said.starts_with("552 5.3.4 "), "{said}");
    let said = send(&net, &MESSAGE.replacen("From: ", "From: eve@example.net, ", 1));
    assert!(said.starts_with("550 5.7.1 "), "{said}");
    assert!(stored(&host).is_empty());
}

#[test]
fn what_has_a_long_header_is_not_cut_for_who_only_wants_to_be_told() {
    let net = Net::gentle(1);
    let host = server(&net, true);
    let padding = "X-Long: something that goes on and on and on and on and on\r\n".repeat(3000);
    let said = send(&net, &format!("{padding}{MESSAGE}"));
    assert!(said.starts_with("250 "), "{said}");
    let stored = stored(&host);
    let whole = MESSAGE.replace("Authentication-Results: mx.example.com; dmarc=pass\r\n", "");
    assert!(stored[0].ends_with(&format!("{padding}{whole}")));
    assert!(stored[0].contains("dmarc=permerror"), "{:.2000}", stored[0]);
}

#[test]
fn who_only_wants_to_be_told_gets_it() {
    let net = Net::gentle(1);
    let host = server(&net, true);
    assert!(send(&net, MESSAGE).starts_with("250 "));
    assert!(stored(&host)[0].contains("dmarc=fail (p=reject dis=reject)"));
}

#[test]
fn while_the_dns_fails_what_may_be_forged_comes_again_or_is_told_of() {
    let forged = "example.org FAIL\n_dmarc.example.org TXT v=DMARC1; p=";
    for (records, told, reply) in [
        ("_dmarc.example.org FAIL".to_owned(), false, "451 4.4.3 "),
        ("_dmarc.example.org FAIL".to_owned(), true, "250 "),
        (format!("{forged}reject"), false, "451 4.4.3 "),
        (format!("{forged}reject"), true, "250 "),
        // Whatever came of it, it would be taken.
        (format!("{forged}quarantine"), false, "250 "),
        ("example.org FAIL".to_owned(), false, "250 "),
    ] {
        let net = Net::gentle(1);
        let host = server_with(&net, told, &records);
        let said = send(&net, MESSAGE);
        assert!(said.starts_with(reply), "{records:?}: {said}");
        let stored = stored(&host);
        assert_eq!(stored.len(), usize::from(reply == "250 "), "{records:?}");
        if records.contains("_dmarc") {
            assert!(stored.iter().all(|text| text.contains("dmarc=temperror")), "{stored:?}");
        }
    }
}

#[test]
fn whatever_the_disk_cannot_do_is_told_and_leaves_nothing() {
    for (fate, reply) in [(DiskFate::Full, "452 4.3.1 "), (DiskFate::Fail, "451 ")] {
        // At which call for a message it fails; each of them is tried until one goes well.
        let mut number = 0;
        loop {
            let net = Net::gentle(1);
            let host = server(&net, true);
            let mut left = number;
            let guard = host.disk().rule(move |access| {
                if !access.is_change() || access.verb() == DiskVerb::Unlink {
                    return DiskFate::Go;
                }
                left -= 1;
                if left == -1 { fate } else { DiskFate::Go }
            });
            let said = send(&net, MESSAGE);
            drop(guard);
            assert!(waiting(&host).is_empty(), "{fate:?} at {number}");
            let stored = stored(&host).len();
            if said.contains("250 2.0.0 Taken") {
                assert!(stored == 1 && number > 8, "{fate:?} at {number}");
                break;
            }
            assert!(said.contains(reply) && stored == 0, "{fate:?} at {number}: {said}");
            number += 1;
        }
    }
}

#[test]
fn what_comes_from_this_host_is_not_checked() {
    let net = Net::gentle(1);
    let host = server(&net, false);
    let client = host.probe("tcp:127.0.0.1:25");
    client.send("EHLO mx\r\nMAIL FROM:<bob@example.org>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n");
    client.send(format!("{MESSAGE}.\r\nQUIT\r\n"));
    net.run();
    let said = String::from_utf8(client.received()).unwrap();
    assert!(said.contains("\r\n250 2.0.0 Taken"), "{said}");
    let stored = stored(&host);
    assert!(!stored[0].contains("Authentication-Results: mx.example.com"), "nor does it say so: {stored:?}");
    assert!(
        stored[0].contains("Authentication-Results: other.example;")
            && stored[0].ends_with("\r\n\r\nHello!\r\n")
    );
}

#[test]
fn who_hangs_up_leaves_nothing() {
    let net = Net::gentle(1);
    let host = server(&net, false);
    let client = net.host("cli").probe("tcp:mx:25");
    client.send("EHLO cli\r\nMAIL FROM:<bob@example.org>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\nFrom: x\r\n\r\nhalf of");
    net.run();
    client.reset();
    net.run();
    assert!(waiting(&host).is_empty());
    assert!(stored(&host).is_empty());
}

#[test]
fn what_a_crash_has_left_is_cleared() {
    for_seeds(0..40, |seed| {
        let net = Net::gentle(seed);
        let host = server(&net, true);
        send(&net, MESSAGE);
        host.restart(|_| ());
        Spool::clear(&host.disk(), &Path::new("checking").unwrap()).unwrap();
        // Temporary names are left to `Tree::sweep`, as everywhere.
        let left = host.disk().list(&Path::new("checking").unwrap()).unwrap().next(10).unwrap();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn what_is_submitted_is_signed_for_the_domain_of_its_sender() {
    let net = Net::gentle(1);
    let host = net.host("mx");
    let disk = host.disk();
    disk.make_folder(&Path::new("checking").unwrap()).unwrap();
    host.run(|reactor| {
        let storage = Storage::new(reactor, disk);
        let maildirs = Maildirs::new(&storage, "mx", |_, _| Ok(Path::new("ann").unwrap()));
        let signers = [("example.org", "one"), ("example.org", "two"), ("example.com", "other")]
            .map(|(domain, selector)| DkimSigner::new(domain, selector, SigningKey::from_pem(PEM).unwrap()));
        let spool = Spool::new(&storage, Path::new("checking").unwrap());
        let signed = Signed::new(reactor, signers, spool, maildirs);
        let users = Memory::new().with(Account::new("ann"), "secret");
        let server = SmtpServer::submission("mx.example.org", Portal::accounts("smtp", users))
            .domains(["example.org", "a.example.org", "notexample.org"])
            .allow_plain_auth(true);
        reactor.listen_with("tcp:587", server.on(signed)).unwrap();
    });
    let record = SigningKey::from_pem(PEM).unwrap().record();
    let keys = format!("one._domainkey.example.org TXT {record}\ntwo._domainkey.example.org TXT {record}");
    for (domain, signatures) in [("example.org", 2), ("a.example.org", 2), ("notexample.org", 0)] {
        let client = net.host("cli").probe("tcp:mx:587");
        client.send("EHLO cli\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\n");
        net.run();
        client.send(format!("MAIL FROM:<ann@{domain}>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n"));
        client.send(format!("From: ann@{domain}\r\n\r\nHello!\r\n.\r\nQUIT\r\n"));
        net.run();
        let said = String::from_utf8(client.received()).unwrap();
        assert!(said.contains("\r\n235 ") && said.contains("\r\n221 "), "{said}");
        let new = host.disk().folder("ann/new").unwrap();
        let name = new.list().unwrap().pop().expect("it was stored").name;
        let path = Path::new("ann/new").unwrap().join(name.as_encoded_bytes()).unwrap();
        let file = host.disk().open(&path).unwrap();
        let mut text = vec![0; 10_000];
        let length = file.read_at(&mut text, 0).unwrap();
        host.disk().remove_file(&path).unwrap();
        let mut verifier = Verifier::new();
        verifier.push(&text[..length]);
        let all = at_once(verifier.finish(&Table::new(&keys), std::time::UNIX_EPOCH));
        assert_eq!(all.len(), signatures, "{domain}");
        assert!(
            all.iter().all(|one| one.result == DkimResult::Pass && one.domain == "example.org"),
            "{all:?}"
        );
    }
    assert!(waiting(&host).is_empty());
}

#[test]
fn nobody_else_looks_into_messages_that_wait() {
    let disk = trenza_sim::Disk::alone(1);
    let folder = Path::new("waiting").unwrap();
    for made_by_others in [false, true] {
        if made_by_others {
            disk.set_mode(&folder, 0o755).unwrap();
        }
        Spool::clear(&disk, &folder).unwrap();
        assert_eq!(disk.root().metadata("waiting").unwrap().mode, 0o700);
    }
}

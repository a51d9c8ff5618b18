//! A whole server's delivery: accounts, aliases, quotas.

use crate::{Shared, Site, messages_in, reception, serve_with, submission};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tempfile::TempDir;
use trenza_auth::{Account, Memory, Portal};
use trenza_mail::{
    local::{AliasesFile, Exchange, Local},
    maildir::{Maildir, Mailstore},
    smtp::{SmtpServer, server::Logged},
};
use trenza_sim::{DiskFate, DiskOpen, DiskVerb, Net};
use trenza_storage::Storage;

const DOMAINS: [&str; 2] = ["example.org", "example.net"];

/// Ann has no quota, small may hold 3000 bytes, and Bob has an account by his address.
fn local() -> Local {
    let accounts = [
        Account::new("ann"),
        Account::new("carl"),
        Account::new("small").quota(3000),
        Account::new("bob@example.net"),
    ];
    let accounts = accounts.map(|account| (account.name.clone(), Arc::new(account)));
    Local::new(DOMAINS, BTreeMap::from(accounts))
}

/// After EHLO or LHLO.
fn site(local: Local, server: &SmtpServer, hello: &str) -> (Site, Shared<Vec<String>>) {
    let told: Shared<Vec<String>> = Shared::default();
    let lines = told.clone();
    let site = Site::made(Net::gentle(1), |srv| {
        let disk = srv.disk();
        serve_with(srv, server, |reactor| {
            let store = Mailstore::new(&Storage::new(reactor, disk), "srv");
            Logged::new(reactor, Exchange::new(local, store), move |record| {
                lines.borrow_mut().push(record.text());
            })
        });
    });
    site.expect("220");
    site.ask(hello, "250");
    (site, told)
}

fn received(local: Local) -> Site {
    site(local, &reception_of_all(), "EHLO x").0
}

fn reception_of_all() -> SmtpServer {
    SmtpServer::reception("srv.example.org", DOMAINS)
}

/// Aliases in a file, for a tree of Maildirs that would lie in `/mail`.
struct Aliases {
    folder: TempDir,
    file: AliasesFile,
}

impl Aliases {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("aliases"), text).unwrap();
        fs::write(folder.path().join("list"), "ann, carl\n").unwrap();
        let file = AliasesFile::open(folder.path().join("aliases"), "/mail").unwrap();
        Self { folder, file }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

/// How RCPT is answered.
fn rcpt(site: &Site, to: &str, code: &str) {
    site.ask("MAIL FROM:<x@y>", "250");
    site.ask(format!("RCPT TO:<{to}>"), code);
    site.ask("RSET", "250");
}

/// A message to these is taken.
fn send(site: &Site, to: &[&str], text: &str) {
    begin(site, to);
    site.ask(format!("{text}\r\n."), "250");
}

fn begin(site: &Site, to: &[&str]) {
    site.ask("MAIL FROM:<x@y>", "250");
    for to in to {
        site.ask(format!("RCPT TO:<{to}>"), "250");
    }
    site.ask("DATA", "354");
}

fn count(site: &Site, maildir: &str) -> usize {
    messages_in(&site.srv.disk(), maildir).len()
}

#[test]
fn who_has_a_mailbox() {
    let site = received(local());
    for (to, code) in [
        ("nobody@example.org", "550 5.1.1 "),
        ("bob@example.org", "550 5.1.1 "),
        ("ann@example.com", "550 5.7.1 "),
        ("ann@[192.0.2.99]", "550 5.7.1 "),
        ("+x@example.org", "550 5.1.1 "),
        ("\"../carl\"@example.org", "550 5.1.1 "),
    ] {
        rcpt(&site, to, code);
    }
    let all = [
        "ann@example.org",
        "ANN+lists+x@Example.NET",
        "carl@example.org",
        "bob+x@example.net",
        "ann@[10.0.0.1]",
    ];
    for to in all {
        send(&site, &[to], "hello");
    }
    assert_eq!(["ann", "carl", "bob@example.net"].map(|name| count(&site, name)), [3, 1, 1]);
    for to in ["postmaster", "PostMaster@example.org", "postmaster+x@example.net"] {
        rcpt(&site, to, if to.contains('+') { "550" } else { "250" });
    }
    send(&site, &["Postmaster"], "hello");
    assert_eq!(count(&site, "postmaster"), 1);
}

#[test]
fn what_is_for_nobody_else_goes_to_the_catch_all() {
    let site = received(local().catch_all("carl"));
    send(&site, &["nobody@example.org", "x+y@example.net"], "hello");
    send(&site, &["ann@example.org", "Postmaster"], "hello");
    assert_eq!(["ann", "carl", "postmaster"].map(|name| count(&site, name)), [1, 2, 0]);
    rcpt(&site, "nobody@example.com", "550 5.7.1 ");
}

#[test]
fn a_message_is_stored_as_it_came_behind_two_fields() {
    let site = received(local());
    let text = "Return-Path: <old@x>\r\nReceived: a\r\n\r\n..b\r\n \t\r\n\u{e4}\r\n";
    site.ask("MAIL FROM:<x@y> BODY=8BITMIME", "250");
    site.ask("RCPT TO:<ann@example.org>", "250");
    site.ask("DATA", "354");
    site.ask(format!("{text}."), "250");
    let stored = &messages_in(&site.srv.disk(), "ann")[0];
    assert!(stored.starts_with("Return-Path: <x@y>\r\nReceived: from x ([10.0.0.2])\r\n"), "{stored}");
    assert!(stored.contains("\r\n\tfor <ann@example.org>;\r\n"));
    assert!(stored.ends_with(&text.replace("..b", ".b")), "{stored}");
}

#[test]
fn aliases_of_all_kinds() {
    let aliases = Aliases::new(
        "team: ann, carl+x\nann: \\ann, archive\nArchive: /mail/old/stuff/\nsales@example.net: team\n\
         all: :include:list, team, ann\nnoreply: /dev/null\nhalf: nobody, ann@example.org\npostmaster: carl\n\
         none: nobody, nobody2\n\"a b\": carl\n",
    );
    let site = received(local().aliases(aliases.file));
    send(&site, &["team@example.org"], "1");
    assert_eq!(["ann", "carl", "old/stuff"].map(|name| count(&site, name)), [1, 1, 1]);
    send(&site, &["Sales@example.net", "all@example.org", "team+y@example.org"], "2");
    assert_eq!(["ann", "carl", "old/stuff"].map(|name| count(&site, name)), [2, 2, 2], "each once");
    send(&site, &["half@example.net", "\"a b\"@example.org", "Postmaster"], "3");
    assert_eq!(["ann", "carl", "postmaster"].map(|name| count(&site, name)), [3, 3, 0]);
    send(&site, &["noreply@example.org"], "4");
    send(&site, &["noreply@example.org", "ann@example.org"], "5");
    assert_eq!(count(&site, "ann"), 4);
    rcpt(&site, "sales@example.org", "550 5.1.1 ");
    rcpt(&site, "none@example.org", "550 5.1.1 ");
}

#[test]
fn aliases_that_lead_nowhere_or_too_far() {
    let mut text = "a: b\nb: c+x\nc: a@example.org\nd: d, ann\nself: self\naway: ann@example.com\nboth: ann, x@[192.0.2.1]\n"
        .to_owned();
    // Each is fine by itself, and 40 of them are too deep.
    (0..40).for_each(|number| text += &format!("n{number}: n{}\n", number + 1));
    text += "n40: ann\n";
    // So many ways that they cannot be counted.
    (0..15).for_each(|number| text += &format!("w{number}: w{0}, w{0}, w{0}, w{0}\n", number + 1));
    text += "w15: ann\n";
    let aliases = Aliases::new(&text);
    let site = received(local().aliases(aliases.file));
    for (to, code) in [
        ("a", "554 5.4.6 "),
        ("self", "554 5.4.6 "),
        ("n0", "554 5.4.6 "),
        ("w0", "451 4.3.0 "),
        ("away", "550 5.7.1 "),
        ("both", "550 5.7.1 "),
        ("d", "250"),
        ("n30", "250"),
        ("w12", "250"),
    ] {
        rcpt(&site, &format!("{to}@example.org"), code);
    }
}

#[test]
fn a_file_of_aliases_that_changes_is_read_again() {
    let aliases = Aliases::new("a: ann\nlist: :include:list\n");
    let site = received(local().aliases(aliases.file.clone()));
    rcpt(&site, "b@example.org", "550");
    send(&site, &["list@example.org"], "1");
    let change = |name: &str, text: &str| {
        fs::write(aliases.path(name), text).unwrap();
        site.net.advance(Duration::from_secs(2));
    };
    change("aliases", "b: ann\nlist: :include:list\n");
    rcpt(&site, "b@example.org", "250");
    rcpt(&site, "a@example.org", "550");
    change("list", "carl\n");
    send(&site, &["list@example.org"], "2");
    assert_eq!(["ann", "carl"].map(|name| count(&site, name)), [1, 2]);
    // What is broken changes nothing.
    for (name, text) in [("aliases", "c: |program\n"), ("aliases", "c: :include:none\n")] {
        change(name, text);
        rcpt(&site, "b@example.org", "250");
        rcpt(&site, "c@example.org", "550");
    }
    change("none", "ann\n");
    rcpt(&site, "c@example.org", "250");
}

#[test]
fn a_file_of_aliases_that_is_wrong_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let open =
        || AliasesFile::open(folder.path().join("aliases"), "/mail").map(drop).unwrap_err().to_string();
    assert!(open().contains("No such file"));
    fs::write(folder.path().join("aliases"), "a: ann\nb: |program\n").unwrap();
    assert!(open().contains("aliases:2: |program would give messages to a program"));
    fs::write(folder.path().join("aliases"), b"a: \xff").unwrap();
    assert!(open().contains("no text in UTF-8"));
    fs::write(folder.path().join("aliases"), "a: :include:none").unwrap();
    assert!(open().contains("none: No such file"));
}

const LINE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n";

#[test]
fn a_full_mailbox_takes_nothing_until_there_is_room() {
    let site = received(local());
    let (text, small) = (LINE.repeat(10), &["small@example.org"]);
    send(&site, small, &text);
    send(&site, small, &text);
    // Nobody knows how large it will be: at its end it does not fit.
    begin(&site, small);
    site.ask(format!("{text}\r\n."), "452 4.2.2 ");
    rcpt(&site, "ann@example.org", "250");
    site.ask("MAIL FROM:<x@y> SIZE=1000", "250");
    site.ask("RCPT TO:<small@example.org>", "452 4.2.2 ");
    site.ask("RCPT TO:<ann@example.org>", "250");
    site.ask("RSET", "250");
    site.ask("MAIL FROM:<x@y> SIZE=3001", "250");
    site.ask("RCPT TO:<small@example.org>", "552 5.2.2 ");
    site.ask("RSET", "250");
    begin(&site, small);
    site.ask(LINE.repeat(40) + "\r\n.", "552 5.2.2 ");
    // All or none.
    begin(&site, &["small@example.org", "ann@example.org"]);
    site.ask(format!("{text}\r\n."), "452 4.2.2 ");
    assert_eq!(["small", "ann"].map(|name| count(&site, name)), [2, 0]);
    let tmp = site.srv.disk().folder("small/tmp").unwrap();
    assert!(tmp.list().unwrap().is_empty());

    // Whoever removes a message need not say so.
    let disk = site.srv.disk();
    let new = disk.folder("small/new").unwrap();
    new.unlink(&new.list().unwrap()[0].name).unwrap();
    site.net.advance(Duration::from_secs(5));
    send(&site, small, &text);
    assert_eq!(count(&site, "small"), 2);
}

#[test]
fn a_full_mailbox_is_not_counted_for_everybody_who_asks() {
    let site = received(local());
    send(&site, &["small@example.org"], &LINE.repeat(12));
    send(&site, &["small@example.org"], &LINE.repeat(12));
    site.ask("MAIL FROM:<x@y> SIZE=1000", "250");
    let opened = Arc::new(AtomicUsize::new(0));
    let count = opened.clone();
    let _guard = site.srv.disk().rule(move |access| {
        count.fetch_add(usize::from(access.verb() == DiskVerb::Write), SeqCst);
        DiskFate::Go
    });
    for _ in 0..10 {
        site.ask("RCPT TO:<small@example.org>", "452 4.2.2 ");
    }
    assert_eq!(opened.load(SeqCst), 1, "what was counted is written down");
    site.net.advance(Duration::from_secs(5));
    site.ask("RCPT TO:<small@example.org>", "452 4.2.2 ");
    assert_eq!(opened.load(SeqCst), 2);
}

#[test]
fn a_quota_is_counted_as_maildir_has_it() {
    let site = received(local());
    send(&site, &["small@example.org"], "a");
    send(&site, &["small@example.org"], "b");
    let disk = site.srv.disk();
    let sizes: Vec<usize> = messages_in(&disk, "small").iter().map(String::len).collect();
    let folder = disk.folder("small").unwrap();
    let read = || {
        String::from_utf8(folder.open("maildirsize", DiskOpen::Read).unwrap().read_all().unwrap()).unwrap()
    };
    assert_eq!(read(), format!("3000S\n0 0\n{} 1\n{} 1\n", sizes[0], sizes[1]));
    // Messages in folders count too; a file that is broken is made anew.
    site.net
        .block_on(&site.srv, async move {
            let storage = Storage::new(&trenza_core::Reactor::current(), disk);
            Maildir::new(&storage, trenza_storage::Path::new("small")?).folder("Old")?.make().await?;
            let path = trenza_storage::Path::new("small/.Old/cur/1.a.x:2,S")?;
            let upload = storage.upload(&path, trenza_storage::Write::New).await?;
            upload.push(&[b'x'; 2900]);
            upload.finish(false).await?;
            let size = trenza_storage::Path::new("small/maildirsize")?;
            let upload = storage.upload(&size, trenza_storage::Write::Replace).await?;
            upload.push(b"rubbish");
            upload.finish(false).await?;
            Ok(())
        })
        .unwrap();
    rcpt(&site, "small@example.org", "452 4.2.2 ");
    assert_eq!(read(), format!("3000S\n{} 3\n", 2900 + sizes[0] + sizes[1]));
}

#[test]
fn lmtp_tells_of_each() {
    let aliases = Aliases::new("both: ann, small\nnoreply: /dev/null\n");
    let lmtp = SmtpServer::lmtp("srv");
    let (site, lines) = site(local().aliases(aliases.file), &lmtp, "LHLO x");
    rcpt(&site, "x@example.com", "550 5.7.1 ");
    site.ask("MAIL FROM:<x@y>", "250");
    for to in ["both", "noreply", "carl", "small"] {
        site.ask(format!("RCPT TO:<{to}@example.org>"), "250");
    }
    site.ask("DATA", "354");
    site.client.send(LINE.repeat(40) + ".\r\n");
    for code in ["552 5.2.2 ", "250", "250", "552 5.2.2 "] {
        site.expect(code);
    }
    assert_eq!(["ann", "carl", "small"].map(|name| count(&site, name)), [1, 1, 0]);
    let lines = lines.borrow();
    assert!(lines[0].contains(" lmtp - - 10.0.0.2 <x@y> <x@example.com> 0 failed: 550 5.7.1 "), "{lines:?}");
    assert!(
        lines[1].contains("<small@example.org> ") && lines[1].contains(" failed: 552 5.2.2 "),
        "{lines:?}"
    );
}

#[test]
fn what_comes_of_messages_is_told() {
    let (site, lines) = site(local(), &reception(), "EHLO x");
    send(&site, &["ann@example.org"], "hello");
    begin(&site, &["ann@example.org"]);
    site.client.send("half");
    site.client.close();
    site.net.advance(Duration::from_secs(60));
    let lines = lines.borrow();
    assert!(lines[0].contains(" smtp ") && lines[0].ends_with(" ok"), "{lines:?}");
    assert!(lines[0].contains(" - 10.0.0.2 <x@y> <ann@example.org> "), "{lines:?}");
    assert!(lines[1].contains(" failed: it was refused, or the client hung up"), "{lines:?}");
    assert_eq!((lines.len(), count(&site, "ann")), (2, 1));
}

#[test]
fn who_may_send_as_whom() {
    let aliases = Aliases::new("sales: ann, carl\nbob: bob@example.net\n");
    let local = local().aliases(aliases.file);
    let users = Memory::new().with(Account::new("ann"), "a").with(Account::new("bob@example.net"), "b");
    let owner = local.clone();
    let server = SmtpServer::submission("srv", Portal::accounts("smtp", users))
        .allow_plain_auth(true)
        .senders(move |account, sender| owner.owns(account, sender));
    for (login, senders) in [
        (
            "AGFubgBh",
            [
                ("ann@example.org", true),
                ("Ann+x@example.net", true),
                ("sales@example.org", true),
                ("carl@example.org", false),
                ("ann@example.com", false),
                ("bob@example.net", false),
            ],
        ),
        (
            "AGJvYkBleGFtcGxlLm5ldABi",
            [
                ("bob@example.net", true),
                ("bob@example.org", true),
                ("ann@example.org", false),
                ("sales@example.org", false),
                ("bob@example.com", false),
                ("nobody@example.org", false),
            ],
        ),
    ] {
        let (site, _) = site(local.clone(), &server, "EHLO x");
        site.ask(format!("AUTH PLAIN {login}"), "235");
        for (sender, own) in senders {
            site.ask(format!("MAIL FROM:<{sender}>"), if own { "250" } else { "553 5.7.1 " });
            site.ask("RSET", "250");
        }
        site.ask("MAIL FROM:<>", "250");
        site.ask("RCPT TO:<x@example.com>", "550 5.7.1 ");
        site.ask("RCPT TO:<ann@example.org>", "250");
    }
    // Others than those that are said to be so are nobody's, as the server has it by itself.
    let (site, _) = site(local, &submission().allow_plain_auth(true), "EHLO x");
    site.ask("AUTH PLAIN AGFubgBzZWNyZXQ=", "235");
    site.ask("MAIL FROM:<sales@example.org>", "553");
}

#[test]
fn paths_of_the_system_are_compared_by_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("aliases"), "a: /mailbox/x/\n").unwrap();
    let error = AliasesFile::open(folder.path().join("aliases"), Path::new("/mail")).unwrap_err();
    assert!(error.to_string().contains("/mailbox/x/ is no Maildir in /mail"), "{error}");
}

//! What a mailbox may hold, which is written down where others read it: what was deleted does not count any more.

use crate::{Site, deliver, serve, server};
use std::time::Duration;
use trenza_mail::{
    maildir::{Mailstore, Place},
    smtp::{
        Reply,
        server::{Answer, Outcome},
    },
};
use trenza_sim::{DiskFate, DiskVerb, HostHandle, Net};
use trenza_storage::{Path, Storage};

/// Delivers a message of 300 bytes and more, as a server of SMTP does, to Ann, who may have 1000.
fn receive(net: &Net, srv: &HostHandle) -> Result<(), String> {
    let disk = srv.disk();
    net.block_on(srv, async move {
        let store = Mailstore::new(&Storage::new(&trenza_core::Reactor::current(), disk), "srv");
        let place = Place { folder: Path::new("mail/ann")?, quota: Some(1000) };
        let admitted = match store.admit(&place, Some(300)) {
            Answer::Accept => Ok(()),
            Answer::Refuse(reply) => Err(reply),
            Answer::Later(later) => later.await.map_err(|error| Reply::of(&error)),
        };
        if let Err(reply) = admitted {
            return Ok(Err(reply.to_string()));
        }
        let mut message = store.message(None, [place], true).await?;
        message.push(&[b'x'; 300]);
        Ok(match message.finish().await? {
            Outcome::Each(each) => each[0].clone().map_err(|reply| reply.to_string()),
            outcome => Err(format!("{outcome:?}")),
        })
    })
    .unwrap()
}

/// What the file adds up to: bytes, messages.
fn counted(srv: &HostHandle) -> (i64, i64) {
    let file =
        srv.disk().folder("mail/ann").unwrap().open("maildirsize", trenza_sim::DiskOpen::Read).unwrap();
    let text = String::from_utf8(file.read_all().unwrap()).unwrap();
    let lines = text.lines().skip(1).map(|line| line.split_once(' ').unwrap());
    lines.fold((0, 0), |sum, (bytes, messages)| {
        (sum.0 + bytes.parse::<i64>().unwrap(), sum.1 + messages.parse::<i64>().unwrap())
    })
}

#[test]
fn a_mailbox_that_was_full_and_is_emptied_takes_mail_at_once() {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    deliver(&srv, "ann", &[]);
    serve(&srv, &server());
    for _ in 0..3 {
        receive(&net, &srv).unwrap();
    }
    assert!(receive(&net, &srv).unwrap_err().starts_with("452 "));
    let (bytes, messages) = counted(&srv);
    assert!(bytes > 900 && messages == 3, "{bytes} {messages}");
    let client = cli.probe("tcp:srv:110");
    let site = Site { net, srv, client, read: Default::default() };
    site.expect("+OK");
    site.ask("USER ann", "+OK");
    site.ask("PASS secret", "+OK 3 messages");
    // One has another name by now.
    let new = site.srv.disk().folder("mail/ann/new").unwrap();
    let name = new.list().unwrap().remove(0).name;
    let cur = site.srv.disk().folder("mail/ann/cur").unwrap();
    new.rename(&name, &cur, [name.to_str().unwrap(), ":2,S"].concat()).unwrap();
    for number in 1..=3 {
        site.ask(format!("DELE {number}"), "+OK");
    }
    site.ask("QUIT", "+OK");
    site.net.advance(Duration::from_secs(1));
    assert_eq!((counted(&site.srv), site.left().len()), ((0, 0), 0));
    // Nobody has to look through the mailbox first.
    let _rule = site.srv.disk().rule(|access| match access.verb() {
        DiskVerb::List => DiskFate::Fail,
        _ => DiskFate::Go,
    });
    receive(&site.net, &site.srv).unwrap();
    assert_eq!(counted(&site.srv).1, 1);
}

#[test]
fn where_nothing_is_counted_nothing_is_written() {
    let site = Site::open(&server());
    site.ask("DELE 1", "+OK");
    site.ask("QUIT", "+OK");
    site.net.advance(Duration::from_secs(1));
    assert_eq!(site.left().len(), 2);
    assert!(site.srv.disk().folder("mail/ann").unwrap().metadata("maildirsize").is_err());
}

#[test]
fn a_count_that_cannot_be_written_keeps_nobody_from_deleting() {
    let site = Site::open(&server());
    site.srv.disk().folder("mail/ann").unwrap().make_folder("maildirsize").unwrap();
    site.ask("DELE 1", "+OK");
    site.ask("QUIT", "+OK Goodbye");
    assert_eq!(site.left().len(), 2);
}

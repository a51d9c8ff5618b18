//! What is said to servers that can more or less, and what comes of it for each recipient.

use super::{Fates, Site, Trick, codes, failed, mailbox, rcpts, send};
use std::time::Duration;
use trenza_core::Result;
use trenza_mail::smtp::{
    Body, Mail, Notify, Rcpt, Return,
    client::{Cause, ClientLimits, ClientOptions, Lack, send_mail},
};
use trenza_sim::Net;

const ALL: &[&str] = &["PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN"];

#[test]
fn a_message_to_each_kind_of_server() {
    for seed in 0..10 {
        for extensions in [&[][..], &["PIPELINING"], ALL] {
            let site = Site::new(Net::new(seed)).with(extensions);
            let fates = site.send(&["ann", "bob"], b"Subject: x\n\n.\n..dots\nend").unwrap();
            assert_eq!(codes(&fates), [250, 250]);
            let text = b"Subject: x\r\n\r\n.\r\n..dots\r\nend\r\n".to_vec();
            assert_eq!(site.taken(), [("ann".to_owned(), text.clone()), ("bob".to_owned(), text)]);
            assert_eq!(site.verbs(), ["EHLO", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"]);
            site.assert_quiet();
        }
    }
}

#[test]
fn a_server_of_before_ehlo() {
    let site = Site::gentle().change(|script| script.old = true);
    assert_eq!(codes(&site.send(&["ann"], b"x").unwrap()), [250]);
    assert_eq!(site.verbs(), ["EHLO", "HELO", "MAIL", "RCPT", "DATA", "QUIT"]);
}

/// How often the client waits for the server, in times a byte travels there and back.
fn round_trips(extensions: &[&'static str]) -> u32 {
    let site = Site::gentle().with(extensions);
    site.net.latency(Duration::from_secs(1));
    site.send(&["a", "b", "c", "d"], b"x").unwrap();
    u32::try_from(site.net.elapsed().as_secs() / 2).unwrap()
}

#[test]
fn pipelining_saves_a_round_trip_for_each_command() {
    let (with, without) = (round_trips(&["PIPELINING"]), round_trips(&[]));
    // MAIL, four RCPT and DATA are one flight.
    assert_eq!(without - with, 5, "{without} without, {with} with");
}

#[test]
fn each_recipient_has_a_result_of_its_own() {
    for extensions in [&[][..], &["PIPELINING"]] {
        let refuse = |site: Site| {
            site.with(extensions).change(|script| {
                script.recipients.insert("no", "550 5.1.1 who?");
                script.recipients.insert("later", "451 4.7.1 grey");
            })
        };
        let site = refuse(Site::gentle());
        let fates = site.send(&["no", "ann", "later", "bob"], b"x").unwrap();
        assert_eq!(codes(&fates), [550, 250, 451, 250]);
        let error = fates[0].as_ref().unwrap_err();
        assert_eq!(error.to_string(), "tcp:srv:25: RCPT: the server says 550 5.1.1 who?");
        assert!(!error.is_transient() && fates[2].as_ref().unwrap_err().is_transient());
        assert_eq!(site.taken().len(), 2);

        // The message itself is refused: that is of those who were accepted.
        let site = refuse(Site::gentle()).change(|script| _ = script.ends.insert("*", "554 5.7.1 spam"));
        assert_eq!(codes(&site.send(&["no", "ann"], b"x").unwrap()), [550, 554]);

        // Nobody is accepted, and the client goes on with the next message.
        for eager in [false, true] {
            let site = refuse(Site::gentle()).change(|script| script.eager = eager);
            let fates = site
                .run(ClientOptions::new(), async |client| {
                    let mut fates = send(client, &["no", "later"], b"nobody's").await;
                    fates.extend(send(client, &["ann"], b"hers").await);
                    Ok(fates)
                })
                .unwrap();
            assert_eq!(codes(&fates), [550, 451, 250], "{extensions:?} {eager}");
            assert_eq!(site.taken(), [("ann".to_owned(), b"hers\r\n".to_vec())]);
        }
    }
}

#[test]
fn mail_and_data_may_be_refused() {
    for (verb, extensions) in
        [("MAIL", &["PIPELINING"][..]), ("MAIL", &[]), ("DATA", &["PIPELINING"]), ("DATA", &[])]
    {
        let site = Site::gentle().with(extensions);
        // What the script says instead, it does not do: this one waits for the message only if it has said 354.
        let refusal = Trick::Say("452 4.3.1 no room\r\n".to_owned());
        let site = if verb == "MAIL" { site.trick(verb, refusal) } else { site };
        let site = match verb {
            "DATA" => site.change(|script| script.no_data = Some("452 4.3.1 no room\r\n")),
            _ => site,
        };
        let fates = site.send(&["ann", "bob"], b"x").unwrap();
        assert_eq!(codes(&fates), [452, 452], "{verb} {extensions:?}");
        assert!(site.taken().iter().all(|(_, text)| text.is_empty()), "{verb}");
    }
}

#[test]
fn lmtp_answers_for_each() {
    for extensions in [&["PIPELINING", "CHUNKING"][..], &[]] {
        let site = Site::gentle().with(extensions).change(|script| {
            script.lmtp = true;
            script.recipients.insert("no", "550 5.1.1 who?");
            script.ends.insert("full", "452 4.2.2 full");
            script.ends.insert("never", "552 5.2.2 full");
        });
        for chunking in [1, u64::MAX] {
            let limits = ClientLimits { chunking, ..ClientLimits::default() };
            let options = ClientOptions::new().lmtp(true).limits(limits);
            let fates: Fates = site
                .run(options, async |client| {
                    let mut fates = send(client, &["ann", "no", "full", "bob", "never"], b"x").await;
                    fates.extend(send(client, &["bob"], b"y").await);
                    Ok(fates)
                })
                .unwrap();
            assert_eq!(codes(&fates), [250, 550, 452, 250, 552, 250]);
        }
        assert_eq!(site.verbs()[0], "LHLO");
        assert_eq!(site.taken().len(), 6);
    }
}

#[test]
fn what_is_said_of_a_message_is_not_taken_for_an_answer_to_the_next() {
    // Of LMTP each recipient gets an answer to the last chunk, though the first one was refused.
    for lmtp in [true, false] {
        let site = Site::gentle().with(&["PIPELINING", "CHUNKING"]).change(|script| script.lmtp = lmtp);
        let site = site.trick("BDAT", Trick::Say("552 5.3.4 too large\r\n".into()));
        let limits = ClientLimits { chunking: 1, ..ClientLimits::default() };
        let fates = site.run(ClientOptions::new().lmtp(lmtp).limits(limits), async move |client| {
            let mut fates = send(client, &["ann", "bob"], &[b'x'; 300_000]).await;
            assert_eq!(client.is_open(), !lmtp);
            fates.extend(send(client, &["carl"], b"y").await);
            Ok(fates)
        });
        assert_eq!(codes(&fates.unwrap()), [552, 552, if lmtp { 451 } else { 250 }]);
    }
}

#[test]
fn large_messages_go_in_chunks() {
    let text: Vec<u8> = (0..40_000).flat_map(|n| format!("{n} .\n.{n}\r\n").into_bytes()).collect();
    let whole: Vec<u8> = (0..40_000).flat_map(|n| format!("{n} .\r\n.{n}\r\n").into_bytes()).collect();
    for extensions in [&["PIPELINING", "CHUNKING", "SIZE"][..], &["CHUNKING"], &["PIPELINING"], &[]] {
        let site = Site::new(Net::new(7)).with(extensions);
        let limits = ClientLimits { chunking: 1000, ..ClientLimits::default() };
        let (options, sent) = (ClientOptions::new().limits(limits), text.clone());
        let fates = site.run(options, async move |client| Ok(send(client, &["ann"], &sent).await)).unwrap();
        assert_eq!(codes(&fates), [250], "{extensions:?}");
        assert_eq!(site.taken(), [("ann".to_owned(), whole.clone())]);
        let chunks = site.verbs().iter().filter(|verb| *verb == "BDAT").count();
        assert_eq!(chunks > 1, extensions.contains(&"CHUNKING"), "{chunks}");
    }
}

#[test]
fn a_chunk_that_is_refused_ends_the_message_and_not_the_client() {
    for extensions in [&["PIPELINING", "CHUNKING"][..], &["CHUNKING"]] {
        let site =
            Site::gentle().with(extensions).trick("BDAT", Trick::Say("552 5.3.4 too large\r\n".to_owned()));
        let fates = site
            .run(ClientOptions::new(), async |client| {
                let mut fates = send(client, &["ann"], &vec![b'x'; 3_000_000]).await;
                fates.extend(send(client, &["bob"], b"y").await);
                Ok(fates)
            })
            .unwrap();
        assert_eq!(codes(&fates), [552, 250]);
        assert_eq!(site.taken(), [("bob".to_owned(), b"y\r\n".to_vec())]);
        assert!(site.verbs().contains(&"RSET".to_owned()));
    }
}

#[test]
fn parameters_are_said_to_those_who_know_them() {
    let say = |site: &Site| {
        site.run(ClientOptions::new(), async |client| {
            let mail = Mail {
                size: Some(7),
                body: Some(Body::EightBit),
                ret: Some(Return::Headers),
                envid: Some(b"id".to_vec()),
                auth: Some(None),
                ..Mail::new(Some(mailbox("me")))
            };
            let notify = Some(Notify { success: true, ..Notify::default() });
            let rcpt = Rcpt { notify, ..Rcpt::new(mailbox("ann")) };
            Ok(client.send(&mail, &[rcpt], &b"12345\r\n"[..]).await)
        })
        .unwrap()
    };
    let site = Site::gentle().with(ALL);
    assert_eq!(codes(&say(&site)), [250]);
    let heard = site.script.borrow().heard.clone();
    assert_eq!(heard[1], "MAIL FROM:<me@example.org> SIZE=7 BODY=8BITMIME RET=HDRS ENVID=id");
    assert_eq!(heard[2], "RCPT TO:<ann@example.org> NOTIFY=SUCCESS");

    let site = Site::gentle().with(&["8BITMIME"]);
    assert_eq!(codes(&say(&site)), [250]);
    let heard = site.script.borrow().heard.clone();
    assert_eq!(heard[1..3], ["MAIL FROM:<me@example.org> BODY=8BITMIME", "RCPT TO:<ann@example.org>"]);
}

#[test]
fn what_a_server_lacks_is_known_before_anything_is_said() {
    type Case = (&'static [&'static str], Mail, &'static [u8], Lack, u16);
    let mail = || Mail::new(Some(mailbox("me")));
    let cases: [Case; 5] = [
        (&["SMTPUTF8"], mail(), "\u{e4}".as_bytes(), Lack::EightBit, 554),
        (&["8BITMIME"], Mail { utf8: true, ..mail() }, b"x", Lack::Utf8, 553),
        (&["8BITMIME"], Mail::new(Some(mailbox("j\u{f6}rg"))), b"x", Lack::Utf8, 553),
        (&["CHUNKING"], Mail { body: Some(Body::Binary), ..mail() }, b"x", Lack::Binary, 554),
        (&["SIZE 10"], mail(), b"12345678901", Lack::Size(10), 552),
    ];
    for (extensions, mail, text, lack, code) in cases {
        let site = Site::gentle().with(extensions);
        let fates = site
            .run(ClientOptions::new(), async move |client| {
                let fates = client.send(&mail, &rcpts(&["ann", "bob"]), text).await;
                assert!(client.is_open());
                Ok(fates)
            })
            .unwrap();
        for fate in &fates {
            let error = fate.as_ref().unwrap_err();
            assert!(matches!(error.cause(), Cause::Lacks(known) if *known == lack), "{error}");
            assert!(!error.is_transient());
        }
        assert_eq!(codes(&fates), [code, code]);
        assert_eq!(site.verbs(), ["EHLO", "QUIT"]);
    }
    // A recipient that needs SMTPUTF8 keeps nobody else from having the message.
    let site = Site::gentle();
    assert_eq!(codes(&site.send(&["j\u{f6}rg", "ann"], b"x").unwrap()), [553, 250]);
    let site = Site::gentle().with(&["SMTPUTF8"]);
    let mail = Mail { utf8: true, ..mail() };
    let fates = site.run(ClientOptions::new(), async move |client| {
        Ok(client.send(&mail, &rcpts(&["j\u{f6}rg", "ann"]), &b"x"[..]).await)
    });
    assert_eq!(codes(&fates.unwrap()), [250, 250]);
    assert_eq!(site.script.borrow().heard[1], "MAIL FROM:<me@example.org> SMTPUTF8");
}

#[test]
fn more_recipients_than_fit_a_flight() {
    let names: &'static [&'static str] =
        Vec::leak((0..350).map(|n| &*String::leak(format!("user{n}"))).collect());
    for extensions in [&["PIPELINING"][..], &[]] {
        let site = Site::new(Net::new(3)).with(extensions).change(|script| {
            script.recipients.insert("user99", "550 no");
            script.recipients.insert("user349", "550 no");
        });
        let fates = site.send(names, b"x").unwrap();
        let refused: Vec<usize> =
            fates.iter().enumerate().filter_map(|(at, fate)| fate.is_err().then_some(at)).collect();
        assert_eq!((fates.len(), refused), (350, vec![99, 349]));
        assert_eq!(site.taken().len(), 348);
    }
}

#[test]
fn a_source_that_fails_sends_nothing() {
    struct Broken(u8);
    impl trenza_mail::smtp::client::Source for Broken {
        async fn next(&mut self) -> Result<Option<bytes::Bytes>> {
            self.0 += 1;
            if self.0 > 3 {
                Err("the disk is gone".into())
            } else {
                Ok(Some(bytes::Bytes::from_static(b"part\r\n")))
            }
        }
    }
    for chunking in [0, u64::MAX] {
        let site = Site::gentle().with(&["PIPELINING", "CHUNKING", "SIZE"]);
        let limits = ClientLimits { chunking, ..ClientLimits::default() };
        let fates = site
            .run(ClientOptions::new().limits(limits), async |client| {
                let mail = Mail { size: Some(100), ..Mail::new(None) };
                let fates = client.send(&mail, &rcpts(&["ann"]), Broken(0)).await;
                assert!(!client.is_open());
                Ok(fates)
            })
            .unwrap();
        let error = fates[0].as_ref().unwrap_err();
        assert!(error.is_local() && error.is_transient() && error.to_string().contains("the disk is gone"));
        site.assert_quiet();
        assert!(site.taken().is_empty());
    }
}

#[test]
fn in_one_call() {
    let site = Site::gentle().change(|script| _ = script.recipients.insert("no", "550 5.1.1 who?"));
    let send = |to: &'static [&'static str]| {
        site.net.block_on(&site.client(), async move {
            let options = ClientOptions::new();
            Ok(send_mail("tcp:srv:25", options, "me@example.org", to, &b"x"[..]).await?)
        })
    };
    assert!(send(&["ann@example.org"]).unwrap().is_empty());
    let refused = send(&["ann@example.org", "no@example.org"]).unwrap();
    assert_eq!((refused.len(), &*refused[0].0), (1, "no@example.org"));
    assert_eq!(failed(send(&["no@example.org"])).reply().code().number(), 550);
    assert!(failed(send(&["nobody"])).is_local());
    assert_eq!(site.taken().len(), 2);
    site.assert_quiet();
}

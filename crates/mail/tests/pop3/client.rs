//! The client, with our server, and with ones that follow a script.

use crate::{MESSAGES, deliver, serve, server, tls};
use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::{Reactor, Result};
use trenza_mail::pop3::{
    Pop3Server,
    client::{Cause, Client, ClientError, ClientLimits, ClientOptions, Lack, Part},
};
use trenza_sim::{HostHandle, Net, for_seeds};

fn open() -> ClientOptions {
    ClientOptions::new().login("ann", "secret").allow_plain_auth(true)
}

fn site(net: &Net, server: &Pop3Server, messages: &[&[u8]]) -> (HostHandle, HostHandle) {
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    deliver(&srv, "ann", messages);
    serve(&srv, server);
    (srv, cli)
}

fn keep(text: &mut Vec<u8>, piece: &[u8]) -> Result {
    text.extend_from_slice(piece);
    Ok(())
}

/// Messages as a client has them: their lines end in CRLF.
fn whole() -> Vec<Vec<u8>> {
    MESSAGES
        .iter()
        .map(|message| message.strip_suffix(b"\r\n").unwrap_or(message))
        .map(|text| [text, b"\r\n"].concat())
        .collect()
}

#[test]
fn a_whole_session() {
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        let (srv, cli) = site(&net, &server(), &MESSAGES);
        net.block_on(&cli, async {
            let mut client = Client::connect("tcp:srv:110", open()).await?;
            assert!(client.greeting().text().contains("POP3") && client.capabilities().has("pipelining"));
            let sizes: Vec<(u32, u64)> = (1..).zip(MESSAGES.iter().map(|text| text.len() as u64)).collect();
            assert_eq!(client.stat().await?, (3, sizes.iter().map(|(_, size)| size).sum()));
            assert_eq!(client.list().await?, sizes);
            let uids = client.uids().await?;
            assert_eq!(uids, [(1, "1.a.srv".into()), (2, "2.a.srv".into()), (3, "3.a.srv".into())]);
            let mut text = Vec::new();
            client.retrieve(1, async |piece| keep(&mut text, &piece)).await?;
            client.top(3, 0, async |piece| keep(&mut text, &piece)).await?;
            assert_eq!(text, [&whole()[0][..], b"Subject: c\r\n\r\n"].concat());
            client.delete(2).await?;
            let error = client.retrieve(2, async |_| panic!("there is nothing")).await.unwrap_err();
            assert!(error.reply().is_some() && !error.is_transient() && client.is_open(), "{error}");
            assert_eq!(error.asked(), "RETR 2");
            client.reset().await?;
            client.noop().await?;
            let refused = client.delete_all([1, 9, 2, 1]).await?;
            assert_eq!(refused.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [9, 1]);
            client.quit().await?;
            Ok(())
        })
        .unwrap();
        assert_eq!(crate::left(&srv.disk(), "ann"), ["3.a.srv"]);
        net.advance(Duration::from_secs(30));
        assert_eq!((srv.left().connections, cli.left().connections), (0, 0));
    });
}

#[test]
fn all_messages_at_once() {
    let large: Vec<Vec<u8>> =
        (0..200_usize).map(|n| format!("{n}\r\n{}\r\n", ".x".repeat(n * 40)).into_bytes()).collect();
    let slices: Vec<&[u8]> = large.iter().map(Vec::as_slice).collect();
    for seed in 0..6 {
        let net = Net::new(seed);
        net.latency(Duration::from_millis(20));
        let (_, cli) = site(&net, &server(), &slices);
        let began = net.elapsed();
        let fetched = net
            .block_on(&cli, async {
                let mut client = Client::connect("tcp:srv:110", open()).await?;
                let mut all = vec![(Vec::new(), 0); 201];
                let sink = async |number: u32, part| {
                    let Some((text, ends)) = all.get_mut(number as usize) else {
                        // That one is not there.
                        assert!(number == 999 && matches!(part, Part::Refused(_)), "{number}: {part:?}");
                        return Ok(());
                    };
                    match part {
                        Part::Bytes(bytes) => text.extend_from_slice(&bytes),
                        Part::End => *ends += 1,
                        Part::Refused(reply) => panic!("{number}: {reply}"),
                    }
                    Ok(())
                };
                client.retrieve_all((1..=100).rev().chain([999]).chain(101..=200), sink).await?;
                client.quit().await?;
                Ok(all)
            })
            .unwrap();
        for (number, message) in (1..).zip(&large) {
            assert_eq!(fetched[number], (message.clone(), 1), "seed {seed}, message {number}");
        }
        // One after the other they take 200 times there and back.
        assert!(net.elapsed() - began < Duration::from_secs(7), "{:?}", net.elapsed() - began);
    }
}

#[test]
fn over_stls() {
    let (mine, side) = tls::tls();
    let net = Net::new(3);
    let (_, cli) = site(&net, &crate::protected().tls(mine), &MESSAGES);
    net.block_on(&cli, async {
        let plain = ClientOptions::new().login("ann", "secret");
        let error = Client::connect("tcp:srv:110", plain.clone()).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Lacks(Lack::Tls)), "{error}");
        let mut client = Client::connect("tcp:srv:110", plain.starttls(side.clone())).await?;
        assert!(client.peer().secured.is_some() && !client.capabilities().has("STLS"));
        assert_eq!(client.list().await?.len(), 3);
        client.quit().await?;
        // Who has no TLS is told nothing.
        let other = ClientOptions::new().login("ann", "secret").starttls(side);
        Reactor::current().sleep(Duration::from_secs(1)).await;
        let error = Client::connect("tcp:srv:25", other).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Connection(_)) && error.is_transient(), "{error}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn names_and_passwords_of_all_kinds() {
    let net = Net::gentle(1);
    let (_, cli) = site(&net, &server(), &[]);
    let login =
        |name: &str, password: &str| ClientOptions::new().login(name, password).allow_plain_auth(true);
    let options = [login("bob", "b b"), login("bob", "wrong"), login("a\0b", "x")];
    let results = net
        .block_on(&cli, async {
            let mut results = Vec::new();
            for options in options {
                results.push(Client::connect("tcp:srv:110", options).await.map(drop));
            }
            Ok(results)
        })
        .unwrap();
    assert!(results[0].is_ok());
    let code =
        |error: &ClientError| error.reply().and_then(|reply| reply.response_code()).map(ToString::to_string);
    assert_eq!(code(results[1].as_ref().unwrap_err()).as_deref(), Some("AUTH"));
    assert!(results[2].as_ref().unwrap_err().is_local());
}

/// What comes of a client whose server greets so and answers each line with the next of these.
fn scripted<T: 'static>(
    answers: &[&str],
    options: ClientOptions,
    body: impl AsyncFnOnce(Client) -> Result<T, ClientError> + 'static,
) -> (Result<T, ClientError>, String) {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    let answers: Rc<RefCell<Vec<String>>> =
        Rc::new(RefCell::new(answers.iter().rev().map(|text| (*text).into()).collect()));
    let heard = Rc::new(RefCell::new(String::new()));
    let (said, hears) = (answers, heard.clone());
    srv.run(|reactor| {
        reactor.serve("tcp:110", move |mut stream| {
            let (said, hears) = (said.clone(), hears.clone());
            async move {
                let greeting = said.borrow_mut().pop().unwrap_or_default();
                stream.write_all(greeting.as_bytes()).await?;
                while let Some(line) = stream.line(1000).await? {
                    hears.borrow_mut().push_str(&(String::from_utf8_lossy(&line).into_owned() + "\n"));
                    let Some(answer) = said.borrow_mut().pop() else { return stream.close().await };
                    stream.write_all(answer.as_bytes()).await?;
                }
                Ok(())
            }
        })
    })
    .unwrap();
    let result = net
        .block_on(&cli, async move {
            Ok(match Client::connect("tcp:srv:110", options).await {
                Ok(client) => body(client).await,
                Err(error) => Err(error),
            })
        })
        .unwrap();
    net.advance(Duration::from_secs(60));
    assert_eq!(cli.left().connections, 0, "{:?}", cli.leftovers());
    (result, heard.take())
}

const NO_CAPA: &str = "-ERR what?\r\n";

#[test]
fn servers_of_1996() {
    let answers =
        ["+OK\r\n", NO_CAPA, "+OK\r\n", "+OK\r\n", NO_CAPA, "+OK 1 messages\r\n1 20 x\r\n.\r\n", "+OK\r\n"];
    let (listed, heard) = scripted(&answers, open(), async |mut client| {
        let listed = client.list().await?;
        client.quit().await?;
        Ok(listed)
    });
    assert_eq!(listed.unwrap(), [(1, 20)]);
    assert_eq!(heard, "CAPA\nUSER ann\nPASS secret\nCAPA\nLIST\nQUIT\n");
}

#[test]
fn servers_that_break_the_protocol() {
    let long = format!("+OK {}\r\n", "x".repeat(20_000));
    let listing = format!("+OK\r\n{}.\r\n", "1 2\r\n".repeat(100));
    for (answers, what) in [
        (&["220 smtp\r\n"][..], "neither +OK nor -ERR"),
        (&["+OK\n"], "does not end in CRLF"),
        (&[&long], "too long"),
        (&["+ \r\n"], "does not belong there"),
        (&["+OK\r\n", NO_CAPA, "+ \r\n"], "does not belong there"),
        (&["+OK\r\n", NO_CAPA, "+OK\r\n1\r\n.\r\n"], "tells of no message"),
        (&["+OK\r\n", NO_CAPA, "+OK\r\nx 2\r\n.\r\n"], "tells of no message"),
        (&["+OK\r\n", NO_CAPA, &listing], "listing is too long"),
        (&["+OK\r\n", NO_CAPA, "+OK\r\n1 2\n"], "does not end in CRLF"),
        (&["+OK\r\n", NO_CAPA, "+OK\r\n1 2"], "closed"),
    ] {
        let limits = ClientLimits { messages: 50, ..ClientLimits::default() };
        let (result, _) = scripted(answers, ClientOptions::new().limits(limits), async |mut client| {
            let result = client.list().await.map(drop);
            // Nothing more can be asked then.
            assert!(result.is_ok() || (!client.is_open() && client.noop().await.is_err()));
            result
        });
        let error = result.unwrap_err();
        let is_late = matches!(error.cause(), Cause::TimedOut(_));
        assert!(error.to_string().contains(what) || (what == "closed" && is_late), "{answers:?}: {error}");
        assert!(!error.is_local());
    }
}

#[test]
fn messages_that_are_cut_or_too_large_or_not_wanted() {
    let answers = |text: &'static str| ["+OK\r\n", NO_CAPA, text];
    let retrieve = async |mut client: Client| {
        let mut text = Vec::new();
        client.retrieve(1, async |piece| keep(&mut text, &piece)).await?;
        Ok(text)
    };
    let limits = ClientLimits { size: 10, ..ClientLimits::default() };
    let options = ClientOptions::new().limits(limits);
    let (text, _) = scripted(&answers("+OK\r\n..\r\n\ra\nb\r\n.\r\n"), options.clone(), retrieve);
    // What others have stored comes as it is.
    assert_eq!(text.unwrap(), b".\r\n\ra\nb\r\n");
    let (text, _) = scripted(&answers("+OK\r\n12345678901\r\n.\r\n"), options.clone(), retrieve);
    assert!(text.unwrap_err().to_string().contains("too large"));
    let (text, _) = scripted(&answers("+OK\r\nabc\r\n"), options.clone(), retrieve);
    assert!(matches!(text.unwrap_err().cause(), Cause::TimedOut(_)));
    let (full, _) = scripted(&answers("+OK\r\nabc\r\n.\r\n"), options, async |mut client| {
        let taken = client.retrieve(1, async |_| Err("the disk is full".into())).await;
        assert!(!client.is_open());
        taken
    });
    let error = full.unwrap_err();
    assert!(error.is_local() && error.to_string().ends_with("RETR 1: the disk is full"), "{error}");
}

#[test]
fn what_was_dropped_in_the_middle_is_of_no_more_use() {
    let net = Net::gentle(1);
    net.latency(Duration::from_millis(100));
    let (_, cli) = site(&net, &server(), &MESSAGES);
    net.block_on(&cli, async {
        let mut client = Client::connect("tcp:srv:110", open()).await?;
        let late = trenza_core::timeout(Duration::from_millis(10), async { Ok(client.stat().await?) }).await;
        assert!(late.is_err() && !client.is_open());
        assert!(client.list().await.is_err());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_server_proves_that_it_knows_the_account() {
    let capa = "+OK\r\nSASL PLAIN SCRAM-SHA-256\r\n.\r\n";
    for answer in ["+OK come in\r\n", "+ eD0x\r\n"] {
        let (result, heard) = scripted(&["+OK\r\n", capa, answer], open(), async |_| Ok(()));
        let error = result.unwrap_err();
        assert!(matches!(error.cause(), Cause::Protocol(_)), "{error}");
        assert!(heard.starts_with("CAPA\nAUTH SCRAM-SHA-256 ") && heard.lines().count() == 2, "{heard}");
    }
    // One that has nothing to prove it with may be told the password.
    let answers = ["+OK\r\n", capa, "-ERR Use another mechanism\r\n", "+OK\r\n", capa];
    let (result, heard) = scripted(&answers, open(), async |_| Ok(()));
    assert!(result.is_ok() && heard.contains("\nAUTH PLAIN AGFubgBzZWNyZXQ=\n"), "{heard}");
    let (result, heard) = scripted(&["+OK\r\n", capa, "-ERR [AUTH] No\r\n"], open(), async |_| Ok(()));
    assert!(result.unwrap_err().reply().is_some() && !heard.contains("PLAIN"), "{heard}");
}

#[test]
fn who_stands_in_between_learns_nothing() {
    let (_, side) = tls::tls();
    // A server without STLS, and one that answers in clear text behind it.
    let options = open().starttls(side);
    let (result, heard) = scripted(&["+OK\r\n", "+OK\r\nUSER\r\n.\r\n"], options.clone(), async |_| Ok(()));
    assert!(matches!(result.unwrap_err().cause(), Cause::Lacks(Lack::Tls)));
    assert_eq!(heard, "CAPA\n");
    let answers = ["+OK\r\n", "+OK\r\nSTLS\r\n.\r\n", "+OK\r\n+OK\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n"];
    let (result, heard) = scripted(&answers, options, async |_| Ok(()));
    assert!(result.is_err());
    assert!(heard.starts_with("CAPA\nSTLS\n") && !heard.contains("secret"), "{heard}");
}

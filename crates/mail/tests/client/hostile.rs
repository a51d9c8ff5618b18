//! A server that resets, closes, delays or talks nonsense at every step; faults of the network.

use super::{Site, Trick, codes, failed, rcpts, send};
use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::Result;
use trenza_mail::smtp::{
    Mail,
    client::{Cause, Client, ClientError, ClientLimits, ClientOptions, Step},
};
use trenza_sim::{Fault, Net};

/// The steps of a session, each with the step that a client is at.
const STEPS: [(&str, Step); 6] = [
    ("*", Step::Greeting),
    ("EHLO", Step::Hello),
    ("MAIL", Step::Mail),
    ("RCPT", Step::Rcpt),
    ("DATA", Step::Data),
    (".", Step::Message),
];

/// What becomes of a message to two that meets a trick at one step.
fn outcome(verb: &'static str, trick: Trick, extensions: &[&'static str]) -> Vec<ClientError> {
    let site = Site::gentle().with(extensions).trick(verb, trick);
    let sent = site.send(&["ann", "bob"], &vec![b'x'; 200_000]);
    let errors = match sent {
        Ok(fates) => fates.into_iter().filter_map(Result::err).collect(),
        Err(error) => vec![*error.downcast::<ClientError>().unwrap()],
    };
    site.assert_quiet();
    errors
}

#[test]
fn every_step_may_be_the_last() {
    for extensions in [&["PIPELINING"][..], &[]] {
        for (verb, step) in STEPS {
            for trick in [Trick::Reset, Trick::Close] {
                let errors = outcome(verb, trick.clone(), extensions);
                assert!(!errors.is_empty(), "{verb} {trick:?}");
                for error in errors {
                    assert!(matches!(error.cause(), Cause::Connection(_)), "{verb} {trick:?}: {error:?}");
                    assert!(error.is_transient(), "{verb} {trick:?}: {error}");
                    // With a reset go the replies that nobody has read.
                    let overtaken = trick == Trick::Reset && !extensions.is_empty();
                    assert!(error.step() == step || overtaken, "{verb} {trick:?}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_goodbye_of_the_server_is_told_as_it_was_said() {
    for extensions in [&["PIPELINING"][..], &[]] {
        for (verb, _) in STEPS {
            let errors = outcome(verb, Trick::Last("421 4.3.2 going down\r\n"), extensions);
            assert!(!errors.is_empty(), "{verb}");
            for error in errors {
                assert!(matches!(error.cause(), Cause::Refused(_)), "{verb} {extensions:?}: {error:?}");
                assert_eq!(error.reply().to_string(), "421 4.3.2 going down");
            }
        }
    }
}

#[test]
fn every_step_may_take_its_time_but_not_for_ever() {
    let limits = ClientLimits::default();
    let most = [limits.greeting, limits.command, limits.mail, limits.rcpt, limits.data, limits.end];
    for ((verb, step), most) in STEPS.into_iter().zip(most) {
        let second = Duration::from_secs(1);
        assert!(outcome(verb, Trick::Delay(most - second), &[]).is_empty(), "{verb}");
        for error in outcome(verb, Trick::Delay(most + second), &[]) {
            assert!(matches!(error.cause(), Cause::TimedOut(_)), "{verb}: {error:?}");
            assert!(error.is_transient() && error.step() == step);
        }
    }
}

#[test]
fn every_step_may_be_answered_byte_by_byte() {
    for (verb, _) in STEPS {
        assert!(outcome(verb, Trick::Dribble, &["PIPELINING", "SIZE 1000000"]).is_empty(), "{verb}");
    }
}

#[test]
fn every_step_may_be_answered_with_nonsense() {
    let lines = "250-more\r\n".repeat(1000);
    let long = format!("250 {}\r\n", "x".repeat(10_000));
    let large = format!("250-{}\r\n", "x".repeat(2000)).repeat(100);
    for (verb, _) in STEPS {
        for nonsense in [
            "what?\r\n",
            "999 x\r\n",
            "2500 x\r\n",
            "\r\n",
            "250 x\n",
            "250-x\r\n550 y\r\n",
            "334 eA==\r\n",
            &lines,
            &long,
            &large,
        ] {
            // 354 is said at the right place only.
            let errors = outcome(verb, Trick::Say(nonsense.to_owned()), &[]);
            assert!(!errors.is_empty(), "{verb} {nonsense:.20}");
            for error in errors {
                assert!(matches!(error.cause(), Cause::Protocol(_)), "{verb} {nonsense:.20}: {error:?}");
            }
        }
    }
    assert!(
        outcome("MAIL", Trick::Say("354 go\r\n".into()), &[])
            .iter()
            .all(|error| matches!(error.cause(), Cause::Protocol(_)))
    );
    assert!(
        outcome("DATA", Trick::Say("250 done\r\n".into()), &[])
            .iter()
            .all(|error| matches!(error.cause(), Cause::Protocol(_)))
    );
}

#[test]
fn an_endless_reply_is_cut_off() {
    let net = Net::gentle(1);
    net.host("srv")
        .run(|reactor| {
            reactor.serve("tcp:25", async |mut stream| {
                loop {
                    stream.write_all(&b"220-more\r\n".repeat(100)).await?;
                }
            })
        })
        .unwrap();
    let error = failed(net.block_on(&net.host("cli"), async {
        Client::connect("tcp:srv:25", ClientOptions::new()).await?;
        Ok(())
    }));
    assert!(matches!(error.cause(), Cause::Protocol(_)), "{error:?}");
    assert!(net.elapsed() < Duration::from_secs(10));
}

#[test]
fn replies_that_nothing_was_asked_for_answer_nothing() {
    // The second one would answer MAIL before it was heard.
    for said in ["250 srv\r\n250 2.1.0 fine\r\n", "250 srv\r\n250-x\r\n250 2.1.0 fine\r\n"] {
        let site = Site::gentle().trick("EHLO", Trick::Say(said.into()));
        let fates = site.run(ClientOptions::new(), async |client| {
            // It is there by now.
            trenza_core::Reactor::current().sleep(Duration::from_secs(1)).await;
            Ok(send(client, &["ann"], b"x").await)
        });
        let fates = fates.unwrap();
        assert!(matches!(fates[0].as_ref().unwrap_err().cause(), Cause::Protocol(_)));
        assert!(site.taken().is_empty());
    }
}

#[test]
fn a_server_that_says_no_in_the_middle_is_heard() {
    let net = Net::gentle(1);
    net.window(5000);
    net.host("srv")
        .run(|reactor| {
            reactor.serve("tcp:25", async |mut stream| {
                stream.write_all(b"220 x\r\n").await?;
                for reply in ["250 x\r\n", "250 x\r\n", "250 x\r\n", "354 x\r\n"] {
                    stream.line(500).await?;
                    stream.write_all(reply.as_bytes()).await?;
                }
                stream.read().await?;
                stream.write_all(b"552 5.3.4 too large\r\n").await?;
                stream.transport().reactor().sleep(Duration::from_secs(100_000)).await;
                Ok(())
            })
        })
        .unwrap();
    let fates = net.block_on(&net.host("cli"), async {
        let mut client = Client::connect("tcp:srv:25", ClientOptions::new()).await?;
        let fates = send(&mut client, &["ann"], &vec![b'x'; 5_000_000]).await;
        assert!(!client.is_open());
        Ok(fates)
    });
    assert_eq!(codes(&fates.unwrap()), [552]);
    assert!(net.elapsed() < Duration::from_secs(60), "{:?}", net.elapsed());
}

#[test]
fn a_server_that_does_not_read_is_given_up() {
    let site = Site::gentle().trick("DATA", Trick::Stall);
    let fates = site.send(&["ann"], b"x").unwrap();
    assert!(matches!(fates[0].as_ref().unwrap_err().cause(), Cause::TimedOut(_)));

    let net = Net::gentle(1);
    net.window(5000);
    net.host("srv")
        .run(|reactor| {
            reactor.serve("tcp:25", async |mut stream| {
                stream.write_all(b"220 x\r\n").await?;
                for reply in ["250 x\r\n", "250 x\r\n", "250 x\r\n", "354 x\r\n"] {
                    stream.line(500).await?;
                    stream.write_all(reply.as_bytes()).await?;
                }
                stream.transport().pause();
                stream.transport().reactor().sleep(Duration::from_secs(100_000)).await;
                Ok(())
            })
        })
        .unwrap();
    let fates = net.block_on(&net.host("cli"), async {
        let mut client = Client::connect("tcp:srv:25", ClientOptions::new()).await?;
        let peer = client.peer();
        let fates = send(&mut client, &["ann"], &vec![b'x'; 5_000_000]).await;
        drop(peer);
        Ok(fates)
    });
    let error = fates.unwrap().remove(0).unwrap_err();
    assert!(
        matches!(error.cause(), Cause::TimedOut(after) if *after == ClientLimits::default().block),
        "{error:?}"
    );
}

#[test]
fn every_split_is_the_same() {
    for seed in 0..40 {
        let site = Site::new(Net::new(seed)).with(&["PIPELINING", "CHUNKING", "SIZE 100000"]);
        site.script.borrow_mut().recipients.insert("no", "550-5.1.1 who\r\n550 5.1.1 is that?");
        let fates = site.send(&["no", "ann"], b".\r\nx").unwrap();
        assert_eq!(codes(&fates), [550, 250]);
        assert_eq!(fates[0].as_ref().unwrap_err().reply().text(), "who\nis that?");
        assert_eq!(site.taken(), [("ann".to_owned(), b".\r\nx\r\n".to_vec())]);
    }
}

#[test]
fn a_future_that_is_dropped_leaves_a_client_of_no_use() {
    for step in 0..30 {
        let site = Site::gentle().with(&["SIZE 100000000"]);
        site.net.latency(Duration::from_millis(10));
        let done = site.run(ClientOptions::new(), async move |client| {
            let sending = async { Ok(send(client, &["ann"], &vec![b'x'; 100_000]).await) };
            let done = trenza_core::timeout(Duration::from_millis(step * 5), sending).await;
            match done {
                Ok(fates) => assert_eq!(codes(&fates), [250]),
                Err(_) => {
                    let fates = send(client, &["bob"], b"y").await;
                    // Before anything was said nothing is lost.
                    assert!(fates[0].is_err() || step == 0, "step {step}");
                }
            }
            Ok(())
        });
        done.unwrap();
        for (name, text) in site.taken() {
            assert_eq!(
                text,
                if name == "ann" { [&[b'x'; 100_000][..], b"\r\n"].concat() } else { b"y\r\n".to_vec() }
            );
        }
    }
}

#[test]
fn any_fault_at_any_time() {
    let text: Vec<u8> = (0..300).flat_map(|n| format!("{n} {}\r\n", "y".repeat(60)).into_bytes()).collect();
    for (number, fault) in (0..).zip(Fault::all()) {
        for step in 0..6 {
            let site = Site::new(fault.net(number * 10 + step)).with(&["PIPELINING", "CHUNKING", "SIZE"]);
            let (srv, cli) = (site.net.host("srv"), site.client());
            let told: Rc<RefCell<Option<Result<usize>>>> = Rc::default();
            let (place, sent) = (told.clone(), text.clone());
            let task = async move {
                let chunking = if step % 2 == 0 { 1 } else { u64::MAX };
                let limits = ClientLimits { chunking, ..ClientLimits::default() };
                let mut client = Client::connect("tcp:srv:25", ClientOptions::new().limits(limits)).await?;
                let mut ok = 0;
                for _ in 0..2 {
                    let fates = client.send(&Mail::new(None), &rcpts(&["ann"]), &*sent).await;
                    ok += fates.iter().filter(|fate| fate.is_ok()).count();
                }
                Ok(ok)
            };
            cli.run(|reactor| reactor.spawn(task).then(move |result| *place.borrow_mut() = Some(result)));
            site.net.advance(Duration::from_millis(step * 23));
            let guard = fault.strike(&site.net, &srv, &cli);
            site.net.advance(Duration::from_secs(400));
            drop(guard);
            site.net.advance(Duration::from_secs(8000));
            let when = format!("{fault:?} at {step}");
            let taken = site.taken();
            assert!(taken.iter().all(|(_, got)| *got == text), "{when}");
            match told.take() {
                Some(Ok(ok)) => {
                    assert!(
                        taken.len() >= ok && (!fault.is_harmless() || ok == 2),
                        "{when}: {ok} {}",
                        taken.len()
                    );
                }
                Some(Err(error)) => assert!(!fault.is_harmless(), "{when}: {error}"),
                None => assert!(cli.is_down() || !cli.is_running(), "{when}: it never ends"),
            }
        }
    }
}

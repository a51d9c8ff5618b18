//! Taps: what somebody sees who looks on at the driver's edge.

use crate::{
    actor::{Actor, Plain},
    drivers::ON_PURPOSE,
    ground::{Ground, bytes, to},
};
use std::{cell::RefCell, fs::File, io::Write, rc::Rc, sync::Arc};
use trenza_core::{Endpoint, IntoEndpoint, Policy, Printer, Rate, Recording, Result, Seen, Tap, Transport};
use trenza_tests::Xor;

cases! {
    a_tap_sees_both_directions
    a_tap_is_below_the_layers
    a_tap_sees_which_ranges_of_files_have_left
    a_tap_that_wants_files_as_bytes_gets_them
    a_tap_that_wants_files_as_bytes_may_begin_while_one_is_sent
    a_tap_sees_what_has_left_only
    a_tap_that_begins_late_sees_what_follows
    a_tap_may_use_every_handle
    a_tap_that_panics_costs_its_connection
    a_tap_that_panics_at_the_end_does_no_harm
    several_taps_see_the_same
    some_connections_have_a_tap
    a_printer_shows_bytes_as_numbers_and_text
    a_recording_has_a_limit
}

/// What a tap has seen.
#[derive(Clone, Default)]
struct Eye {
    seen: Rc<RefCell<Vec<String>>>,
    received: Rc<RefCell<Vec<u8>>>,
    sent: Rc<RefCell<Vec<u8>>>,
    files: Rc<RefCell<Vec<(u64, u64)>>>,
    copies: bool,
}

impl Tap for Eye {
    fn see(&mut self, transport: &Transport, seen: Seen<'_>) {
        assert_eq!(transport.reactor().connections().contains(transport), !matches!(seen, Seen::Ended(_)));
        match seen {
            Seen::Received(data) => self.received.borrow_mut().extend_from_slice(data),
            Seen::Sent(data) => self.sent.borrow_mut().extend_from_slice(data),
            Seen::SentFile(range) => self.files.borrow_mut().push((range.start, range.end)),
            Seen::Ended(reason) => self.seen.borrow_mut().push(format!("ended: {reason}")),
            other => self.seen.borrow_mut().push(format!("{other:?}")),
        }
    }

    fn copies_files(&self) -> bool {
        self.copies
    }
}

impl Eye {
    /// What it saw, but for bytes.
    fn told(&self) -> Vec<String> {
        self.seen.borrow().clone()
    }

    async fn ended(&self, ground: &Ground) -> Vec<String> {
        ground.until(|| self.told().iter().any(|line| line.starts_with("ended"))).await;
        self.told()
    }
}

fn tapped(tap: impl Fn() -> Eye + 'static) -> impl FnOnce(Endpoint) -> Endpoint {
    move |endpoint| endpoint.policy(Policy::new().tap(move |_: &Transport| tap()))
}

/// A connection whose server is tapped.
async fn pair(ground: &Ground, eye: &Eye) -> Result<(Transport, Transport)> {
    let eye = eye.clone();
    let (srv, cli) = (Actor::new(ground, "srv"), Actor::new(ground, "cli"));
    ground.pair_over(tapped(move || eye.clone()), srv, |to| to, cli).await
}

fn file(n: usize) -> Result<Arc<File>> {
    let mut file = tempfile::tempfile()?;
    file.write_all(&bytes(n))?;
    Ok(Arc::new(file))
}

async fn a_tap_sees_both_directions(ground: Ground) -> Result {
    let eye = Eye::default();
    let (srv, cli) = pair(&ground, &eye).await?;
    cli.write(&bytes(3000));
    ground.log().received("srv", 3000).await;
    let n = ground.scaled(100_000, 3_000_000);
    srv.write(&bytes(n)[..n / 2]);
    srv.write_bytes(bytes(n)[n / 2..].to_vec().into());
    ground.log().received("cli", n).await;
    cli.close();
    assert_eq!(eye.ended(&ground).await, ["Began", "Eof", "ended: closed by the peer"]);
    assert!(*eye.received.borrow() == bytes(3000) && *eye.sent.borrow() == bytes(n));
    assert!(ground.log().bytes("cli") == bytes(n) && eye.files.borrow().is_empty());
    Ok(())
}

async fn a_tap_is_below_the_layers(ground: Ground) -> Result {
    let [near, far] = [Eye::default(), Eye::default()];
    let (one, other) = (near.clone(), far.clone());
    let (srv, _) = ground
        .pair_over(
            move |on| tapped(move || one.clone())(on.layered(|| vec![Box::new(Xor::server(1))])),
            Actor::new(&ground, "srv"),
            move |to| tapped(move || other.clone())(to.layered(|| vec![Box::new(Xor::client(2))])),
            Actor::new(&ground, "cli"),
        )
        .await?;
    srv.write(b"secret");
    srv.close();
    ground.log().lost("cli").await;
    near.ended(&ground).await;
    far.ended(&ground).await;
    let sent = near.sent.borrow();
    assert!(!sent.windows(6).any(|window| window == b"secret") && sent.len() > 6);
    assert_eq!((&*sent, &*near.received.borrow()), (&*far.received.borrow(), &*far.sent.borrow()));
    Ok(())
}

async fn a_tap_sees_which_ranges_of_files_have_left(ground: Ground) -> Result {
    let eye = Eye::default();
    let (srv, _) = pair(&ground, &eye).await?;
    let n = ground.scaled(100_000, 3_000_000) as u64;
    srv.write(b"<");
    srv.send_file(file(n as usize)?, 100..n);
    srv.write(b">");
    srv.close();
    ground.log().lost("cli").await;
    eye.ended(&ground).await;
    assert_eq!(ground.log().count("cli") as u64, n - 100 + 2);
    assert_eq!(*eye.sent.borrow(), b"<>");
    let mut at = 100;
    for (start, end) in eye.files.borrow().iter() {
        assert_eq!(*start, at);
        at = *end;
    }
    assert_eq!(at, n);
    Ok(())
}

async fn a_tap_that_wants_files_as_bytes_gets_them(ground: Ground) -> Result {
    let eye = Eye { copies: true, ..Eye::default() };
    let (srv, cli) = pair(&ground, &eye).await?;
    srv.write(b"<");
    srv.send_file(file(100_000)?, 0..100_000);
    srv.write(b">");
    cli.write(b"up");
    srv.close();
    ground.log().lost("cli").await;
    eye.ended(&ground).await;
    let all = [b"<", &bytes(100_000)[..], b">"].concat();
    assert!(ground.log().bytes("cli") == all && *eye.sent.borrow() == all && eye.files.borrow().is_empty());
    Ok(())
}

async fn a_tap_that_wants_files_as_bytes_may_begin_while_one_is_sent(ground: Ground) -> Result {
    let n = ground.scaled(100_000, 3_000_000);
    let text = bytes(n);
    let (near, far) = ground.reactor().pair();
    let (near, far) = (near.switch_to(Plain), far.switch_to(Actor::new(&ground, "far")));
    let (srv, cli) = ground.pair(Plain, Actor::new(&ground, "cli")).await?;
    for (sends, name) in [(near, "far"), (srv, "cli")] {
        let eye = Eye { copies: true, ..Eye::default() };
        sends.send_file(file(n)?, 0..n as u64);
        sends.tap(eye.clone());
        ground.log().received(name, n).await;
        sends.send_file(file(n)?, 0..n as u64);
        sends.close();
        ground.log().lost(name).await;
        eye.ended(&ground).await;
        assert!(ground.log().bytes(name) == [&text[..], &text].concat());
        assert!(eye.sent.borrow().ends_with(&text), "{name}");
    }
    drop((far, cli));
    Ok(())
}

async fn a_tap_sees_what_has_left_only(ground: Ground) -> Result {
    let eye = Eye::default();
    let slow = Policy::new().rate_out(Rate::new(1).burst(10));
    let inner = eye.clone();
    let (srv, cli) = (Actor::new(&ground, "srv"), Actor::new(&ground, "cli"));
    let slow = slow.tap(move |_: &Transport| inner.clone());
    let (srv, cli) = ground.pair_over(move |on| on.policy(slow), srv, |to| to, cli).await?;
    srv.write(&bytes(1000));
    ground.log().received("cli", 10).await;
    srv.abort();
    ground.until(|| !cli.is_open()).await;
    assert_eq!(eye.ended(&ground).await, ["Began", "ended: aborted"]);
    let sent = eye.sent.borrow().len();
    assert!((10..1000).contains(&sent) && *eye.sent.borrow() == bytes(1000)[..sent]);
    Ok(())
}

async fn a_tap_that_begins_late_sees_what_follows(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.write(b"before");
    ground.log().received("srv", 6).await;
    let eye = Eye::default();
    srv.tap(eye.clone());
    ground.until(|| !eye.told().is_empty()).await;
    cli.write(b"after");
    srv.write(b"answer");
    ground.log().received("srv", 11).await;
    ground.log().received("cli", 6).await;
    cli.close();
    assert_eq!(eye.ended(&ground).await, ["Began", "Eof", "ended: closed by the peer"]);
    assert_eq!((&eye.received.borrow()[..], &eye.sent.borrow()[..]), (&b"after"[..], &b"answer"[..]));
    Ok(())
}

async fn a_tap_may_use_every_handle(ground: Ground) -> Result {
    let policy = Policy::new().tap(|_: &Transport| {
        let mut sent = 0;
        move |transport: &Transport, seen: Seen<'_>| match seen {
            Seen::Sent(data) => {
                let before = sent;
                sent += data.len();
                match (before, sent) {
                    (0..4, 4) => transport.write(b"pong"),
                    (_, 8) => transport.close(),
                    _ => {}
                }
            }
            Seen::Received(_) => transport.write(b"ping"),
            _ => {}
        }
    });
    let cli = Actor::new(&ground, "cli");
    let (_, cli) = ground.pair_over(move |on| on.policy(policy), Plain, |to| to, cli).await?;
    cli.write(b"x");
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert_eq!(ground.log().bytes("cli"), b"pingpong");
    Ok(())
}

/// Panics when it sees such a thing.
fn fragile(when: fn(&Seen<'_>) -> bool) -> Policy {
    Policy::new().tap(move |_: &Transport| {
        move |_: &Transport, seen: Seen<'_>| assert!(!when(&seen), "{ON_PURPOSE}: {seen:?}")
    })
}

async fn a_tap_that_panics_costs_its_connection(ground: Ground) -> Result {
    let cases: [fn(&Seen<'_>) -> bool; 4] = [
        |seen| matches!(seen, Seen::Received(_)),
        |seen| matches!(seen, Seen::Sent(_)),
        |seen| matches!(seen, Seen::Eof),
        |seen| matches!(seen, Seen::Began),
    ];
    let others = ground.pair(Plain, Plain).await?;
    for (n, when) in cases.into_iter().enumerate() {
        ground.log().forget();
        let inner = ground.clone();
        let endpoint = "tcp:0:interface=127.0.0.1".into_endpoint()?.policy(fragile(when));
        let port = ground.listen_on(endpoint, move |_| {
            Actor::new(&inner, "srv").data(|transport, input| {
                transport.write(input.rest());
                Ok(())
            })
        })?;
        let cli = Actor::new(&ground, "cli");
        if let Ok(cli) = ground.reactor().connect(&to(&port), |_| cli).await {
            cli.write(b"hello");
            cli.close_write();
        }
        ground.until(|| port.connections() == 0 && ground.reactor().connections().len() == 2).await;
        let srv = ground.log().of("srv");
        assert!(n == 3 && srv.is_empty() || srv.contains(&"lost Panicked".to_owned()), "{n}: {srv:?}");
    }
    others.0.close();
    Ok(())
}

async fn a_tap_that_panics_at_the_end_does_no_harm(ground: Ground) -> Result {
    let policy = fragile(|seen| matches!(seen, Seen::Ended(_)));
    let (srv, cli) = (Actor::new(&ground, "srv"), Actor::new(&ground, "cli"));
    let (_, cli) = ground.pair_over(move |on| on.policy(policy), srv, |to| to, cli).await?;
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    Ok(())
}

async fn several_taps_see_the_same(ground: Ground) -> Result {
    let [one, other] = [Eye::default(), Eye::default()];
    let (srv, cli) = pair(&ground, &one).await?;
    srv.tap(other.clone());
    ground.until(|| !other.told().is_empty()).await;
    srv.write(b"down");
    cli.write(b"up");
    ground.log().received("srv", 2).await;
    ground.log().received("cli", 4).await;
    cli.close();
    assert_eq!(one.ended(&ground).await, other.ended(&ground).await);
    assert_eq!((&*one.sent.borrow(), &*one.received.borrow()), (&b"down".to_vec(), &b"up".to_vec()));
    assert_eq!((&*other.sent.borrow(), &*other.received.borrow()), (&b"down".to_vec(), &b"up".to_vec()));
    Ok(())
}

async fn some_connections_have_a_tap(ground: Ground) -> Result {
    let eye = Eye::default();
    let (inner, mut first) = (eye.clone(), true);
    let every_other = std::cell::Cell::new(false);
    let policy = Policy::new().tap_some(move |_: &Transport| {
        every_other.set(!every_other.get());
        every_other.get().then(|| inner.clone())
    });
    let endpoint = "tcp:0:interface=127.0.0.1".into_endpoint()?.policy(policy);
    let log = ground.clone();
    let port = ground.listen_on(endpoint, move |_| {
        Actor::new(&log, if std::mem::take(&mut first) { "one" } else { "other" })
    })?;
    for who in ["one", "other"] {
        let cli = ground.reactor().connect(&to(&port), |_| Plain).await?;
        cli.write(who.as_bytes());
        cli.close();
        ground.log().lost(who).await;
    }
    assert_eq!((eye.told().len(), &eye.received.borrow()[..]), (3, &b"one"[..]));
    Ok(())
}

/// A connection that says hello, is answered with a file, and ends; what was written about it.
async fn written<T: Tap>(ground: &Ground, make: impl Fn() -> T + 'static, to: &Recording) -> Result<String> {
    ground.log().forget();
    let policy = Policy::new().tap(move |_: &Transport| make());
    let (srv, cli) = (Actor::new(ground, "srv"), Actor::new(ground, "cli"));
    let (srv, cli) = ground.pair_over(move |on| on.policy(policy), srv, |to| to, cli).await?;
    cli.write(b"hello\n");
    ground.log().received("srv", 6).await;
    srv.send_file(file(100)?, 10..20);
    ground.log().received("cli", 10).await;
    cli.close();
    ground.log().lost("srv").await;
    let name = format!(" {} ", srv.id());
    Ok(String::from_utf8(to.take())?.replace(&name, " # "))
}

async fn a_printer_shows_bytes_as_numbers_and_text(ground: Ground) -> Result {
    let page = Recording::new(10_000);
    let paper = page.clone();
    let text = written(&ground, move || Printer::new(paper.clone()), &page).await?;
    let mut kinds = vec![];
    let mut dump = String::new();
    for line in text.lines() {
        match line.split_once(" # ") {
            Some((time, rest)) => {
                assert!(time.parse::<f64>().is_ok(), "{line}");
                kinds.push(rest.split(' ').take(1).collect::<String>());
            }
            None => dump.push_str(line.split('|').nth(1).unwrap()),
        }
    }
    kinds.dedup();
    assert_eq!(kinds[1..], ["<-", "->", "<-", "end:"], "{text}");
    assert_eq!(dump, "hello.", "{text}");
    assert!(text.contains(" <-> ") && text.contains("of a file") && text.contains("68"), "{text}");
    assert!(!text.contains('\x1b'), "no colours");
    let paper = page.clone();
    let text = written(&ground, move || Printer::new(paper.clone()).color(true).limit(2).copy_files(), &page);
    let text = text.await?;
    assert!(text.contains("\x1b[36m") && text.contains("(no more bytes of this connection are shown)"));
    assert!(text.contains("|he|") || text.contains("|h|"), "{text}");
    assert!(text.contains("end: closed by the peer") && !text.contains("of a file"), "{text}");
    Ok(())
}

async fn a_recording_has_a_limit(ground: Ground) -> Result {
    let whole = Recording::new(10_000);
    let tape = whole.clone();
    let text = written(&ground, move || tape.recorder(), &whole).await?;
    let mut kinds: String = text.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    while let Some(place) = ["<<", "ff"].iter().find_map(|twice| kinds.find(twice)) {
        kinds.remove(place);
    }
    assert_eq!(kinds, "+<f.-", "{text}");
    let bytes: String = text.lines().filter_map(|line| line.split(" < ").nth(1)).collect();
    assert_eq!(bytes, "68656c6c6f0a");
    // Room for the first line, and hardly for the last.
    let short = Recording::new(100);
    let tape = short.clone();
    let text = written(&ground, move || trenza_core::Recorder::new(tape.clone(), 50), &short).await?;
    assert!(text.contains(" !\n") && !text.contains(" f "), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.ends_with("closed by the peer")), "{text}");
    Ok(())
}

//! The line for the log, and what a client is told.

use super::{Door, on_host, peer, people};
use std::{
    cell::RefCell,
    fmt::{self, Write},
    sync::{Arc, Once},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use trenza_auth::{Account, Anonymous, Chain, Credentials, Denied, Portal, Rights, at_once};
use trenza_core::{Deferred, Reactor};
use trenza_sim::Net;

thread_local! {
    /// What this test has written.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Writes events down as lines.
struct Journal;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={value}", field.name());
    }
}

impl Subscriber for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("trenza::login") || metadata.target().starts_with("trenza_auth")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| lines.push(line.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// What is written while this is at work.
fn journal(work: impl FnOnce()) -> Vec<String> {
    // For the whole program, since what is listened to is remembered by all threads together.
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Journal).unwrap());
    LINES.take();
    work();
    LINES.take()
}

#[test]
fn each_login_is_a_line_without_a_secret() {
    let lines = journal(|| {
        on_host(&Net::gentle(1), async |reactor| {
            let portal = Portal::accounts("ftp", Chain::new().with(people()).with(Anonymous::new()));
            let from = peer("192.0.2.7");
            let login = async |credentials| portal.login(&reactor, credentials, &from).await.map(drop);
            login(Credentials::password("ann", "secret")).await?;
            login(Credentials::password("x\nERROR y\u{1b}[31m", "secret")).await.unwrap_err();
            login(Credentials::password("n".repeat(9999), "secret")).await.unwrap_err();
            login(Credentials::Anonymous { trace: "me@example.org".into() }).await?;
            Ok(())
        });
    });
    let long = "n".repeat(128);
    let rest = "address=192.0.2.7:4711 mechanism=password";
    assert_eq!(
        lines,
        [
            format!("INFO message=login protocol=ftp account=ann {rest} result=ok"),
            format!("WARN message=login protocol=ftp account=x\\nERROR y\\u{{1b}}[31m {rest} result=refused"),
            format!("WARN message=login protocol=ftp account={long} {rest} result=refused"),
            "INFO message=login protocol=ftp account=anonymous address=192.0.2.7:4711 mechanism=anonymous result=ok"
                .into(),
        ]
    );
}

#[test]
fn what_is_wrong_with_a_realm_is_for_the_log() {
    let lines = journal(|| {
        on_host(&Net::gentle(1), async |reactor| {
            let broken = |reactor: &Reactor, _: Arc<Account>| -> Deferred<()> {
                at_once(reactor, Err("no folder /srv/ann".into()))
            };
            let door = Door(Portal::new("ftp", people(), broken), reactor);
            let (ended, _) = door.login("192.0.2.7", "ann", "secret").await;
            assert_eq!(ended, Err(Denied::Unavailable));
            // It was the right password all the same.
            assert!(door.login("192.0.2.7", "ann", "secret").await.1.is_zero());
            Ok(())
        });
    });
    assert!(lines[0].starts_with("ERROR") && lines[0].contains("no folder /srv/ann"), "{lines:?}");
    assert!(lines[1].ends_with("result=unavailable"), "{lines:?}");
}

#[test]
fn nobody_in_particular_may_look_only() {
    on_host(&Net::gentle(1), async |reactor| {
        let door = Door::new(&reactor, Chain::new().with(people()).with(Anonymous::new()));
        let nobody = Credentials::Anonymous { trace: String::new() };
        let account = door.0.login(&reactor, nobody, &peer("192.0.2.7")).await?;
        assert_eq!((&*account.name, account.rights), ("anonymous", Rights::READ_ONLY));
        assert_eq!(door.login("192.0.2.7", "anonymous", "x").await.0, Err(Denied::Refused));
        Ok(())
    });
}

#[test]
fn secrets_are_shown_by_nothing() {
    let credentials = Credentials::password("ann", "secret");
    assert_eq!(format!("{credentials:?}"), "Credentials { mechanism: Password, name: Some(\"ann\"), .. }");
    let portal = Portal::accounts("ftp", people());
    assert!(!format!("{portal:?}").contains("secret"));
}

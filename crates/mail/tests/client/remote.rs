//! Where messages go: MX, routes, hosts that do not answer, connections that wait.

use super::{Script, Shared, Trick, mailbox, server};
use std::{cell::RefCell, collections::BTreeMap, net::IpAddr, rc::Rc, time::Duration};
use trenza_core::{IntoEndpoint, Reactor};
use trenza_mail::{
    queue::{Carried, Carrier, Content, Fate, Parcel},
    smtp::{
        Host, Mail, Mailbox, Rcpt, Recipient,
        client::{ClientLimits, ClientOptions, Looking, Mx, NameError, Names, Remote, RemoteLimits, Route},
    },
};
use trenza_sim::{HostHandle, Net};
use trenza_storage::{Path, Storage, Write};
use trenza_tls::{ClientTls, Trust};

/// A DNS that is a table.
#[derive(Clone, Default)]
struct Table {
    mx: BTreeMap<&'static str, Vec<(u16, &'static str)>>,
    hosts: BTreeMap<&'static str, Vec<IpAddr>>,
    /// It does not answer.
    mute: bool,
}

impl Names for Table {
    fn mx(&self, domain: &str) -> Looking<Vec<Mx>> {
        let found = match self.mx.get(domain) {
            _ if self.mute => Err(NameError::Failed("SERVFAIL".into())),
            None if self.hosts.contains_key(domain) => Ok(Vec::new()),
            None => Err(NameError::Unknown),
            Some(records) => Ok(records
                .iter()
                .map(|(preference, host)| Mx { preference: *preference, host: (*host).into() })
                .collect()),
        };
        Box::pin(std::future::ready(found))
    }

    fn addresses(&self, host: &str) -> Looking<Vec<IpAddr>> {
        Box::pin(std::future::ready(self.hosts.get(host).cloned().ok_or(NameError::Unknown)))
    }
}

/// Servers `a`, `b` and `c`, and who carries from `cli` to them.
struct World {
    net: Net,
    scripts: BTreeMap<&'static str, Shared>,
    table: Table,
}

impl World {
    fn new() -> Self {
        let net = Net::gentle(1);
        let (mut scripts, mut table) = (BTreeMap::new(), Table::default());
        for name in ["a", "b", "c"] {
            let script: Shared = Rc::new(RefCell::new(Script::default()));
            let host = net.host(name);
            host.run(|reactor| server::serve(reactor, "tcp:25", &script)).unwrap();
            scripts.insert(name, script);
            table.hosts.insert(name, vec![address(&host)]);
        }
        Self { net, scripts, table }
    }

    fn mx(mut self, domain: &'static str, records: &[(u16, &'static str)]) -> Self {
        self.table.mx.insert(domain, records.to_vec());
        self
    }

    fn remote(&self) -> Remote {
        let limits = RemoteLimits {
            client: ClientLimits { connect: Duration::from_secs(5), ..ClientLimits::default() },
            ..RemoteLimits::default()
        };
        Remote::new("cli.example.org").names(self.table.clone()).limits(limits)
    }

    /// Carries a message to these, and lets connections end that wait.
    fn carry(&self, remote: Remote, to: &[&str]) -> Vec<Carried> {
        let to: Vec<Rcpt> = to.iter().map(|to| Rcpt::new(Mailbox::parse(to).unwrap())).collect();
        let carried = self.carry_all(remote, vec![to]);
        self.net.advance(Duration::from_secs(60));
        let left = self.net.host("cli").left();
        assert_eq!((left.connections, left.tasks), (0, 0), "{:?}", self.net.host("cli").leftovers());
        carried.into_iter().flatten().collect()
    }

    /// Carries one message after the other.
    fn carry_all(&self, remote: Remote, messages: Vec<Vec<Rcpt>>) -> Vec<Vec<Carried>> {
        let cli = self.net.host("cli");
        let disk = cli.disk();
        self.net
            .block_on(&cli, async move {
                let mut all = Vec::new();
                let storage = Storage::new(&Reactor::current(), disk);
                for (number, recipients) in messages.into_iter().enumerate() {
                    let content = content(&storage, &format!("message{number}")).await?;
                    let parcel = Parcel {
                        id: "1".into(),
                        destination: remote.destination(&recipients[0].to),
                        mail: Mail::new(Some(mailbox("me"))),
                        recipients,
                        message: content,
                    };
                    all.push(remote.carry(parcel).await);
                }
                Ok(all)
            })
            .unwrap()
    }

    fn sessions(&self) -> Vec<usize> {
        self.scripts.values().map(|script| script.borrow().sessions).collect()
    }

    fn taken(&self) -> Vec<usize> {
        self.scripts.values().map(|script| script.borrow().messages.len()).collect()
    }

    fn trick(self, host: &str, verb: &'static str, trick: Trick) -> Self {
        self.scripts[host].borrow_mut().tricks.push((verb, trick));
        self
    }
}

fn address(host: &HostHandle) -> IpAddr {
    host.ips()[0]
}

async fn content(storage: &Storage, name: &str) -> trenza_core::Result<Content> {
    let path = Path::new(name)?;
    let text = b"Subject: x\r\n\r\nhello\r\n";
    let upload = storage.upload(&path, Write::Replace).await?;
    upload.push(text);
    upload.finish(true).await?;
    Ok(Content::new(storage.clone(), storage.open(&path).await?, text.len() as u64))
}

fn relayed(carried: &[Carried]) -> Vec<Option<&str>> {
    carried.iter().map(|one| one.host.as_deref().filter(|_| one.fate.is_success())).collect()
}

#[test]
fn the_preferred_host_gets_it_and_the_next_when_it_is_not_there() {
    let world = World::new().mx("x", &[(20, "b"), (10, "a"), (30, "c")]);
    let carried = world.carry(world.remote(), &["ann@x", "bob@X"]);
    assert_eq!(relayed(&carried), [Some("a"), Some("a")]);
    assert_eq!(world.sessions(), [1, 0, 0]);

    world.net.host("a").kill();
    assert_eq!(relayed(&world.carry(world.remote(), &["ann@x"])), [Some("b")]);
    world.net.host("b").crash();
    assert_eq!(relayed(&world.carry(world.remote(), &["ann@x"])), [Some("c")]);
    world.net.host("c").kill();
    let carried = world.carry(world.remote(), &["ann@x", "bob@x"]);
    assert!(
        carried
            .iter()
            .all(|one| matches!(&one.fate, Fate::Unreachable(reply) if reply.code().is_transient()))
    );
}

#[test]
fn equal_hosts_share_the_work() {
    let world = World::new().mx("x", &[(10, "a"), (10, "b"), (10, "c")]);
    for _ in 0..30 {
        assert!(world.carry(world.remote(), &["ann@x"])[0].fate.is_success());
    }
    assert!(world.taken().iter().all(|count| (3..20).contains(count)), "{:?}", world.taken());
}

#[test]
fn a_host_that_lets_nobody_in_is_passed_over() {
    for (verb, trick) in [
        ("*", Trick::Say("554 no\r\n".into())),
        ("*", Trick::Last("421 busy\r\n")),
        ("*", Trick::Say("SSH-2.0\r\n".into())),
        ("EHLO", Trick::Reset),
        ("EHLO", Trick::Say("421 4.3.2 busy\r\n".into())),
        ("MAIL", Trick::Close),
        ("RCPT", Trick::Last("421 4.3.2 busy\r\n")),
        ("DATA", Trick::Reset),
        ("DATA", Trick::Delay(Duration::from_secs(1000))),
    ] {
        let world = World::new().mx("x", &[(1, "a"), (2, "b")]).trick("a", verb, trick.clone());
        let carried = world.carry(world.remote(), &["ann@x"]);
        assert_eq!(relayed(&carried), [Some("b")], "{verb} {trick:?}: {carried:?}");
        assert_eq!(world.taken(), [0, 1, 0]);
    }
}

#[test]
fn what_a_host_has_said_holds() {
    let world = World::new().mx("x", &[(1, "a"), (2, "b")]);
    world.scripts["a"].borrow_mut().recipients.insert("no", "550 5.1.1 who?");
    world.scripts["a"].borrow_mut().recipients.insert("later", "451 4.7.1 grey");
    let carried = world.carry(world.remote(), &["no@x", "ann@x", "later@x"]);
    assert!(matches!(&carried[0].fate, Fate::Refused(reply) if reply.text() == "who?"));
    assert!(matches!(&carried[1].fate, Fate::Relayed { notifies: false, .. }));
    assert!(matches!(&carried[2].fate, Fate::Later(reply) if reply.text() == "grey"));
    assert!(carried.iter().all(|one| one.host.as_deref() == Some("a")));
    assert_eq!(world.sessions(), [1, 0, 0]);
    // It may have the message: nobody else is given it now.
    for trick in [Trick::Reset, Trick::Last("421 4.3.2 down\r\n"), Trick::Say("451 4.3.0 oops\r\n".into())] {
        let world = World::new().mx("x", &[(1, "a"), (2, "b")]).trick("a", ".", trick);
        let carried = world.carry(world.remote(), &["ann@x"]);
        assert!(matches!(&carried[0].fate, Fate::Later(_)), "{carried:?}");
        assert_eq!(world.sessions(), [1, 0, 0]);
    }
}

#[test]
fn who_tells_of_success_is_known() {
    let world = World::new().mx("x", &[(1, "a")]);
    world.scripts["a"].borrow_mut().extensions = vec!["DSN", "PIPELINING"];
    let carried = world.carry(world.remote(), &["ann@x"]);
    assert!(matches!(&carried[0].fate, Fate::Relayed { notifies: true, .. }));
}

/// What is said of a domain that has nobody.
fn refusal(world: &World, to: &str) -> String {
    let carried = world.carry(world.remote(), &[to]);
    assert_eq!(carried[0].host, None);
    match &carried[0].fate {
        Fate::Refused(reply) => reply.status().unwrap().to_string(),
        other => panic!("{other}"),
    }
}

#[test]
fn domains_that_have_nobody() {
    let world = World::new().mx("null", &[(0, ".")]).mx("nowhere", &[(1, "gone"), (2, "lost")]);
    let world = world.mx("us", &[(10, "cli.example.org"), (20, "a")]).mx("back", &[(5, "CLI.example.org.")]);
    assert_eq!(refusal(&world, "ann@unknown"), "5.1.2");
    assert_eq!(refusal(&world, "ann@null"), "5.1.10");
    assert_eq!(refusal(&world, "ann@nowhere"), "5.4.4");
    assert_eq!(refusal(&world, "ann@us"), "5.4.6");
    assert_eq!(refusal(&world, "ann@back"), "5.4.6");
    assert_eq!(world.sessions(), [0, 0, 0]);
    // Without MX the domain is a host; a literal is one anyway.
    assert_eq!(relayed(&world.carry(world.remote(), &["ann@b"])), [Some("b")]);
    let ip = world.table.hosts["c"][0];
    let literal = format!("ann@{}", Host::Address(ip));
    assert_eq!(relayed(&world.carry(world.remote(), &[&literal])), [Some(&literal[4..])]);
    assert_eq!(world.taken(), [0, 1, 1]);
}

#[test]
fn a_dns_that_does_not_answer_is_asked_again() {
    let mut world = World::new();
    world.table.mute = true;
    let carried = world.carry(world.remote(), &["ann@a"]);
    assert!(
        matches!(&carried[0].fate, Fate::Unreachable(reply) if reply.to_string().starts_with("451 4.4.3 "))
    );
}

#[test]
fn routes_come_before_the_dns() {
    let world = World::new().mx("x", &[(1, "a")]);
    let route = |text: &str| Route::parse(text, ClientOptions::new()).unwrap();
    let remote = || world.remote().route(route("x=tcp:b:25")).route(route("*=tcp:c:25"));
    for (to, destination, host) in [
        ("ann@X", "tcp:b:25", "tcp:b:25"),
        ("ann@unknown", "tcp:c:25", "tcp:c:25"),
        ("ann@[10.9.9.9]", "tcp:c:25", "tcp:c:25"),
    ] {
        let recipient: Recipient = Mailbox::parse(to).unwrap().into();
        assert_eq!(remote().destination(&recipient), destination);
        assert_eq!(relayed(&world.carry(remote(), &[to])), [Some(host)]);
    }
    assert_eq!(remote().destination(&Recipient::Postmaster), "tcp:c:25");
    assert_eq!(world.scripts["b"].borrow().heard[0], "EHLO cli.example.org");
    assert_eq!(world.remote().destination(&Mailbox::parse("ann@X").unwrap().into()), "x");
    let none = Remote::new("cli.example.org");
    let carried = world.carry(none, &["ann@x"]);
    assert!(matches!(&carried[0].fate, Fate::Refused(reply) if reply.to_string().contains("no route")));
    for wrong in ["x", "=tcp:b:25", "tcp:b:25", "x="] {
        assert!(Route::parse(wrong, ClientOptions::new()).is_err(), "{wrong}");
    }
}

#[test]
fn routes_to_one_server_are_apart() {
    let world = World::new();
    let to = |name: &str| Mailbox::parse(name).unwrap();
    let name = |name: &str| ClientOptions::new().name(Host::parse(name).unwrap());
    let endpoint = || "tcp:a:25".into_endpoint().unwrap();
    let routes = [("x", name("one")), ("y", name("two")), ("z", name("three"))];
    let remote = || {
        let routes = routes.clone().into_iter();
        routes.fold(world.remote(), |remote, (domain, options)| {
            remote.route(Route::new(domain, endpoint(), options))
        })
    };
    let destinations = ["ann@x", "ann@y", "ann@z"].map(|name| remote().destination(&to(name).into()));
    assert_eq!(destinations, ["tcp:a:25", "tcp:a:25 (1)", "tcp:a:25 (2)"]);
    let one = |name: &str| vec![Rcpt::new(to(name))];
    let all = world.carry_all(remote(), vec![one("ann@x"), one("ann@y"), one("bob@x"), one("bob@y")]);
    assert!(all.iter().flatten().all(|one| one.host.as_deref() == Some("tcp:a:25")));
    let heard = world.scripts["a"].borrow().heard.join(" ");
    assert_eq!(["EHLO one", "EHLO two"].map(|hello| heard.matches(hello).count()), [1, 1], "{heard}");
}

#[test]
fn a_smarthost_that_lets_nobody_in_is_tried_again() {
    let world = World::new();
    let options = ClientOptions::new().login("ann", "secret").allow_plain_auth(true);
    world.scripts["a"].borrow_mut().extensions = vec!["AUTH PLAIN"];
    let remote = world.remote().route(Route::new("*", "tcp:a:25".into_endpoint().unwrap(), options));
    // The script knows no AUTH: 502, which would be for good if it were about the message.
    let carried = world.carry(remote, &["ann@x"]);
    assert!(
        matches!(&carried[0].fate, Fate::Unreachable(reply) if reply.code().is_transient()),
        "{carried:?}"
    );
}

#[test]
fn lmtp_by_a_route() {
    let world = World::new();
    world.scripts["a"].borrow_mut().lmtp = true;
    world.scripts["a"].borrow_mut().ends.insert("full", "452 4.2.2 full");
    let route = Route::parse("x=tcp:a:25", ClientOptions::new().lmtp(true)).unwrap();
    let carried = world.carry(world.remote().route(route), &["ann@x", "full@x"]);
    assert!(
        matches!((&carried[0].fate, &carried[1].fate), (Fate::Delivered(_), Fate::Later(_))),
        "{carried:?}"
    );
}

#[test]
fn connections_are_used_again() {
    let one = |name: &str| vec![Rcpt::new(Mailbox::parse(name).unwrap())];
    let world = World::new();
    let all = world.carry_all(world.remote(), vec![one("ann@a"), one("bob@a"), one("x@b"), one("eve@a")]);
    assert!(all.iter().flatten().all(|one| one.fate.is_success()));
    assert_eq!((world.sessions(), world.taken()), (vec![1, 1, 0], vec![3, 1, 0]));
}

#[test]
fn a_connection_that_has_ended_meanwhile_is_made_again() {
    let one = |name: &str| vec![Rcpt::new(Mailbox::parse(name).unwrap())];
    for trick in [Trick::Close, Trick::Reset, Trick::Last("421 4.4.2 idle\r\n")] {
        let world = World::new();
        // At the second MAIL: the first one is answered.
        world.scripts["a"].borrow_mut().tricks =
            vec![("MAIL", Trick::Say("250 2.1.0 fine\r\n".into())), ("MAIL", trick.clone())];
        let all = world.carry_all(world.remote(), vec![one("ann@a"), one("bob@a")]);
        assert!(all.iter().flatten().all(|one| one.fate.is_success()), "{trick:?}: {all:?}");
        assert_eq!((world.sessions()[0], world.taken()[0]), (2, 2));
    }
}

#[test]
fn a_server_that_forgets_nothing_is_connected_to_anew() {
    let one = |name: &str| vec![Rcpt::new(Mailbox::parse(name).unwrap())];
    for refusal in ["502 5.5.1 what?\r\n", "451 4.3.0 not now\r\n"] {
        let world = World::new().trick("a", "RSET", Trick::Say(refusal.into()));
        world.scripts["a"].borrow_mut().recipients.insert("no", "550 5.1.1 who?");
        let all = world.carry_all(world.remote(), vec![one("no@a"), one("ann@a")]);
        assert!(matches!(all[0][0].fate, Fate::Refused(_)), "{all:?}");
        assert!(all[1][0].fate.is_success(), "it says nothing of the message: {all:?}");
        assert_eq!((world.sessions()[0], world.taken()[0]), (2, 1));
    }
}

#[test]
fn recipients_beyond_what_every_server_takes_come_in_parts() {
    let world = World::new();
    let names: Vec<String> = (0..250).map(|n| format!("user{n}@a")).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let carried = world.carry(world.remote(), &names);
    assert!(carried.len() == 250 && carried.iter().all(|one| one.fate.is_success()));
    let counts: Vec<usize> =
        world.scripts["a"].borrow().messages.iter().map(|taken| taken.recipients.len()).collect();
    assert_eq!((counts, world.sessions()[0]), (vec![100, 100, 50], 1));
}

#[test]
fn a_server_that_takes_few_at_once_gets_the_rest_with_the_next_message() {
    let world = World::new();
    world.scripts["a"].borrow_mut().recipients_max = 2;
    world.scripts["a"].borrow_mut().recipients.insert("no", "550 5.1.1 who?");
    let carried = world.carry(world.remote(), &["1@a", "2@a", "no@a", "3@a", "4@a", "5@a"]);
    let refused: Vec<bool> = carried.iter().map(|one| !one.fate.is_success()).collect();
    assert_eq!(refused, [false, false, true, false, false, false], "{carried:?}");
    assert_eq!((world.sessions()[0], world.taken()[0]), (1, 3));
}

#[test]
fn tls_where_the_server_has_it() {
    let (server, ..) = super::tls::tls();
    let world = World::new().mx("x", &[(1, "a"), (2, "b")]);
    for name in ["a", "b"] {
        world.scripts[name].borrow_mut().extensions = vec!["STARTTLS"];
        world.scripts[name].borrow_mut().tls = Some(server.clone());
    }
    let anybody = ClientTls::new().trust(Trust::DangerouslyAnybody).build().unwrap();
    assert_eq!(relayed(&world.carry(world.remote().tls(anybody.clone()), &["ann@x"])), [Some("a")]);
    let said = world.scripts["a"].borrow().heard.join(" ");
    assert!(said.starts_with("EHLO cli.example.org STARTTLS EHLO"), "{said}");
    // One that breaks its TLS gets the message all the same, by a second connection.
    world.scripts["a"].borrow_mut().tricks.push(("STARTTLS", Trick::Close));
    assert_eq!(relayed(&world.carry(world.remote().tls(anybody), &["ann@x"])), [Some("a")]);
    assert_eq!(world.sessions(), [3, 0, 0]);
}

#[test]
fn connections_that_wait_end_at_a_stop() {
    let world = World::new();
    world.carry_all(world.remote(), vec![vec![Rcpt::new(Mailbox::parse("ann@a").unwrap())]]);
    let cli = world.net.host("cli");
    cli.run(|reactor| reactor.stop());
    world.net.advance(Duration::from_secs(2));
    assert!(!cli.is_running());
    assert_eq!(world.scripts["a"].borrow().heard.last().map(String::as_str), Some("QUIT"));
}

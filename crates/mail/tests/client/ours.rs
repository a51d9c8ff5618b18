//! The client and our own server.

use super::{codes, failed, mailbox, rcpts, tls::tls};
use std::{cell::RefCell, rc::Rc};
use trenza_auth::{Account, Memory, Portal, at_once};
use trenza_core::{Deferred, IntoEndpoint, Reactor, Result};
use trenza_mail::smtp::{
    Mail, Rcpt, SmtpServer,
    client::{Cause, Client, ClientLimits, ClientOptions, Lack, Step},
    server::{Answer, Client as Session, Delivery, Envelope, Message, Outcome},
};
use trenza_sim::{HostHandle, Net};
use trenza_tls::{ServerTls, Side};

/// Keeps messages: of whom, and the text.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<Received>>>);

type Received = (Rc<Envelope>, Vec<u8>);

struct Text(Kept, Rc<Envelope>, Vec<u8>);

impl Delivery for Kept {
    fn recipient(&self, _: &Session, _: &Mail, _: &Rcpt) -> Answer {
        Answer::Accept
    }

    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        let message = Text(self.clone(), envelope, Vec::new());
        at_once(&Reactor::current(), Ok(Box::new(message) as Box<dyn Message>))
    }
}

impl Message for Text {
    fn push(&mut self, bytes: &[u8]) {
        self.2.extend_from_slice(bytes);
    }

    fn finish(self: Box<Self>) -> Deferred<Outcome> {
        let Self(kept, envelope, text) = *self;
        kept.0.borrow_mut().push((envelope, text));
        at_once(&Reactor::current(), Ok(Outcome::Accepted))
    }
}

fn serve(net: &Net, server: SmtpServer, tls: &ServerTls) -> (HostHandle, Kept) {
    let (srv, kept, server) = (net.host("srv"), Kept::default(), server.tls(tls.clone()));
    srv.run(|reactor| {
        let factory = server.on(kept.clone());
        reactor.listen_with("tcp:25", factory.clone())?;
        reactor.listen_with("unix:/run/smtp.sock", factory.clone())?;
        reactor.listen_with(tls.over("tcp:465".into_endpoint()?), factory)
    })
    .unwrap();
    (srv, kept)
}

fn submission() -> SmtpServer {
    let users = Memory::new().with(Account::new("ann"), "se\u{df}cret, = ").with(Account::new("b,=b"), "x");
    SmtpServer::submission("srv.example.org", Portal::accounts("smtp", users)).domains(["example.org"])
}

#[test]
fn messages_of_all_sizes() {
    let (server, own, _) = tls();
    for seed in 0..4 {
        for chunking in [1, u64::MAX] {
            let net = Net::new(seed);
            let (_, kept) = serve(&net, SmtpServer::reception("srv", ["example.org"]), &server);
            let limits = ClientLimits { chunking, ..ClientLimits::default() };
            let options = ClientOptions::new().starttls(own.clone()).limits(limits);
            net.block_on(&net.host("cli"), async move {
                let mut client = Client::connect("tcp:srv:25", options).await?;
                for size in [0, 1, 1000, 300_000, 1_500_000] {
                    let text: Vec<u8> = (0..size / 10)
                        .flat_map(|n| format!(".{:07}\r\n", n % 9_999_999).into_bytes())
                        .collect();
                    let mail = Mail::new(Some(mailbox("me")));
                    let fates = client.send(&mail, &rcpts(&["ann", "bob"]), &*text).await;
                    assert_eq!(codes(&fates), [250, 250]);
                    let all = kept.0.borrow();
                    let (envelope, got) = all.last().unwrap();
                    assert!(got.ends_with(&text) && got.starts_with(b"Received: "), "{size}");
                    assert_eq!(envelope.recipients.len(), 2);
                }
                client.noop().await?;
                client.reset().await?;
                Ok(client.quit().await?)
            })
            .unwrap();
        }
    }
}

/// Logs in and sends a message; by which name the session was let in.
fn login(to: &'static str, options: ClientOptions, sender: &'static str) -> Result<String> {
    let (server, ..) = tls();
    let net = Net::new(5);
    let (_, kept) = serve(&net, submission().allow_plain_auth(true), &server);
    net.block_on(&net.host(if to.starts_with("unix") { "srv" } else { "cli" }), async move {
        let mut client = Client::connect(to, options).await?;
        let fates = client.send(&Mail::new(Some(mailbox(sender))), &rcpts(&["x"]), &b"x"[..]).await;
        assert_eq!(codes(&fates), [250]);
        let all = kept.0.borrow();
        Ok(all[0].0.client.account.as_ref().unwrap().name.clone())
    })
}

#[test]
fn logins() {
    let ann = || ClientOptions::new().login("ann", "se\u{df}cret, = ");
    let (_, own, anybody) = tls();
    // In clear text nobody logs in who does not want to.
    let error = failed(login("tcp:srv:25", ann(), "ann"));
    assert!(error.step() == Step::Auth && matches!(error.cause(), Cause::Lacks(Lack::Tls)), "{error}");
    drop((own, anybody));
    assert_eq!(login("tcp:srv:25", ann().allow_plain_auth(true), "ann").unwrap(), "ann");
    assert_eq!(login("unix:/run/smtp.sock", ann(), "ann").unwrap(), "ann");

    let wrong = ClientOptions::new().login("ann", "guess").allow_plain_auth(true);
    let error = failed(login("tcp:srv:25", wrong, "ann"));
    assert_eq!((error.step(), error.reply().code().number()), (Step::Auth, 535));
}

#[test]
fn logins_over_tls_and_not_over_the_tls_of_anybody() {
    let (server, own, anybody) = tls();
    let net = Net::new(3);
    let (_, kept) = serve(&net, submission(), &server);
    let connect = |options: ClientOptions, to: &'static str| {
        let own = own.clone();
        net.block_on(&net.host("cli"), async move {
            let endpoint = match to {
                "tls" => own.over("tcp:srv:465".into_endpoint()?),
                to => to.into_endpoint()?,
            };
            let client = Client::connect(endpoint, options.login("b,=b", "x")).await?;
            Ok(client.quit().await?)
        })
    };
    connect(ClientOptions::new().starttls(own.clone()), "tcp:srv:25").unwrap();
    connect(ClientOptions::new(), "tls").unwrap();
    let error = failed(connect(ClientOptions::new().opportunistic_tls(anybody), "tcp:srv:25"));
    assert!(matches!(error.cause(), Cause::Lacks(Lack::Tls)), "{error:?}");
    assert!(kept.0.borrow().is_empty());
}

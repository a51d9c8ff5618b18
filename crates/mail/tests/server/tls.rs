//! STARTTLS, and TLS from the start.

use crate::{maildirs, reception, submission};
use std::time::Duration;
use trenza_core::{IntoEndpoint, Reactor, Result, Stream};
use trenza_mail::smtp::{Reply, SmtpServer, reply};
use trenza_sim::{HostHandle, Net};
use trenza_storage::Storage;
use trenza_tls::{ClientTls, ClientTlsTo, Identity, ServerTls, Side, StartTls, Trust};

/// A certificate for `srv`, and who trusts it.
fn tls() -> (ServerTls, ClientTlsTo) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let cert = rcgen::CertificateParams::new(vec!["srv".to_owned()]).unwrap().self_signed(&key).unwrap();
    let identity = Identity::from_pem((cert.pem() + &key.serialize_pem()).as_bytes()).unwrap();
    let client = ClientTls::new().trust(Trust::Ca(cert.pem().into_bytes())).build().unwrap();
    (ServerTls::new(identity).build().unwrap(), client.to("srv").unwrap())
}

/// At `tcp:25`, and with TLS from the start at `tcp:465`.
fn serve(net: &Net, server: SmtpServer, tls: &ServerTls) -> HostHandle {
    let (srv, server) = (net.host("srv"), server.tls(tls.clone()));
    let disk = srv.disk();
    srv.run(|reactor| {
        let factory = server.on(maildirs(&Storage::new(reactor, disk)));
        reactor.listen_with("tcp:25", factory.clone())?;
        reactor.listen_with(tls.over("tcp:465".into_endpoint()?), factory)
    })
    .unwrap();
    srv
}

struct Client(Stream, reply::Reader);

impl Client {
    async fn connect(to: &str) -> Result<Self> {
        Ok(Self(Reactor::current().open(to).await?, reply::Reader::default()))
    }

    async fn reply(&mut self) -> Result<Reply> {
        let reader = &mut self.1;
        let reply = self.0.next(|input| Ok(reader.next(input)?)).await?;
        reply.ok_or_else(|| "the connection has ended".into())
    }

    async fn ask(&mut self, text: &str, code: u16) -> Result<Reply> {
        self.0.write_all(format!("{text}\r\n").as_bytes()).await?;
        let reply = self.reply().await?;
        assert_eq!(reply.code().number(), code, "{text}: {reply}");
        Ok(reply)
    }
}

/// A client that begins TLS and sends a message.
async fn dialogue(side: ClientTlsTo) -> Result {
    let mut client = Client::connect("tcp:srv:25").await?;
    client.reply().await?;
    assert!(client.ask("EHLO x", 250).await?.lines().any(|line| line == "STARTTLS"));
    client.ask("MAIL FROM:<>", 530).await?;
    client.ask("STARTTLS", 220).await?;
    client.0.transport().start_tls(&side)?;
    // Nothing that was said before counts.
    client.ask("MAIL FROM:<>", 503).await?;
    assert!(client.ask("EHLO y", 250).await?.lines().all(|line| line != "STARTTLS"));
    client.ask("STARTTLS", 503).await?;
    client.ask("MAIL FROM:<>", 250).await?;
    client.ask("RCPT TO:<ann@example.org>", 250).await?;
    client.ask("DATA", 354).await?;
    client.ask(&("x".repeat(100_000) + "\r\n."), 250).await?;
    client.ask("QUIT", 221).await?;
    Ok(())
}

#[test]
fn a_message_over_starttls() {
    let (server, client) = tls();
    for seed in 0..6 {
        let net = Net::new(seed);
        let srv = serve(&net, reception().require_tls(true), &server);
        net.block_on(&net.host("cli"), dialogue(client.clone())).unwrap();
        let message = &crate::messages(&srv.disk(), "ann")[0];
        assert!(message.contains("with ESMTPS id ") && message.contains(&"x".repeat(100_000)));
        net.advance(Duration::from_secs(10));
        assert_eq!(srv.left().connections, 0);
    }
}

#[test]
fn who_is_gone_at_any_time_leaves_nothing_or_all() {
    let (server, client) = tls();
    let mut stored = 0;
    for step in 0..60 {
        let net = Net::new(step);
        let (srv, cli) = (serve(&net, reception().require_tls(true), &server), net.host("cli"));
        net.latency(Duration::from_millis(10));
        cli.run(|reactor| reactor.spawn(dialogue(client.clone())).detach());
        net.advance(Duration::from_millis(step * 8));
        // By a reset, or without a word.
        if step % 2 == 0 {
            cli.kill()
        } else {
            cli.crash()
        }
        net.advance(Duration::from_secs(700));
        let messages = crate::messages(&srv.disk(), "ann");
        assert!(
            messages.iter().all(|message| message.ends_with(&("x".repeat(100_000) + "\r\n"))),
            "step {step}"
        );
        assert!(crate::left_over(&srv.disk(), "ann").is_empty(), "step {step}");
        assert_eq!(srv.left().connections, 0, "step {step}: {:?}", srv.leftovers());
        stored += messages.len();
    }
    assert!((1..60).contains(&stored), "{stored} of 60");
}

#[test]
fn what_stands_behind_starttls_in_clear_text_is_not_obeyed() {
    let (server, _) = tls();
    let net = Net::gentle(1);
    let srv = serve(&net, reception(), &server);
    let client = net.host("cli").probe("tcp:srv:25");
    client.send(
        "EHLO x\r\nSTARTTLS\r\nEHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\na\r\n.\r\n",
    );
    net.advance(Duration::from_secs(60));
    let replies = client.received();
    let replies = String::from_utf8_lossy(&replies);
    let after = replies.split("220 2.0.0 ").nth(1).unwrap();
    assert!(!after.contains("250") && client.lost(), "{replies}");
    assert!(crate::messages(&srv.disk(), "ann").is_empty() && srv.left().connections == 0);
}

#[test]
fn logins_over_tls_from_the_start() {
    let (server, client) = tls();
    let net = Net::gentle(1);
    let srv = serve(&net, submission(), &server);
    net.block_on(&net.host("cli"), async move {
        let to = client.over("tcp:srv:465".into_endpoint()?);
        let mut client = Client(Reactor::current().open(to).await?, reply::Reader::default());
        client.reply().await?;
        let offered = client.ask("EHLO x", 250).await?;
        assert!(offered.lines().any(|line| line == "AUTH SCRAM-SHA-256 PLAIN LOGIN"), "{offered}");
        client.ask("AUTH PLAIN AGFubgBzZWNyZXQ=", 235).await?;
        client.ask("MAIL FROM:<ann@example.org>", 250).await?;
        client.ask("RCPT TO:<bob@anywhere>", 250).await?;
        client.ask("BDAT 0 LAST", 250).await?;
        Ok(())
    })
    .unwrap();
    assert!(crate::messages(&srv.disk(), "bob")[0].contains("with ESMTPSA id "));
}

//! STLS, and TLS from the start.

use crate::{deliver, find, protected};
use std::time::Duration;
use trenza_core::{IntoEndpoint, Reactor, Result, Stream};
use trenza_mail::pop3::{Pop3Server, Reply, Status};
use trenza_sim::{HostHandle, Net};
use trenza_storage::Storage;
use trenza_tls::{ClientTls, ClientTlsTo, Identity, ServerTls, Side, StartTls, Trust};

/// A certificate for `srv`, and who trusts it.
pub(crate) fn tls() -> (ServerTls, ClientTlsTo) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let cert = rcgen::CertificateParams::new(vec!["srv".to_owned()]).unwrap().self_signed(&key).unwrap();
    let identity = Identity::from_pem((cert.pem() + &key.serialize_pem()).as_bytes()).unwrap();
    let client = ClientTls::new().trust(Trust::Ca(cert.pem().into_bytes())).build().unwrap();
    (ServerTls::new(identity).build().unwrap(), client.to("srv").unwrap())
}

const TEXT: &str = "Subject: a\r\n\r\nHello!\r\n";

/// At `tcp:110`, and with TLS from the start at `tcp:995`.
fn serve(net: &Net, server: Pop3Server, tls: &ServerTls) -> HostHandle {
    let (srv, server) = (net.host("srv"), server.tls(tls.clone()));
    deliver(&srv, "ann", &[TEXT.as_bytes(), &b"0123456789\r\n".repeat(20_000), b"last\r\n"]);
    let disk = srv.disk();
    srv.run(|reactor| {
        let factory = server.on(find(&Storage::new(reactor, disk)));
        reactor.listen_with("tcp:110", factory.clone())?;
        reactor.listen_with(tls.over("tcp:995".into_endpoint()?), factory)
    })
    .unwrap();
    srv
}

struct Client(Stream);

impl Client {
    async fn reply(&mut self) -> Result<Reply> {
        let reply = self.0.next(|input| Ok(Reply::read(input)?)).await?;
        reply.ok_or_else(|| "the connection has ended".into())
    }

    async fn ask(&mut self, text: &str, status: Status) -> Result<Reply> {
        self.0.write_all(format!("{text}\r\n").as_bytes()).await?;
        let reply = self.reply().await?;
        assert_eq!(reply.status(), status, "{text}: {reply}");
        Ok(reply)
    }

    /// How many bytes the lines behind a reply have.
    async fn lines(&mut self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let line = self.0.line(1000).await?.ok_or("the connection has ended")?;
            if line == b"." {
                return Ok(all);
            }
            all.extend(line);
            all.extend(b"\r\n");
        }
    }
}

/// A client that begins TLS, fetches all messages, and deletes two of them.
async fn dialogue(side: ClientTlsTo) -> Result {
    let mut client = Client(Reactor::current().open("tcp:srv:110").await?);
    client.reply().await?;
    client.ask("USER ann", Status::Err).await?;
    client.ask("CAPA", Status::Ok).await?;
    assert!(String::from_utf8(client.lines().await?)?.contains("STLS\r\n"));
    client.ask("STLS", Status::Ok).await?;
    client.0.transport().start_tls(&side)?;
    // Nothing that was said before counts.
    client.ask("PASS secret", Status::Err).await?;
    client.ask("STLS", Status::Err).await?;
    client.ask("CAPA", Status::Ok).await?;
    let offered = String::from_utf8(client.lines().await?)?;
    assert!(offered.contains("USER\r\nSASL ") && !offered.contains("STLS"), "{offered}");
    client.ask("USER ann", Status::Ok).await?;
    client.ask("PASS secret", Status::Ok).await?;
    client.ask("RETR 1", Status::Ok).await?;
    assert_eq!(client.lines().await?, TEXT.as_bytes());
    client.ask("DELE 1", Status::Ok).await?;
    client.ask("RETR 2", Status::Ok).await?;
    assert_eq!(client.lines().await?.len(), 240_000);
    client.ask("DELE 2", Status::Ok).await?;
    client.ask("QUIT", Status::Ok).await?;
    Ok(())
}

#[test]
fn a_session_over_stls() {
    let (server, client) = tls();
    for seed in 0..6 {
        let net = Net::new(seed);
        let srv = serve(&net, protected(), &server);
        net.block_on(&net.host("cli"), dialogue(client.clone())).unwrap();
        assert_eq!(crate::left(&srv.disk(), "ann"), ["3.a.srv"]);
        net.advance(Duration::from_secs(10));
        assert_eq!(srv.left().connections, 0);
    }
}

#[test]
fn who_is_gone_at_any_time_has_deleted_nothing_or_all() {
    let (server, client) = tls();
    let mut deleted = 0;
    for step in 0..80 {
        let net = Net::new(step);
        let (srv, cli) = (serve(&net, protected(), &server), net.host("cli"));
        net.latency(Duration::from_millis(10));
        cli.run(|reactor| reactor.spawn(dialogue(client.clone())).detach());
        net.advance(Duration::from_millis(step * 8));
        // By a reset, or without a word.
        if step % 2 == 0 {
            cli.kill()
        } else {
            cli.crash()
        }
        net.advance(Duration::from_secs(1500));
        let left = crate::left(&srv.disk(), "ann");
        assert!(left.len() == 3 || left == ["3.a.srv"], "step {step}: {left:?}");
        assert_eq!(srv.left().connections, 0, "step {step}: {:?}", srv.leftovers());
        deleted += usize::from(left.len() == 1);
    }
    assert!((1..80).contains(&deleted), "{deleted} of 80");
}

#[test]
fn what_stands_behind_stls_in_clear_text_is_not_obeyed() {
    let (server, _) = tls();
    let net = Net::gentle(1);
    let srv = serve(&net, protected().allow_plain_auth(true), &server);
    let client = net.host("cli").probe("tcp:srv:110");
    client.send("STLS\r\nUSER ann\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n");
    net.advance(Duration::from_secs(60));
    let said = client.received();
    let said = String::from_utf8_lossy(&said);
    assert!(said.matches("+OK").count() == 2 && client.lost(), "{said}");
    assert_eq!((crate::left(&srv.disk(), "ann").len(), srv.left().connections), (3, 0));
}

#[test]
fn tls_from_the_start() {
    let (server, client) = tls();
    let net = Net::gentle(1);
    let srv = serve(&net, protected(), &server);
    net.block_on(&net.host("cli"), async move {
        let to = client.over("tcp:srv:995".into_endpoint()?);
        let mut client = Client(Reactor::current().open(to).await?);
        client.reply().await?;
        client.ask("AUTH PLAIN AGFubgBzZWNyZXQ=", Status::Ok).await?;
        client.ask("DELE 3", Status::Ok).await?;
        client.ask("QUIT", Status::Ok).await?;
        Ok(())
    })
    .unwrap();
    assert_eq!(crate::left(&srv.disk(), "ann"), ["1.a.srv", "2.a.srv"]);
}

//! Logging in, what is asked beside transfers, TLS.

use super::{Site, fetch, pattern, put};
use crate::server::{self, Trick};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use std::time::Duration;
use trenza_core::{Result, Stream};
use trenza_ftp::{Client, ClientError, ClientOptions, Code, Dial};
use trenza_sim::{Net, for_seeds};
use trenza_tls::{ClientTls, ClientTlsTo, Identity, ServerTls, Side, Trust};

/// A server's TLS, and a client's that trusts it.
pub(crate) fn tls() -> (ServerTls, ClientTlsTo) {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let cert = CertificateParams::new(vec!["srv".into()]).unwrap().self_signed(&key).unwrap();
    let identity = Identity::from_pem(format!("{}{}", cert.pem(), key.serialize_pem()).as_bytes()).unwrap();
    let client = ClientTls::new().trust(Trust::Ca(cert.pem().into_bytes())).build().unwrap();
    (ServerTls::new(identity).build().unwrap(), client.to("srv").unwrap())
}

#[test]
fn what_is_asked_beside_transfers() {
    let site = Site::gentle().file("a", "1");
    let done = site.with(ClientOptions::new(), async |client| {
        assert_eq!(client.pwd().await?, b"/a \"b\"");
        client.cwd("x").await?;
        client.rename("a", "b").await?;
        client.mkdir("c").await?;
        client.delete("a").await?;
        assert!(client.mdtm("a").await? > std::time::SystemTime::UNIX_EPOCH);
        let error = client.site("MAGIC").await.unwrap_err();
        assert_eq!(error.to_string(), "SITE MAGIC: the server says 504 no");
        assert_eq!(client.size("a\x1b").await.unwrap_err().asked(), "SIZE a?");
        Ok(())
    });
    done.unwrap();
    assert_eq!(site.script.borrow().heard[..5], ["USER", "PASS", "FEAT", "OPTS", "OPTS"]);
    site.assert_quiet();
}

#[test]
fn a_wrong_password_and_a_server_that_is_busy() {
    let site = Site::gentle();
    let dial = Dial::new("tcp:srv:21", ClientOptions::new()).unwrap().account("ann", "wrong");
    let error = site.net.block_on(&site.client(), async move { Ok(dial.open().await.unwrap_err()) }).unwrap();
    assert_eq!(error.code(), Some(Code::NOT_LOGGED_IN));
    assert!(!error.is_transient() && !error.to_string().contains("wrong\""));

    let net = Net::gentle(1);
    net.host("srv").run(|reactor| reactor.serve("tcp:21", busy).map(drop)).unwrap();
    let connect = async { Ok(Client::connect("tcp:srv:21", ClientOptions::new()).await.unwrap_err()) };
    let error = net.block_on(&net.host("cli"), connect).unwrap();
    assert_eq!(error.code(), Some(Code::UNAVAILABLE));
    assert!(error.is_transient());
}

async fn busy(mut stream: Stream) -> Result {
    stream.write_all(b"120 wait\r\n421-come\r\n421 later\r\n").await?;
    stream.close().await
}

#[test]
fn explicit_tls_protects_data_and_continues_sessions() {
    for_seeds(0..10, |seed| {
        let (server, client) = tls();
        let site = Site::new(Net::new(seed)).file("a", pattern(100_000));
        site.script.borrow_mut().tls = Some(server);
        let done = site.with(ClientOptions::new().explicit_tls(client), async |client| {
            assert!(client.peer().secured.is_some());
            assert_eq!(fetch(client, "a", 0).await?, pattern(100_000));
            put(client, "b", 0, &pattern(100_000)).await?;
            put(client, "short", 0, b"x").await?;
            put(client, "empty", 0, b"").await?;
            assert_eq!(client.list(None).await?.len(), 4);
            Ok(())
        });
        done.unwrap();
        assert_eq!(site.stored("b"), Some(pattern(100_000)));
        assert_eq!((site.stored("short"), site.stored("empty")), (Some(b"x".to_vec()), Some(Vec::new())));
        assert_eq!(site.script.borrow().heard[..3], ["AUTH", "PBSZ", "PROT"]);
        assert_eq!(site.script.borrow().resumed, [true; 5]);
        site.assert_quiet();
    });
}

#[test]
fn implicit_tls() {
    let (server, client) = tls();
    let site = Site::gentle().file("a", "1");
    site.script.borrow_mut().tls = Some(server.clone());
    let on = trenza_core::IntoEndpoint::into_endpoint("tcp:990").unwrap();
    site.net.host("srv").run(|reactor| server::serve(reactor, server.over(on), &site.script)).unwrap();
    let dial =
        Dial::new("tcp:srv:990", ClientOptions::new().implicit_tls(client)).unwrap().account("ann", "secret");
    let fetched =
        site.net.block_on(&site.client(), async move { fetch(&mut dial.open().await?, "a", 0).await });
    assert_eq!(fetched.unwrap(), b"1");
}

/// Nothing is said in plain to a server that was to have TLS, nor to one that cannot be trusted.
#[test]
fn no_password_without_the_tls_that_was_asked_for() {
    let (_, client) = tls();
    let (other, _) = tls();
    for trick in
        [Some(Trick::Say("502 no\r\n")), Some(Trick::Say("234 go\r\n230 you are in already\r\n")), None]
    {
        let mut site = Site::gentle();
        site.script.borrow_mut().tls = Some(other.clone());
        if let Some(trick) = trick {
            site = site.trick("AUTH", trick);
        }
        let error =
            site.with(ClientOptions::new().explicit_tls(client.clone()), async |_| Ok(())).unwrap_err();
        let error = error.downcast::<ClientError>().unwrap();
        assert!(matches!(*error, ClientError::Refused { .. } | ClientError::Connection { .. }), "{error:?}");
        assert_eq!((site.heard("USER"), site.heard("PASS")), (0, 0), "{trick:?}");
        site.net.advance(Duration::from_secs(60));
    }
}

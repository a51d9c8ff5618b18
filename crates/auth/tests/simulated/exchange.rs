//! SCRAM from the first message to the login.

use super::{on_host, peer, people};
use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use trenza_auth::{
    Account, Chain, Checker, Credentials, Denied, Mechanism, Mechanisms, Memory, Portal, Record, Verifier,
    scram::{NONCE_LEN, ScramKeys, ScramServer},
};
use trenza_core::{Deferred, Error, Reactor, Result};
use trenza_sim::Net;

/// A client's last message, and the answer that it expects.
fn client(password: &str, first: &str, challenge: &str) -> (String, String) {
    let fields: Vec<&str> = challenge.split(',').map(|field| &field[2..]).collect();
    let [nonce, salt, iterations] = fields[..] else { panic!("{challenge}") };
    let salt = BASE64_STANDARD.decode(salt).unwrap();
    let iterations: NonZeroU32 = iterations.parse().unwrap();
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
    let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    let client_key = mac(&salted, "Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let bare = format!("c=biws,r={nonce}");
    let message = format!("{},{challenge},{bare}", first.strip_prefix("n,,").unwrap());
    let signature = mac(stored_key.as_ref(), &message);
    let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
    let server = mac(mac(&salted, "Server Key").as_ref(), &message);
    (format!("{bare},p={}", BASE64_STANDARD.encode(proof)), format!("v={}", BASE64_STANDARD.encode(server)))
}

/// Salt and iterations that were offered, and what came of it.
async fn exchange(
    portal: &Portal,
    reactor: &Reactor,
    name: &str,
    password: &str,
) -> Result<(String, Result<String, Denied>)> {
    let first = format!("n,,n={name},r=client");
    let mut server = ScramServer::begin(first.as_bytes())?;
    let keys = portal.scram_keys(reactor, server.name()).await?;
    let mut random = [0; NONCE_LEN];
    reactor.random(&mut random);
    let challenge = server.challenge(keys, &random);
    let (last, expected) = client(password, &first, &challenge);
    let (credentials, farewell) = server.finish(last.as_bytes())?;
    let login = portal.login(reactor, credentials, &peer("192.0.2.7")).await;
    let outcome = login.map(|account| account.name.clone()).map_err(|error| Denied::of(&error));
    assert_eq!(outcome.is_ok(), farewell == expected, "only who knows the keys can prove it");
    Ok((challenge.split_once(",s=").unwrap().1.to_owned(), outcome))
}

/// A checker that counts how often it is asked for keys.
#[derive(Debug, Clone)]
struct Asked(Memory, Arc<AtomicUsize>);

impl Checker for Asked {
    fn check(&self, reactor: &Reactor, shown: &Arc<Credentials>) -> Deferred<Option<Arc<Account>>> {
        self.0.check(reactor, shown)
    }

    fn mechanisms(&self) -> Mechanisms {
        self.0.mechanisms()
    }

    fn scram_keys(&self, reactor: &Reactor, name: &str) -> Deferred<Option<ScramKeys>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.scram_keys(reactor, name)
    }
}

/// Else the time would tell which of a chain has an account, and that one has it.
#[test]
fn the_whole_chain_is_asked_for_keys_whoever_it_is() {
    on_host(&Net::gentle(1), async |reactor| {
        let count = Arc::new(AtomicUsize::new(0));
        let other = Memory::new().with(Account::new("ann"), "other").with(Account::new("eve"), "third");
        let chain = Chain::new().with(people()).with(Asked(other, count.clone()));
        for (asked, name) in (1..).zip(["ann", "eve", "nobody"]) {
            assert_eq!(chain.scram_keys(&reactor, name).await?.unwrap().is_decoy(), name == "nobody");
            assert_eq!(count.load(Ordering::Relaxed), asked, "{name}");
        }
        let portal = Portal::accounts("test", chain);
        assert_eq!(exchange(&portal, &reactor, "ann", "secret").await?.1, Ok("ann".to_owned()));
        Ok(())
    });
}

#[test]
fn the_right_password_gets_in() {
    on_host(&Net::gentle(1), async |reactor| {
        let odd = Memory::new().with(Account::new("a=b,c"), "secret");
        let portal = Portal::accounts("test", Chain::new().with(people()).with(odd));
        assert_eq!(exchange(&portal, &reactor, "ann", "secret").await?.1, Ok("ann".to_owned()));
        assert_eq!(exchange(&portal, &reactor, "a=3Db=2Cc", "secret").await?.1, Ok("a=b,c".to_owned()));
        assert_eq!(exchange(&portal, &reactor, "ann", "hidden").await?.1, Err(Denied::Refused));
        Ok(())
    });
}

#[test]
fn a_name_that_nobody_has_looks_like_others() {
    on_host(&Net::gentle(1), async |reactor| {
        let portal = Portal::accounts("test", people());
        let (ann, _) = exchange(&portal, &reactor, "ann", "secret").await?;
        let (first, refused) = exchange(&portal, &reactor, "nobody", "secret").await?;
        let (again, _) = exchange(&portal, &reactor, "nobody", "secret").await?;
        let (other, _) = exchange(&portal, &reactor, "somebody", "secret").await?;
        assert_eq!(refused, Err(Denied::Refused));
        assert_eq!(first, again, "the same salt each time");
        assert!(first != other && first.len() == ann.len() && first.ends_with(",i=4096"), "{first} {ann}");
        Ok(())
    });
}

#[test]
fn it_is_offered_where_all_can_do_it() {
    let apache = Record::new(Account::new("bob"))
        .password(Verifier::parse("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=").unwrap());
    assert_eq!(people().mechanisms_text(), "SCRAM-SHA-256 PLAIN LOGIN");
    let mixed = Chain::new().with(Memory::new().with_record(apache.clone())).with(people());
    assert_eq!(mixed.mechanisms_text(), "PLAIN LOGIN");
    let ann = Memory::new().with(Account::new("ann"), "secret").with_record(apache);
    assert_eq!(ann.mechanisms_text(), "PLAIN LOGIN");
    assert!(Checker::mechanisms_of(&ann, "ann").contains(Mechanism::ScramSha256));
    on_host(&Net::gentle(1), async |reactor| {
        let portal = Portal::accounts("test", Memory::new());
        let error = portal.scram_keys(&reactor, "ann").await.map(drop).unwrap_err();
        assert_eq!(Denied::of(&error), Denied::Mechanism(Mechanism::ScramSha256));
        Ok(())
    });
}

trait Text {
    fn mechanisms_text(&self) -> String;
}

impl<C: Checker> Text for C {
    fn mechanisms_text(&self) -> String {
        self.mechanisms().sasl().collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn what_is_no_exchange_is_refused() {
    for (first, part) in [
        ("", "too few"),
        ("n,,", "no name"),
        ("n,,n=,r=x", "no name"),
        ("n,,m=x,n=ann,r=x", "no name"),
        ("n,,n=a=20b,r=x", "no name"),
        ("n,,n=ann", "no nonce"),
        ("n,,n=ann,r=", "no nonce"),
        ("n,,n=ann,r=\u{e9}", "no nonce"),
        ("p=tls-exporter,,n=ann,r=x", "channel binding"),
        ("x,,n=ann,r=x", "neither"),
        ("n,a=bob,n=ann,r=x", "somebody else"),
        ("n,bob,n=ann,r=x", "wrong part"),
        (&"n".repeat(5000), "too long"),
    ] {
        let error = ScramServer::begin(first.as_bytes()).unwrap_err();
        assert!(error.0.contains(part), "{first}: {error}");
    }
    assert!(ScramServer::begin(b"n,,n=\xff,r=x").is_err());
    on_host(&Net::gentle(1), async |reactor| {
        let portal = Portal::accounts("test", people());
        for (last, part) in [
            ("c=biws,r=NONCE", "no proof"),
            ("c=eSws,r=NONCE,p=AAAA", "does not begin"),
            ("c=?,r=NONCE,p=AAAA", "does not begin"),
            ("c=biws,r=NONCEx,p=AAAA", "another nonce"),
            ("c=biws,r=client,p=AAAA", "another nonce"),
            ("c=biws,r=NONCE,p=AAAA", "32 bytes"),
            ("c=biws,r=NONCE,p=?", "32 bytes"),
        ] {
            let mut server = ScramServer::begin(b"n,,n=ann,r=client")?;
            let challenge = server.challenge(portal.scram_keys(&reactor, "ann").await?, &[7; NONCE_LEN]);
            let nonce = challenge.split(',').next().unwrap().strip_prefix("r=").unwrap();
            let error = server.finish(last.replace("NONCE", nonce).as_bytes()).unwrap_err();
            assert!(error.0.contains(part), "{last}: {error}");
        }
        assert!(ScramServer::begin(b"n,,n=ann,r=x")?.finish(b"c=biws,r=x,p=AAAA").is_err());
        Ok::<(), Error>(())
    });
}

//! STARTTLS: required and opportunistic, with servers that lack it, break it, or are somebody else.

use super::{Site, Trick, codes, failed, send};
use trenza_mail::smtp::client::{Cause, Client, ClientOptions, Lack, Step};
use trenza_sim::Net;
use trenza_tls::{ClientTls, ClientTlsTo, Identity, ServerTls, Trust};

/// A certificate for `srv`, who trusts it, and who trusts anybody.
pub(crate) fn tls() -> (ServerTls, ClientTlsTo, ClientTlsTo) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let cert = rcgen::CertificateParams::new(vec!["srv".to_owned()]).unwrap().self_signed(&key).unwrap();
    let identity = Identity::from_pem((cert.pem() + &key.serialize_pem()).as_bytes()).unwrap();
    let client = |trust| ClientTls::new().trust(trust).build().unwrap().to("srv").unwrap();
    let own = client(Trust::Ca(cert.pem().into_bytes()));
    (ServerTls::new(identity).build().unwrap(), own, client(Trust::DangerouslyAnybody))
}

fn site(net: Net, tls: &ServerTls) -> Site {
    Site::new(net)
        .with(&["STARTTLS", "PIPELINING", "SIZE 1000000"])
        .change(|script| script.tls = Some(tls.clone()))
}

#[test]
fn a_message_over_starttls() {
    let (server, own, anybody) = tls();
    for seed in 0..6 {
        for (options, protected) in [
            (ClientOptions::new().starttls(own.clone()), true),
            (ClientOptions::new().opportunistic_tls(anybody.clone()), false),
        ] {
            let site = site(Net::new(seed), &server);
            let fates = site.run(options, async move |client| {
                assert!(client.peer().secured.is_some());
                assert_eq!(client.is_protected(), protected);
                Ok(send(client, &["ann"], &vec![b'x'; 100_000]).await)
            });
            assert_eq!(codes(&fates.unwrap()), [250]);
            assert_eq!(site.verbs(), ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
            site.assert_quiet();
        }
    }
}

#[test]
fn what_is_required_is_not_gone_without() {
    let (server, own, _) = tls();
    let (_, stranger, _) = tls();
    let required = |to: &ClientTlsTo| ClientOptions::new().starttls(to.clone());
    let cases = [
        // It is not offered, as when somebody between takes it out.
        (Site::gentle(), required(&own), "lacks"),
        (
            site(Net::gentle(1), &server).trick("STARTTLS", Trick::Say("454 4.7.0 not now\r\n".into())),
            required(&own),
            "refused",
        ),
        (
            site(Net::gentle(1), &server).trick("STARTTLS", Trick::Say("250 fine\r\nwhat\r\n".into())),
            required(&own),
            "connection",
        ),
        (site(Net::gentle(1), &server), required(&stranger), "connection"),
        (site(Net::gentle(1), &server).trick("STARTTLS", Trick::Close), required(&own), "connection"),
    ];
    for (site, options, kind) in cases {
        let error = failed(site.run(options, async |client| Ok(send(client, &["ann"], b"x").await)));
        assert_eq!(error.step(), Step::StartTls, "{error}");
        let right = match error.cause() {
            Cause::Lacks(Lack::Tls) => kind == "lacks",
            Cause::Refused(_) => kind == "refused",
            Cause::Connection(_) => kind == "connection",
            _ => false,
        };
        assert!(right && error.is_transient(), "{kind}: {error:?}");
        assert!(!site.verbs().contains(&"MAIL".to_owned()) && site.taken().is_empty());
        site.assert_quiet();
    }
}

#[test]
fn what_is_opportunistic_goes_on_without() {
    let (server, own, anybody) = tls();
    let (stranger, ..) = tls();
    let options = |to: &ClientTlsTo| ClientOptions::new().opportunistic_tls(to.clone());
    let none = Site::gentle();
    let refused = site(Net::gentle(1), &server).change(|script| script.tls = None);
    let refused = refused.trick("STARTTLS", Trick::Say("454 4.7.0 not now\r\n".into()));
    let closed = site(Net::gentle(1), &server).trick("STARTTLS", Trick::Close);
    let broken =
        site(Net::gentle(1), &server).trick("STARTTLS", Trick::Say("220 go\r\n250 no TLS\r\n".into()));
    for (site, options, sessions) in [
        (none, options(&anybody), 1),
        (refused, options(&anybody), 1),
        (closed, options(&anybody), 2),
        (broken, options(&anybody), 2),
        // Who trusts not anybody, and meets a stranger.
        (site(Net::gentle(1), &stranger), options(&own), 2),
    ] {
        let fates = site.run(options, async |client| {
            assert!(client.peer().secured.is_none() && !client.is_protected());
            Ok(send(client, &["ann"], b"x").await)
        });
        assert_eq!(codes(&fates.unwrap()), [250]);
        assert_eq!(site.script.borrow().sessions, sessions);
        site.assert_quiet();
    }
}

#[test]
fn what_stands_behind_the_reply_to_starttls_in_clear_text_is_not_believed() {
    let (server, own, _) = tls();
    for said in ["220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n", "220 go\r\n250 evil", "220 go\r\n\r\n"] {
        let site = site(Net::gentle(1), &server).trick("STARTTLS", Trick::Say(said.into()));
        let error = failed(site.run(ClientOptions::new().starttls(own.clone()), async |client| {
            Ok(send(client, &["ann"], b"x").await)
        }));
        assert!(error.step() == Step::StartTls && matches!(error.cause(), Cause::Connection(_)), "{error:?}");
    }
}

#[test]
fn what_was_said_before_tls_does_not_count() {
    let (server, own, _) = tls();
    let site = site(Net::gentle(1), &server)
        .trick("EHLO", Trick::Say("250-srv\r\n250-STARTTLS\r\n250 DSN\r\n".into()));
    site.run(ClientOptions::new().starttls(own), async |client| {
        assert!(!client.extensions().has("DSN") && client.extensions().has("SIZE"));
        Ok(())
    })
    .unwrap();
}

#[test]
fn whoever_is_gone_at_any_time_is_an_error_or_nothing() {
    let (server, own, _) = tls();
    let mut sent = 0;
    for step in 0..40 {
        let site = site(Net::new(step), &server);
        site.net.latency(std::time::Duration::from_millis(10));
        let (srv, options) = (site.net.host("srv"), ClientOptions::new().starttls(own.clone()));
        let done = std::rc::Rc::new(std::cell::RefCell::new(None));
        let place = done.clone();
        let task = async move {
            let mut client = Client::connect("tcp:srv:25", options).await?;
            Ok(send(&mut client, &["ann"], &vec![b'x'; 100_000]).await)
        };
        site.client()
            .run(|reactor| reactor.spawn(task).then(move |result| *place.borrow_mut() = Some(result)));
        site.net.advance(std::time::Duration::from_millis(step * 10));
        srv.kill();
        site.net.advance(std::time::Duration::from_secs(4000));
        let result = done.take().expect("it ends");
        let ok = result.is_ok_and(|fates| fates[0].is_ok());
        assert!(!ok || site.taken().len() == 1, "step {step}");
        sent += usize::from(ok);
        site.assert_quiet();
    }
    assert!((1..40).contains(&sent), "{sent} of 40");
}

//! Peers that make trouble before the handshake is done.

use crate::{
    ground::{Authority, Echo, Log, Say},
    insider::{ALERT, CHANGE_CIPHER_SPEC, DATA, HANDSHAKE, PLAIN_MAX, hello, plain},
    scene::{BOTH, Fate, Scene, Victim, watched},
};
use rustls::version::{TLS12, TLS13};
use std::{rc::Rc, time::Duration};
use trenza_core::IntoEndpoint;
use trenza_sim::Net;
use trenza_tls::{Identity, ServerTls, Side};

/// How often something is said.
const TIMES: usize = 1000;

/// Has `then` be said over and over behind `first`: it must end for this reason when it was said so often.
fn ends(victim: Victim, first: &[u8], then: &[u8], reason: &str, times: usize) {
    let what = format!("{victim:?}, {first:.8?}, {then:.8?}");
    let scene = Scene::new(victim);
    scene.send([first.to_vec()]);
    assert_eq!(scene.send(vec![then.to_vec(); TIMES]), times, "{what}");
    scene.ends(&what, reason);
}

#[test]
fn what_is_said_instead_of_a_handshake_ends_by_a_name() {
    for victim in BOTH {
        for (then, reason, times) in [
            (vec![HANDSHAKE, 3, 3, 255, 255], "MessageTooLarge", 1),
            (plain(HANDSHAKE, b""), "InvalidEmptyPayload", 1),
            (plain(DATA, b"hello"), "unexpected message", 1),
            (plain(DATA, b""), "unexpected message", 1),
            (plain(ALERT, &[1, 90]), "TooManyWarningAlertsReceived", 5),
            (plain(ALERT, &[2, 40]), "the alert handshake_failure", 1),
            (plain(CHANGE_CIPHER_SPEC, &[1]), "unexpected message", 1),
        ] {
            ends(victim, b"", &then, reason, times);
        }
        // Messages of which 16 MiB and 64 KiB are to follow.
        let (endless, long) = ([1, 255, 255, 255], [1, 0, 255, 251]);
        let more = plain(HANDSHAKE, &[0; PLAIN_MAX]);
        ends(victim, &plain(HANDSHAKE, &endless), &more, "HandshakePayloadTooLarge", 0);
        ends(victim, &plain(HANDSHAKE, &long), &more, "message buffer full", 4);
    }
}

#[test]
fn what_is_said_behind_a_hello_ends_by_a_name() {
    for (version, then, reason, times) in [
        (&TLS13, plain(CHANGE_CIPHER_SPEC, &[1]), "IllegalMiddleboxChangeCipherSpec", 3),
        (&TLS13, plain(ALERT, &[1, 90]), "TooManyWarningAlertsReceived", 5),
        (&TLS13, plain(DATA, b""), "cannot decrypt", 1),
        (&TLS13, hello(&TLS13), "cannot decrypt", 1),
        (&TLS12, plain(CHANGE_CIPHER_SPEC, &[1]), "unexpected message", 1),
        (&TLS12, plain(ALERT, &[1, 90]), "TooManyWarningAlertsReceived", 5),
        (&TLS12, plain(DATA, b""), "unexpected message", 1),
        (&TLS12, hello(&TLS12), "unexpected handshake message", 1),
    ] {
        ends(Victim::Server, &hello(version), &then, reason, times);
    }
}

#[test]
fn a_hello_in_records_of_a_byte_each_is_understood() {
    for version in [&TLS12, &TLS13] {
        let scene = Scene::new(Victim::Server);
        let pieces: Vec<_> = hello(version)[5..].iter().map(|byte| plain(HANDSHAKE, &[*byte])).collect();
        let all = pieces.len();
        assert_eq!(scene.send(pieces), all);
        let answer = scene.probe.received();
        assert_eq!((answer.first(), answer.get(5)), (Some(&HANDSHAKE), Some(&2)), "a ServerHello");
    }
}

/// A certificate whose chain has so many others behind it.
fn chain(ca: &Authority, common: &str, names: &[&str], length: usize) -> Identity {
    let own = ca.sign_pem(common, names);
    Identity::from_pem((own + &ca.pem.repeat(length)).as_bytes()).unwrap()
}

#[test]
fn a_message_of_certificates_has_a_limit() {
    let ca = Authority::new("ca");
    let server = |identity| ServerTls::new(identity).require_clients_of(ca.pem.clone()).build().unwrap();
    let client = |identity| ca.client().identity(identity).build().unwrap();
    // The limit is 64 KiB; a certificate has some 300 bytes.
    for (length, fits) in [(100, true), (400, false)] {
        for (server, client, victim) in [
            (server(ca.sign("srv", &["srv"])), client(chain(&ca, "ann", &[], length)), 0),
            (server(chain(&ca, "srv", &["srv"], length)), client(ca.sign("ann", &[])), 1),
        ] {
            let net = Net::gentle(1);
            let fates = [Rc::new(Fate::default()), Rc::new(Fate::default())];
            let [on, to] = [
                watched(server.over("tcp:443".into_endpoint().unwrap()), &fates[0]),
                watched(
                    client.to("srv").unwrap().over("tcp:10.0.0.1:443".into_endpoint().unwrap()),
                    &fates[1],
                ),
            ];
            let log = Log::default();
            let (heard, said) = (log.clone(), Say::new("hello", &log));
            net.host("srv")
                .run(|reactor| reactor.listen(on, move |_| Echo(heard.clone())).map(drop))
                .unwrap();
            net.host("cli").run(|reactor| reactor.connect(to, move |_| said).then(drop));
            net.advance(Duration::from_secs(20));
            assert_eq!(log.has("whole"), fits, "{:?}", log.lines());
            let ended = fates[victim].ended.borrow().clone().unwrap();
            assert_eq!(ended.contains("HandshakePayloadTooLarge"), !fits, "{ended}");
            assert!(fits || !log.has("made"), "a server without a client's certificate");
        }
    }
}

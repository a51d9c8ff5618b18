//! Peers that know the rules of TLS and make the most of them, once they are inside.

use crate::{
    insider::{self, ALERT, CHANGE_CIPHER_SPEC, DATA, HANDSHAKE, Insider, PLAIN_MAX, Version, hello},
    scene::{BOTH, Scene, Victim},
};
use rustls::version::{TLS12, TLS13};
use trenza_core::Transport;

/// How often an attack is repeated.
const TIMES: usize = 1000;

/// A content that is said inside, over and over.
struct Attack {
    name: &'static str,
    versions: Vec<Version>,
    victims: &'static [Victim],
    kind: u8,
    content: Vec<u8>,
    /// Why it ends, and with which time it does.
    reason: &'static str,
    times: usize,
}

#[test]
fn what_is_said_inside_over_and_over_ends_by_a_name() {
    for attack in attacks() {
        for (victim, version) in both(attack.victims, &attack.versions) {
            let what = format!("{}, {:?}, {victim:?}", attack.name, version.version);
            let scene = Scene::new(victim);
            let mut insider = scene.insider(victim, version);
            let taken = scene.send((0..TIMES).map(|_| insider.seal(attack.kind, &attack.content)));
            assert_eq!(taken, attack.times, "{what}");
            scene.ends(&what, attack.reason);
            assert_eq!(scene.fate.heard.borrow().len(), 0, "{what}");
        }
    }
}

fn both<A: Copy, B: Copy>(these: &[A], those: &[B]) -> impl Iterator<Item = (A, B)> {
    these.iter().flat_map(|one| those.iter().map(|other| (*one, *other)))
}

fn attacks() -> Vec<Attack> {
    use Victim::{Client, Server};
    let (all, old, new): (&[Version], &[Version], &[Version]) = (&[&TLS12, &TLS13], &[&TLS12], &[&TLS13]);
    let attack = |name, versions: &[Version], victims, kind, content: &[u8], reason, times| {
        let (versions, content) = (versions.to_vec(), content.to_vec());
        Attack { name, versions, victims, kind, content, reason, times }
    };
    let hello = hello(&TLS12).split_off(5);
    // A message of two bytes, which is none that either may send now.
    let odd = [99, 0, 0, 2, 1, 1];
    vec![
        attack("empty data", all, &BOTH, DATA, b"", "TooManyEmptyFragments", 33),
        attack("warnings", all, &BOTH, ALERT, &[1, 90], "TooManyWarningAlertsReceived", 5),
        attack("change_cipher_spec", old, &BOTH, CHANGE_CIPHER_SPEC, &[1], "InvalidCcs", 1),
        attack(
            "change_cipher_spec",
            new,
            &BOTH,
            CHANGE_CIPHER_SPEC,
            &[1],
            "IllegalMiddleboxChangeCipherSpec",
            1,
        ),
        attack("too long", all, &BOTH, DATA, &[0; PLAIN_MAX + 1], "excess record size", 1),
        attack("another type", all, &BOTH, 99, b"x", "something else than a TLS record", 1),
        attack("no type", new, &BOTH, 0, b"", "IllegalTlsInnerPlaintext", 1),
        attack("another message", old, &BOTH, HANDSHAKE, &odd, "unexpected message", 1),
        attack("another message", new, &BOTH, HANDSHAKE, &odd, "unexpected handshake message", 1),
        attack("no end", all, &BOTH, HANDSHAKE, &[1, 255, 255, 255], "HandshakePayloadTooLarge", 1),
        attack("HelloRequest", old, &[Client], HANDSHAKE, &[0; 4], "TooManyRenegotiationRequests", 2),
        attack("HelloRequest", old, &[Server], HANDSHAKE, &[0; 4], "unexpected message", 1),
        attack("ClientHello", old, &[Server], HANDSHAKE, &hello, "TooManyRenegotiationRequests", 2),
        attack("ClientHello", new, &[Server], HANDSHAKE, &hello, "unexpected handshake message", 1),
    ]
}

#[test]
fn who_asks_once_for_a_new_handshake_is_told_no_and_may_go_on() {
    for victim in BOTH {
        let scene = Scene::new(victim);
        let mut insider = scene.insider(victim, &TLS12);
        let asked = match victim {
            Victim::Server => hello(&TLS12).split_off(5),
            Victim::Client => vec![0; 4],
        };
        scene.probe.take_received();
        scene.send([insider.seal(HANDSHAKE, &asked)]);
        assert_eq!(scene.probe.received().first(), Some(&ALERT), "no_renegotiation");
        scene.send([insider.seal(DATA, b"well then")]);
        assert_eq!(*scene.fate.heard.borrow(), b"well then");
        assert_eq!(*scene.fate.ended.borrow(), None);
    }
}

#[test]
fn what_was_said_before_a_breach_is_heard_however_it_came() {
    for (victim, version) in both(&BOTH, &[&TLS12, &TLS13]) {
        for (kind, content, reason) in [
            (99, &b"x"[..], "something else than a TLS record"),
            (ALERT, &[2, 80], "the alert internal_error"),
            (HANDSHAKE, &[1, 255, 255, 255], "HandshakePayloadTooLarge"),
        ] {
            let scene = Scene::new(victim);
            let mut insider = scene.insider(victim, version);
            let [last, breach] = [insider.seal(DATA, b"last words"), insider.seal(kind, content)];
            scene.send([[last, breach].concat()]);
            assert_eq!(*scene.fate.heard.borrow(), b"last words", "{victim:?}, {reason}");
            scene.ends("a breach", reason);
        }
    }
}

#[test]
fn a_breach_behind_our_own_end_is_a_breach() {
    for (victim, version) in both(&BOTH, &[&TLS12, &TLS13]) {
        let scene = Scene::new(victim);
        let mut insider = scene.insider(victim, version);
        scene.host.run(|reactor| reactor.connections().iter().for_each(Transport::close_write));
        scene.net.run();
        let [last, breach] = [insider.seal(DATA, b"last words"), insider.seal(99, b"x")];
        assert_eq!(scene.send([last, breach]), 2);
        assert_eq!(*scene.fate.heard.borrow(), b"last words");
        scene.ends("a breach", "something else than a TLS record");
    }
}

#[test]
fn all_of_it_may_come_with_the_end_of_the_handshake() {
    let scene = Scene::new(Victim::Server);
    let mut client = insider::client(&scene.ca, &TLS13).into();
    let flight = insider::last_flight(&scene.net, &scene.probe, &mut client);
    let mut insider = Insider::new(client, &TLS13);
    let [words, breach] = [insider.seal(DATA, b"first and last words"), insider.seal(99, b"x")];
    scene.send([[flight, words, breach].concat()]);
    assert_eq!(*scene.fate.heard.borrow(), b"first and last words");
    scene.ends("a breach", "something else than a TLS record");
}

#[test]
fn keys_are_not_changed_for_ever() {
    for victim in BOTH {
        let scene = Scene::new(victim);
        let mut peer = scene.peer(victim, &TLS13);
        // It reads no answer to any of them.
        scene.probe.read(false);
        let requests = (0..TIMES).map(|_| {
            peer.refresh_traffic_keys().unwrap();
            let mut record = Vec::new();
            peer.write_tls(&mut record).unwrap();
            record
        });
        assert_eq!(scene.send(requests), 33);
        scene.ends("key updates", "TooManyKeyUpdateRequests");
    }
}

#[test]
fn tickets_without_end_leave_a_client_as_it_is() {
    let scene = Scene::new(Victim::Client);
    let mut insider = scene.insider(Victim::Client, &TLS13);
    // RFC 8446 section 4.6.1: a lifetime, an age, a nonce, 16000 bytes of ticket, no extensions.
    let ticket = [&[0, 0, 28, 32, 1, 2, 3, 4, 1, 0, 62, 128][..], &[7; 16_000], &[0, 0]].concat();
    let message = [&[4, 0, (ticket.len() >> 8) as u8, ticket.len() as u8], &ticket[..]].concat();
    assert_eq!(scene.send((0..TIMES).map(|_| insider.seal(HANDSHAKE, &message))), TIMES);
    scene.send([insider.seal(DATA, b"still here")]);
    assert_eq!(*scene.fate.heard.borrow(), b"still here");
    assert_eq!((scene.fate.held.get(), &*scene.fate.ended.borrow()), (0, &None));
}

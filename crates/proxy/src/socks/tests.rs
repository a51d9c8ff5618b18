//! Both ends as tables: what is said, and what is answered, however the bytes come.

use super::*;
use crate::Target;
use std::cell::Cell;
use trenza_wire::{Input, OutBuf};

/// What one end made of `bytes`, the same at every cut: what it told, what it answered, what it left for the program.
fn seen<T>(
    bytes: &[u8],
    make: impl Fn() -> T,
    step: impl Fn(&mut T, &mut Input<'_>, &mut OutBuf) -> Option<String>,
) -> (Vec<String>, Vec<u8>, Vec<u8>) {
    let run = |pieces: &[&[u8]]| {
        let (mut end, mut out, frozen) = (make(), OutBuf::new(), Cell::new(false));
        let (mut told, mut unread) = (Vec::new(), Vec::new());
        for piece in pieces {
            unread.extend_from_slice(piece);
            let mut input = Input::new(&unread, &frozen, MESSAGE_MAX);
            told.extend(std::iter::from_fn(|| step(&mut end, &mut input, &mut out)));
            let taken = input.taken();
            unread.drain(..taken);
        }
        (told, out.to_vec().unwrap(), unread)
    };
    let whole = run(&[bytes]);
    for at in 0..=bytes.len() {
        assert_eq!(run(&[&bytes[..at], &bytes[at..]]), whole, "cut at {at}");
    }
    assert_eq!(run(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte for byte");
    whole
}

/// What a server makes of `bytes` that knows ann, whose password is pw, and grants everything.
fn served(auth: Auth, bytes: &[u8]) -> (Vec<String>, Vec<u8>, Vec<u8>) {
    let bound = || Some("192.0.2.7:4660".parse().unwrap());
    seen(
        bytes,
        || Server::new(auth),
        |server, input, out| match server.next(input, out) {
            Ok(None) => None,
            Ok(Some(Event::Credentials { user, password })) => {
                server.admit((user, password) == (b"ann", b"pw"), out).unwrap();
                Some(format!("{}:{}", String::from_utf8_lossy(user), String::from_utf8_lossy(password)))
            }
            Ok(Some(Event::Request(request))) => {
                server.reply(Reply::Granted, bound(), out).unwrap();
                Some(format!("{:?} {:?} {}", request.version, request.command, request.target))
            }
            Err(Error::Remote { what, .. }) => Some(what.into()),
            Err(error) => panic!("{error}"),
        },
    )
}

#[test]
fn requests_are_understood() {
    let yes4 = b"\x00\x5a\x12\x34\xc0\x00\x02\x07";
    let yes5 = b"\x05\x00\x05\x00\x00\x01\xc0\x00\x02\x07\x12\x34";
    for (bytes, told, answer) in [
        (&b"\x04\x01\0\x50\xc0\0\x02\x01ann\0rest"[..], "V4 Connect 192.0.2.1:80", &yes4[..]),
        (b"\x04\x01\0\x50\0\0\0\x01\0a.example\0rest", "V4a Connect a.example:80", yes4),
        (b"\x04\x02\0\0\0\0\0\0\0rest", "V4 Bind 0.0.0.0:0", yes4),
        (b"\x05\x01\0\x05\x01\0\x01\xc0\0\x02\x01\0\x50rest", "V5 Connect 192.0.2.1:80", yes5),
        (b"\x05\x02\x01\0\x05\x01\x77\x03\x09a.example\0\x50rest", "V5 Connect a.example:80", yes5),
        (
            b"\x05\x01\0\x05\x03\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x50rest",
            "V5 Associate [::1]:80",
            yes5,
        ),
    ] {
        assert_eq!(served(Auth::None, bytes), (vec![told.into()], answer.into(), b"rest".into()));
    }
}

#[test]
fn passwords_are_asked_for() {
    let request = b"\x05\x01\0\x01\xc0\0\x02\x01\0\x50";
    let right = [&b"\x05\x02\0\x02\x01\x03ann\x02pw"[..], request].concat();
    let (told, answer, _) = served(Auth::Password, &right);
    assert_eq!(told, ["ann:pw", "V5 Connect 192.0.2.1:80"]);
    assert!(answer.starts_with(b"\x05\x02\x01\0\x05\0\0"), "{answer:?}");
    let wrong = [&b"\x05\x01\x02\x01\x03ann\x00"[..], request].concat();
    assert_eq!(
        served(Auth::Password, &wrong),
        (vec!["ann:".into()], b"\x05\x02\x01\x01".into(), request.into())
    );
}

#[test]
fn what_is_wrong_is_answered() {
    let no = |code| [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0].to_vec();
    let no4 = || b"\x00\x5b\0\0\0\0\0\0".to_vec();
    let long = [&b"\x04\x01\0\x50\xc0\0\x02\x01"[..], &[b'u'; 256]].concat();
    for (auth, bytes, part, answer) in [
        (Auth::None, &b"GET / HTTP/1.1\r\n"[..], "does not speak SOCKS", vec![]),
        (Auth::None, b"\x05\x01\x02", "insists on authentication", vec![5, 255]),
        (Auth::None, b"\x05\0", "insists on authentication", vec![5, 255]),
        (Auth::Password, b"\x05\x01\0", "no user and password", vec![5, 255]),
        (Auth::Password, b"\x05\x01\x02\x05", "unknown version", vec![5, 2, 1, 1]),
        (Auth::Password, b"\x04", "no passwords", no4()),
        (Auth::None, b"\x05\x01\0\x05\x04", "a command", no(7)),
        (Auth::None, b"\x05\x01\0\x05\x01\0\x02", "unknown kind", no(8)),
        (Auth::None, b"\x05\x01\0\x04", "another version", no(1)),
        (Auth::None, b"\x05\x01\0\x05\x01\0\x03\x03a b", "printable", no(1)),
        (Auth::None, b"\x05\x01\0\x05\x01\0\x03\0", "empty name", no(1)),
        (Auth::None, b"\x04\x03", "a command", no4()),
        (Auth::None, &long, "user's name is too long", no4()),
        (Auth::None, b"\x04\x01\0\x50\0\0\0\x01\0\0", "empty name", no4()),
    ] {
        let (told, answered, _) = served(auth, bytes);
        assert!(told.iter().any(|told| told.contains(part)), "{bytes:?}: {told:?}");
        assert_eq!(answered, answer, "{bytes:?}");
    }
}

/// What a client makes of a proxy that says `bytes`.
fn asked(version: Version, command: Command, shows: bool, bytes: &[u8]) -> (Vec<String>, Vec<u8>, Vec<u8>) {
    let target = Target::new("192.0.2.1", 80).unwrap();
    let shown = shows.then_some((&b"ann"[..], &b"pw"[..]));
    seen(
        bytes,
        || Client::new(version, command, target.clone(), shown).unwrap(),
        |client, input, out| {
            client.start(out);
            match client.next(input, out) {
                Ok(None) => None,
                Ok(Some(Answer::Granted(bound))) => Some(bound.to_string()),
                Ok(Some(Answer::Refused(why))) => Some(why.to_string()),
                Err(Error::Remote { what, .. }) => Some(what.into()),
                Err(error) => panic!("{error}"),
            }
        },
    )
}

#[test]
fn answers_are_understood() {
    let yes5 = b"\x05\0\0\x01\xc0\0\x02\x07\x12\x34";
    let ask5 = b"\x05\x01\0\x01\xc0\0\x02\x01\0\x50";
    let connect = |shows, bytes: &[u8]| asked(Version::V5, Command::Connect, shows, bytes);
    let bound = || vec!["192.0.2.7:4660".to_owned()];
    assert_eq!(
        connect(false, &[&b"\x05\0"[..], yes5, b"rest"].concat()),
        (bound(), [&b"\x05\x01\0"[..], ask5].concat(), b"rest".into())
    );
    assert_eq!(
        connect(true, &[&b"\x05\x02\x01\0"[..], yes5, b"rest"].concat()),
        (bound(), [&b"\x05\x02\0\x02\x01\x03ann\x02pw"[..], ask5].concat(), b"rest".into())
    );
    let (told, said, rest) = asked(
        Version::V4,
        Command::Bind,
        true,
        b"\0\x5a\x12\x34\xc0\0\x02\x07\0\x5a\0\x01\xc0\0\x02\x08rest",
    );
    assert_eq!((told, rest), (vec!["192.0.2.7:4660".into(), "192.0.2.8:1".into()], b"rest".into()));
    assert_eq!(said, b"\x04\x02\0\x50\xc0\0\x02\x01ann\0");
}

#[test]
fn refusals_say_why() {
    for (shows, bytes, part) in [
        (false, &b"\x05\xff"[..], "wants a user"),
        (true, b"\x05\xff", "neither a password nor none"),
        (true, b"\x05\x02\x01\x01", "does not accept"),
        (false, b"\x05\0\x05\x05", "connection refused"),
        (false, b"\x05\0\x05\x02\0\x01", "does not allow"),
        (false, b"\x05\0\x05\x63", "reply code 99"),
        (false, b"\x05\x02", "was not offered"),
        (false, b"HTTP/1.1 400", "does not speak SOCKS 5"),
        (false, b"\x05\0\x04", "another version"),
        (false, b"\x05\0\x05\0\0\x09", "unknown kind"),
    ] {
        let (told, ..) = asked(Version::V5, Command::Connect, shows, bytes);
        assert!(told.len() == 1 && told[0].contains(part), "{bytes:?}: {told:?}");
    }
    let (told, ..) = asked(Version::V4, Command::Connect, false, b"\0\x5b");
    assert!(told[0].contains("does not say why"), "{told:?}");
}

#[test]
fn what_a_version_cannot_say_is_our_fault() {
    let new = |version, command, host: &str, shown| {
        Client::new(version, command, Target::new(host, 80).unwrap(), shown).map(drop)
    };
    for (version, command, host, part) in [
        (Version::V4, Command::Connect, "example.org", "has no names"),
        (Version::V4, Command::Connect, "0.0.0.7", "cannot say"),
        (Version::V4a, Command::Connect, "::1", "no IPv6"),
        (Version::V4a, Command::Associate, "example.org", "no UDP"),
    ] {
        let error = new(version, command, host, None).unwrap_err();
        assert!(error.is_local() && error.to_string().contains(part), "{error}");
    }
    for user in ["", &"u".repeat(256)] {
        assert!(new(Version::V5, Command::Connect, "a", Some((user.as_bytes(), b"pw"))).is_err());
        assert!(new(Version::V5, Command::Connect, "a", Some((b"ann", user.as_bytes()))).is_err());
    }
    let mut server = Server::new(Auth::None);
    let mut out = OutBuf::new();
    assert!(server.admit(true, &mut out).unwrap_err().is_local());
    assert!(server.reply(Reply::Granted, None, &mut out).unwrap_err().is_local());
    assert!(out.is_empty());
}

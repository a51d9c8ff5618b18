//! What the target `proxies` checks; a test of `trenza-proxy` replays its corpus with it.

use std::cell::Cell;
use trenza_proxy::{
    Target, http,
    socks::{Auth, Client, Command, Error, Event, MESSAGE_MAX, Reply, Server, Version, udp},
};
use trenza_wire::{Input, OutBuf};

/// The first byte says how the others are cut. They are read as what a client sends, as what a proxy answers, and as a
/// datagram: what comes of it does not depend on how they came, and limits are kept.
pub(crate) fn proxies(data: &[u8]) {
    let Some((size, message)) = data.split_first() else { return };
    let size = usize::from(*size).max(1);
    let ends: [End; 8] = [
        |pieces| server(Auth::None, pieces),
        |pieces| server(Auth::Password, pieces),
        |pieces| client(Version::V4, Command::Connect, "192.0.2.1", false, pieces),
        |pieces| client(Version::V4a, Command::Bind, "example.org", true, pieces),
        |pieces| client(Version::V5, Command::Connect, "example.org", false, pieces),
        |pieces| client(Version::V5, Command::Bind, "2001:db8::1", true, pieces),
        |pieces| client(Version::V5, Command::Associate, "0.0.0.0", true, pieces),
        http_client,
    ];
    for (number, end) in ends.iter().enumerate() {
        let whole = end(&[message]);
        let cut: Vec<_> = message.chunks(size).collect();
        assert_eq!(end(&cut), whole, "end {number} in pieces of {size}");
        let bytes: Vec<_> = message.chunks(1).collect();
        assert_eq!(end(&bytes), whole, "end {number} byte for byte");
    }
    if let Ok((target, data)) = udp::read(message) {
        let mut again = Vec::new();
        udp::write(&target, &mut again);
        again.extend(data);
        assert_eq!(udp::read(&again), Ok((target, data)), "written and read");
    }
}

/// One end of a connection: what comes of pieces that the other one sends.
type End = fn(&[&[u8]]) -> Seen;
/// What was read, what was answered, and how much is the program's.
type Seen = (Vec<String>, Vec<u8>, Vec<u8>);

fn server(auth: Auth, pieces: &[&[u8]]) -> Seen {
    let (mut server, mut out) = (Server::new(auth), OutBuf::new());
    feed(pieces, MESSAGE_MAX, |input, seen| {
        let event = remote(server.next(input, &mut out), seen)?;
        seen.push(format!("{event:?}"));
        match event {
            Event::Credentials { user, password } => {
                server.admit(user == password, &mut out).expect("somebody has shown some");
            }
            Event::Request(request) => {
                for _ in 0..if request.command == Command::Bind { 2 } else { 1 } {
                    server.reply(Reply::Granted, None, &mut out).expect("somebody asked");
                }
            }
        }
        Some(())
    })
    .with(out)
}

fn client(version: Version, command: Command, host: &str, shows: bool, pieces: &[&[u8]]) -> Seen {
    let target = Target::new(host, 80).expect("it is one");
    let shown = shows.then_some((&b"ann"[..], &b"secret"[..]));
    let mut client = Client::new(version, command, target, shown).expect("the version can say it");
    let mut out = OutBuf::new();
    client.start(&mut out);
    feed(pieces, MESSAGE_MAX, |input, seen| {
        let answer = remote(client.next(input, &mut out), seen)?;
        seen.push(format!("{answer:?}"));
        Some(())
    })
    .with(out)
}

fn http_client(pieces: &[&[u8]]) -> Seen {
    let target = Target::new("example.org", 443).expect("it is one");
    let mut client = http::Client::new(target, None).expect("HTTP can say it");
    let mut out = OutBuf::new();
    client.start(&mut out);
    feed(pieces, http::HEAD_MAX, |input, seen| {
        let answer = remote(client.next(input), seen)?;
        seen.push(format!("{answer:?}"));
        Some(())
    })
    .with(out)
}

fn remote<T>(result: Result<Option<T>, Error>, seen: &mut Vec<String>) -> Option<T> {
    match result {
        Ok(next) => next,
        Err(Error::Remote { what, .. }) => {
            seen.push(what.to_owned());
            None
        }
        Err(Error::Local(what)) => panic!("the peer's bytes are not our fault: {what}"),
    }
}

struct Fed(Vec<String>, Vec<u8>);

impl Fed {
    fn with(self, mut out: OutBuf) -> Seen {
        (self.0, out.take_queued().to_vec().expect("there is no file"), self.1)
    }
}

/// Offers pieces one after another, with what was left unread before them, as a connection does.
fn feed(
    pieces: &[&[u8]],
    unread_max: usize,
    mut next: impl FnMut(&mut Input<'_>, &mut Vec<String>) -> Option<()>,
) -> Fed {
    let (frozen, mut unread, mut seen) = (Cell::new(false), Vec::new(), Vec::new());
    for piece in pieces {
        unread.extend_from_slice(piece);
        let mut input = Input::new(&unread, &frozen, unread_max);
        while next(&mut input, &mut seen).is_some() {}
        let taken = input.taken();
        unread.drain(..taken);
    }
    assert!(!seen.is_empty() || unread.len() <= unread_max, "a connection would hold too much");
    Fed(seen, unread)
}

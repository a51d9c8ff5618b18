//! What the target of FTP's server checks; a test of `trenza-ftp` replays its corpus with it.

use std::{cell::Cell, sync::Arc, time::Duration};
use trenza_auth::{Account, Anonymous, Portal};
use trenza_ftp::{FtpServer, Homes, reply};
use trenza_sim::Net;
use trenza_wire::Input;

/// More than what comes of a short input.
const UNREAD_MAX: usize = 1 << 24;
/// Longer than a session waits for anything.
const LONG: Duration = Duration::from_secs(2000);

/// The first byte says how the others are cut: a client that is logged in says them. It gets replies and nothing else,
/// the same however its commands were cut, and nothing is left of it.
pub(crate) fn ftp_session(data: &[u8]) {
    let Some((size, said)) = data.split_first() else { return };
    let whole = replies(said, said.len().max(1));
    assert_eq!(replies(said, usize::from(*size).max(1)), whole, "in pieces of {size}");
}

/// The codes of the replies to a client that says this in pieces.
fn replies(said: &[u8], size: usize) -> Vec<u16> {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    let anybody = Anonymous::with(Account::new("anybody"));
    let server = FtpServer::new(Portal::new("ftp", anybody, Homes::of_tree(Arc::new(srv.disk()))));
    srv.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop)).expect("it is free");
    let control = cli.probe("tcp:srv:21");
    control.send("USER ftp\r\nPASS x\r\n");
    net.run();
    let cuts: Vec<usize> = (size..said.len()).step_by(size).collect();
    control.send_split(said, &cuts);
    net.advance(LONG);
    let got = control.take_received();
    control.close();
    net.advance(LONG);
    let left = srv.left();
    assert_eq!((left.connections, left.ports, left.timers), (0, 1, 0), "{:?}", srv.leftovers());
    read(&got)
}

fn read(got: &[u8]) -> Vec<u16> {
    let (frozen, mut reader, mut codes) = (Cell::new(false), reply::Reader::default(), Vec::new());
    let mut input = Input::new(got, &frozen, UNREAD_MAX);
    while let Some(reply) = reader.next(&mut input).expect("it is a reply") {
        codes.push(reply.code().number());
    }
    assert!(input.is_empty(), "half a reply: {}", input.peek().escape_ascii());
    assert_eq!(codes.get(..3), Some(&[220, 331, 230][..]), "{}", got.escape_ascii());
    codes
}

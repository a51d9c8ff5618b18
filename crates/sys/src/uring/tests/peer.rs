//! [`Peer`]: the far end of a connection, which sends bytes that are its own and checks what comes back.

use super::super::faulty::Dice;
use socket2::SockRef;
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    ops::Range,
    sync::LazyLock,
    time::Duration,
};

/// After so many bytes a stream begins again: a prime, so that no buffer's size hides what is out of place.
const PERIOD: usize = 65_521;
/// The most bytes that are compared or sent at once.
const AT_ONCE: usize = 512 * 1024;

/// What all streams are cut from.
pub(super) fn all() -> &'static [u8] {
    static ALL: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut dice = Dice::new(1);
        let once: Vec<u8> = (0..PERIOD).map(|_| dice.below(256) as u8).collect();
        once.into_iter().cycle().take(PERIOD + AT_ONCE).collect()
    });
    &ALL
}

/// Where the bytes of a stream from a place on are in it.
pub(super) fn range(stream: u32, place: usize, len: usize) -> Range<usize> {
    let start = (stream as usize * 1009 + place) % PERIOD;
    start..start + len
}

/// The bytes of a stream from a place on.
pub(super) fn bytes(stream: u32, place: usize, len: usize) -> &'static [u8] {
    all().get(range(stream, place, len)).unwrap()
}

/// True of bytes that are those of a stream from a place on.
pub(super) fn are_right(stream: u32, place: usize, found: &[u8]) -> bool {
    found == bytes(stream, place, found.len())
}

/// The far end of a connection. It does not block.
#[derive(Debug)]
pub(super) struct Peer {
    socket: Option<TcpStream>,
    /// Its own address and the driver's: together they name the connection, while each may be that of others, too.
    pub(super) ends: (SocketAddr, SocketAddr),
    /// The number of its stream.
    pub(super) stream: u32,
    pub(super) sent: usize,
    pub(super) got: usize,
    pub(super) has_shut: bool,
    pub(super) end: Option<End>,
}

/// How it has ended for the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A FIN came.
    Fin,
    /// It was reset.
    Reset,
    /// The peer has left by itself.
    Left,
}

impl Peer {
    pub(super) fn new(socket: TcpStream, ends: (SocketAddr, SocketAddr), stream: u32) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self { socket: Some(socket), ends, stream, sent: 0, got: 0, has_shut: false, end: None }
    }

    /// Connects to the driver.
    pub(super) fn connect(to: SocketAddr, stream: u32) -> Self {
        let socket = TcpStream::connect(to).unwrap();
        let ends = (socket.local_addr().unwrap(), to);
        Self::new(socket, ends, stream)
    }

    /// Sends up to so many bytes.
    pub(super) fn write(&mut self, most: usize) {
        let Some(socket) = self.socket.as_mut().filter(|_| !self.has_shut) else { return };
        match socket.write(bytes(self.stream, self.sent, most)) {
            Ok(sent) => self.sent += sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.end = Some(End::Reset),
        }
    }

    /// Reads up to so many bytes, which must be those that it has sent. True when something happened.
    pub(super) fn read(&mut self, most: usize) -> bool {
        let Some(socket) = self.socket.as_mut().filter(|_| self.end.is_none()) else { return false };
        let mut buffer = vec![0; most];
        match socket.read(&mut buffer) {
            Ok(0) if most > 0 => self.end = Some(End::Fin),
            Ok(got) => {
                assert!(
                    are_right(self.stream, self.got, buffer.get(..got).unwrap()),
                    "{self:?}: wrong bytes"
                );
                self.got += got;
                assert!(self.got <= self.sent, "{self:?}: more than was sent");
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => self.end = Some(End::Reset),
        }
        true
    }

    /// Sends FIN.
    pub(super) fn shut(&mut self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| !self.has_shut) {
            self.has_shut = true;
            // It fails after a reset.
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    /// Leaves, with a FIN or a reset; bytes that it has not read make one, too.
    pub(super) fn leave(&mut self, reset: bool) {
        let Some(socket) = self.socket.take() else { return };
        self.end = Some(End::Left);
        if reset {
            SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

//! [`measure`]: what idle connections cost a server in memory.

use crate::{
    PATIENCE, exchange,
    ground::Ground,
    handshake::{Group, Handshakes, Secured},
    recipe::Kind,
    server::Server,
};
use socket2::{Domain, Socket, Type};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};
use trenza_bench::{descriptors, resident};

/// Read buffers of servers that have one for each connection and can choose, in bytes.
pub(crate) const BUFFER: usize = 4096;
/// Addresses that connections come from, so that ports do not run out.
const SOURCES: usize = 64;
/// One in so many is asked again in the end.
const ASKED_AGAIN: usize = 100;
/// What an echo is asked with.
const MESSAGE: [u8; 64] = [b'?'; 64];

/// Resident memory of a server, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    pub(crate) before: u64,
    pub(crate) after: u64,
    connections: usize,
}

impl Growth {
    /// For each connection.
    pub(crate) fn each(self) -> f64 {
        // Without the first.
        (self.after as f64 - self.before as f64) / (self.connections - 1) as f64
    }
}

/// A client that has been answered once.
pub(crate) enum Client {
    Plain(TcpStream),
    Secured(Box<Secured>),
}

/// Makes so many connections, has each answered once, and looks how much the server has grown.
///
/// # Errors
/// It has fewer connections then, or one of those that are asked again does not answer.
pub(crate) fn measure(
    server: &Server,
    ground: &Ground,
    path: &str,
    connections: usize,
) -> io::Result<Growth> {
    let clients = Handshakes::new(ground.pem(), Group::X25519, false)?;
    let connect = |number| {
        let stream = from(number, server.address())?;
        let mut client = match server.kind {
            Kind::Https => Client::Secured(Box::new(clients.secure(stream)?)),
            _ => Client::Plain(stream),
        };
        client.ask(server.kind, path)?;
        Ok::<_, io::Error>(client)
    };
    let mut open = Vec::with_capacity(connections);
    // The first pays for what all share.
    open.push(connect(0)?);
    let before = resident(server.process())?;
    for number in 1..connections {
        open.push(match connect(number)? {
            // What rustls keeps would be a lot of memory here.
            Client::Secured(stream) if number % ASKED_AGAIN != 0 => Client::Plain(stream.sock),
            client => client,
        });
    }
    thread::sleep(Duration::from_secs(1));
    let after = resident(server.process())?;
    let kept = descriptors(server.process())?;
    if kept < connections {
        return Err(io::Error::other(format!(
            "it has only {kept} descriptors for {connections} connections"
        )));
    }
    for client in open.iter_mut().step_by(ASKED_AGAIN) {
        client.ask(server.kind, path)?;
    }
    Ok(Growth { before, after, connections })
}

impl Client {
    /// Asks once, and reads the answer.
    ///
    /// # Errors
    /// It is wrong, or does not come.
    pub(crate) fn ask(&mut self, kind: Kind, path: &str) -> io::Result<()> {
        match self {
            Self::Plain(stream) if kind == Kind::Echo => {
                let mut answer = MESSAGE.map(|_| 0);
                stream.write_all(&MESSAGE)?;
                stream.read_exact(&mut answer)?;
                if answer == MESSAGE { Ok(()) } else { Err(io::Error::other("a wrong answer")) }
            }
            Self::Plain(stream) => exchange::get(stream, path, false).map(drop),
            Self::Secured(stream) => exchange::get(stream, path, false).map(drop),
        }
    }
}

fn from(number: usize, to: SocketAddr) -> io::Result<TcpStream> {
    let source = Ipv4Addr::new(127, 0, 1, (number % SOURCES) as u8 + 1);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&to.into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

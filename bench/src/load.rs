//! [`Load`]: what asks a server.

use crate::{
    PATIENCE,
    echo::EchoLoad,
    exchange,
    ground::Ground,
    handshake::{Group, Handshakes},
    machine,
    programs::Programs,
    recipe::Kind,
    server::Server,
    test::Work,
    wrk::Wrk,
};
use std::{
    io,
    net::{SocketAddr, TcpStream},
    process,
    time::Duration,
};
use trenza_bench::cpu;

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) operations: u64,
    pub(crate) took: Duration,
    /// Datagrams that did not come back.
    pub(crate) lost: u64,
}

impl Done {
    /// Operations a second.
    pub(crate) fn rate(self) -> f64 {
        self.operations as f64 / self.took.as_secs_f64()
    }
}

/// Clients of one server.
#[derive(Debug)]
pub(crate) enum Load {
    Echo(EchoLoad),
    Requests { wrk: Wrk, path: &'static str },
    Handshakes { clients: Handshakes, to: SocketAddr },
}

/// What clients over TLS ask for.
const FILE: &str = "/1k.bin";

impl Load {
    /// Clients that do this work.
    ///
    /// # Errors
    /// They cannot be started, or cannot connect.
    pub(crate) fn start(
        work: Work,
        server: &Server,
        programs: &Programs,
        ground: &Ground,
    ) -> io::Result<Self> {
        let echo = |what, connections, size, depth| {
            EchoLoad::start(&programs.load(), what, server.port, connections, size, depth).map(Self::Echo)
        };
        match work {
            Work::Stream { connections, size, depth } => echo("stream", connections, size, depth),
            Work::Connect { at_once, size } => echo("connect", at_once, size, 1),
            Work::Datagrams { sockets, size, window } => echo("datagram", sockets, size, window),
            Work::Requests { path, connections, pipeline, closing } => {
                let wrk = Wrk::new(server.url(path), connections, pipeline, closing, ground.folder())?;
                Ok(Self::Requests { wrk, path })
            }
            Work::Handshakes { group, resumed } => {
                let clients = Handshakes::new(ground.pem(), group, resumed)?;
                Ok(Self::Handshakes { clients, to: server.address() })
            }
            Work::Idle { .. } | Work::Starts { .. } => Err(io::Error::other("nothing is to be done")),
        }
    }

    /// Looks whether what is answered is right.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn check(&mut self, server: &Server, ground: &Ground) -> io::Result<()> {
        let (got, path) = match self {
            Self::Echo(load) => return load.check(),
            Self::Handshakes { clients, to } => (clients.get(*to, FILE)?, FILE),
            Self::Requests { path, .. } if server.kind == Kind::Https => {
                let clients = Handshakes::new(ground.pem(), Group::X25519, false)?;
                (clients.get(server.address(), path)?, *path)
            }
            Self::Requests { path, .. } => {
                let mut stream = TcpStream::connect_timeout(&server.address(), PATIENCE)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                (exchange::get(&mut stream, path, false)?, *path)
            }
        };
        if got == ground.content(path)? { Ok(()) } else { Err(io::Error::other("a wrong answer")) }
    }

    /// Does as much as can be done in so many seconds.
    ///
    /// # Errors
    /// An answer was wrong or did not come.
    pub(crate) fn run(&mut self, seconds: u32) -> io::Result<Done> {
        let time = Duration::from_secs(seconds.into());
        match self {
            Self::Echo(load) => load.run(time),
            Self::Requests { wrk, .. } => wrk.run(seconds),
            Self::Handshakes { clients, to } => clients.run(*to, FILE, time),
        }
    }

    /// CPU time that the load has spent so far.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub(crate) fn spent(&self) -> io::Result<Duration> {
        match self {
            Self::Echo(load) => cpu(load.process()),
            Self::Requests { .. } => machine::ended_children(),
            Self::Handshakes { .. } => cpu(process::id()),
        }
    }
}

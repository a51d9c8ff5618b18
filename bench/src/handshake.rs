//! [`Handshakes`]: load by clients over TLS that connect, ask for one small file and hang up.

use crate::{PATIENCE, exchange, load::Done};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, NamedGroup, RootCertStore, StreamOwned,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    io::{self, Read},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// How keys are agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// What every server here can.
    X25519,
    /// X25519 with ML-KEM-768, against quantum computers to come.
    Hybrid,
}

/// A connection of such a client.
pub(crate) type Secured = StreamOwned<ClientConnection, TcpStream>;

/// Clients of one kind, of which one after the other connects.
#[derive(Debug)]
pub(crate) struct Handshakes {
    config: Arc<ClientConfig>,
    resumed: bool,
}

impl Handshakes {
    /// Clients that trust the certificate in `pem`; with `resumed` all but the first continue a session.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub(crate) fn new(pem: &Path, group: Group, resumed: bool) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(pem).map_err(io::Error::other)? {
            roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let builder = ClientConfig::builder_with_provider(provider(group).into());
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(io::Error::other)?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.resumption = if resumed { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
        Ok(Self { config: Arc::new(config), resumed })
    }

    /// Makes connections with one request each, until the time is over.
    ///
    /// # Errors
    /// A connection fails or is not answered with 200; a session that should be continued is not.
    pub(crate) fn run(&self, to: SocketAddr, path: &str, time: Duration) -> io::Result<Done> {
        let (mut operations, mut continued, began) = (0, 0, Instant::now());
        while began.elapsed() < time {
            let mut stream = self.secure(connected(to)?)?;
            exchange::get(&mut stream, path, true)?;
            match stream.read_to_end(&mut Vec::new()) {
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
                _ => operations += 1,
            }
            continued += u64::from(stream.conn.handshake_kind() == Some(HandshakeKind::Resumed));
        }
        if self.resumed && continued + 1 < operations {
            return Err(io::Error::other(format!("{continued} of {operations} sessions were continued")));
        }
        Ok(Done { operations, took: began.elapsed(), lost: 0 })
    }

    /// What one of them gets.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) fn get(&self, to: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
        exchange::get(&mut self.secure(connected(to)?)?, path, true)
    }

    /// TLS over a connection; the handshake is made by the first read or write.
    ///
    /// # Errors
    /// Rustls has something against the configuration.
    pub(crate) fn secure(&self, tcp: TcpStream) -> io::Result<Secured> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connection = ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, tcp))
    }
}

/// One group and one cipher suite, so that all servers do the same work.
fn provider(group: Group) -> CryptoProvider {
    let name = match group {
        Group::X25519 => NamedGroup::X25519,
        Group::Hybrid => NamedGroup::X25519MLKEM768,
    };
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.retain(|group| group.name() == name);
    provider.cipher_suites.retain(|suite| *suite == aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384);
    provider
}

fn connected(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

//! [`Handshakes`]: load by clients that connect, ask for one small file and hang up.

use rustls::{
    ClientConfig, ClientConnection, NamedGroup, RootCertStore, StreamOwned,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How keys are agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What every server here can.
    X25519,
    /// X25519 with ML-KEM-768, against quantum computers to come.
    Hybrid,
}

/// Clients of one kind, of which one after the other connects.
#[derive(Debug)]
pub struct Handshakes {
    config: Arc<ClientConfig>,
    resumed: bool,
}

impl Handshakes {
    /// Clients that trust the certificate in `pem`; with `resumed` all but the first continue a session.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn new(pem: &Path, group: Group, resumed: bool) -> io::Result<Self> {
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

    /// Makes `count` connections, each with one request for `path`, and gives how long that took.
    ///
    /// # Errors
    /// A connection fails or is not answered with 200; a session that should be continued is not.
    pub fn run(&self, to: SocketAddr, path: &str, count: usize) -> io::Result<Duration> {
        let (mut continued, began) = (0, Instant::now());
        for _ in 0..count {
            continued += usize::from(self.one(to, path)?);
        }
        if self.resumed && continued + 1 < count {
            return Err(io::Error::other(format!("{continued} of {count} sessions were continued")));
        }
        Ok(began.elapsed())
    }

    /// True, if the session was continued.
    fn one(&self, to: SocketAddr, path: &str) -> io::Result<bool> {
        let tcp = TcpStream::connect_timeout(&to, PATIENCE)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connection = ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, tcp);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ if answer.starts_with(b"HTTP/1.1 200") => {}
            _ => return Err(io::Error::other(format!("no answer: {}", String::from_utf8_lossy(&answer)))),
        }
        Ok(stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed))
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

//! [`Insider`]: a peer that shakes hands like any other, and then says what no library would.

use crate::ground::Authority;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, Connection, ConnectionTrafficSecrets, RootCertStore,
    ServerConfig, ServerConnection, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS13,
};
use std::sync::Arc;
use trenza_sim::{Net, Probe};

/// Content types of records (RFC 8446 section 5.1).
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const DATA: u8 = 23;

/// The longest content of a record.
pub(crate) const PLAIN_MAX: usize = 1 << 14;

/// A record that nothing protects.
pub(crate) fn plain(kind: u8, content: &[u8]) -> Vec<u8> {
    header(kind, content.len()).into_iter().chain(content.iter().copied()).collect()
}

fn header(kind: u8, len: usize) -> [u8; 5] {
    [kind, 3, 3, (len >> 8) as u8, len as u8]
}

/// One side of a connection whose handshake is done, and the key of what it sends.
pub(crate) struct Insider {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
    is_13: bool,
}

impl Insider {
    /// Of a connection of a make that tells its secrets.
    pub(crate) fn new(connection: Connection, version: Version) -> Self {
        let (sequence, secrets) = connection.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } = secrets else {
            panic!("another cipher")
        };
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref()).unwrap();
        let iv = iv.as_ref().try_into().unwrap();
        Self { key: LessSafeKey::new(key), iv, sequence, is_13: version == &TLS13 }
    }

    /// A record of this type and content, with a right seal.
    pub(crate) fn seal(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut body = content.to_vec();
        let seal = CHACHA20_POLY1305.tag_len();
        let (header, aad) = if self.is_13 {
            body.push(kind);
            let header = header(DATA, body.len() + seal);
            (header, header.to_vec())
        } else {
            let sequence = self.sequence.to_be_bytes();
            (header(kind, body.len() + seal), [&sequence[..], &header(kind, body.len())].concat())
        };
        let mut nonce = self.iv;
        nonce.iter_mut().skip(4).zip(self.sequence.to_be_bytes()).for_each(|(byte, part)| *byte ^= part);
        self.sequence += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut body).unwrap();
        [&header[..], &body].concat()
    }
}

/// A version of TLS.
pub(crate) type Version = &'static SupportedProtocolVersion;

fn provider() -> Arc<CryptoProvider> {
    let mut provider = default_provider();
    // Of all ciphers the one whose nonces are made in the same way by both versions.
    provider.cipher_suites.retain(|suite| {
        matches!(
            suite.suite(),
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        )
    });
    provider.into()
}

/// A client of another make than ours, for the server `srv`.
pub(crate) fn client(ca: &Authority, version: Version) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.enable_secret_extraction = true;
    ClientConnection::new(config.into(), "srv".try_into().unwrap()).unwrap()
}

/// The record of a ClientHello.
pub(crate) fn hello(version: Version) -> Vec<u8> {
    let mut record = Vec::new();
    client(&Authority::new("any"), version).write_tls(&mut record).unwrap();
    record
}

/// A server of another make than ours.
pub(crate) fn server(ca: &Authority, version: Version) -> ServerConnection {
    let pem = ca.sign_pem("srv", &["srv"]);
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.enable_secret_extraction = true;
    config.send_tls13_tickets = 0;
    ServerConnection::new(config.into()).unwrap()
}

/// Exchanges what there is until the handshake is done, for both.
pub(crate) fn shake_hands(net: &Net, probe: &Probe, connection: &mut Connection) {
    probe.send(last_flight(net, probe, connection));
    net.run();
    receive(probe, connection);
}

/// Exchanges what there is until the handshake is done for this side; gives what the other one needs to be done.
pub(crate) fn last_flight(net: &Net, probe: &Probe, connection: &mut Connection) -> Vec<u8> {
    loop {
        let mut out = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut out).unwrap();
        }
        if !connection.is_handshaking() {
            return out;
        }
        probe.send(out);
        net.run();
        assert!(receive(probe, connection), "no answer");
    }
}

/// False when nothing came.
fn receive(probe: &Probe, connection: &mut Connection) -> bool {
    let data = probe.take_received();
    let mut rest = &data[..];
    while !rest.is_empty() {
        connection.read_tls(&mut rest).unwrap();
        connection.process_new_packets().unwrap();
    }
    !data.is_empty()
}

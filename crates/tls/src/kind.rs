//! [`register`]: the kinds of endpoint `tls` and `tls-over`.

use crate::{
    Folder, Identity, MinVersion, ServerTls, Side, TlsError,
    client::server_name,
    clients::{Clients, Whom, Wish},
    pem::Pem,
    server::ServerTlsBuilder,
};
use std::path::{Path, PathBuf};
use trenza_core::{
    Choice, Connecting, Endpoint, EndpointKind, Form, Given, Layers, Listening, Reactor, Result, Usage, Value,
};

/// Makes the kinds `tls` and `tls-over` known to a reactor: `tls:443:cert=FILE`, `tls:example.org:443`, and the same in
/// front of any other endpoint, as in `tls-over:cert=FILE:unix:/run/x.sock`.
///
/// A server's files are read when it begins to listen, which blocks for as long as that takes; a client's by a thread,
/// before the first connect that names them.
pub fn register(reactor: &Reactor) {
    let clients = Clients::default();
    reactor.register(Tls(clients.clone()));
    reactor.register(TlsOver(clients));
}

const fn choice(name: &'static str, value: &'static str, about: &'static str) -> Choice {
    Choice { name, value, about }
}

const CERT: Choice = choice("cert", "FILE", "the certificate and its chain, in PEM; the key may be in it");
const KEY: Choice = choice("key", "FILE", "the key, if it is not in the file of the certificate");
const CERTS: Choice = choice("certs", "DIR", "many certificates: NAME.pem, or folders as certbot lays them");
const CLIENT_CA: Choice =
    choice("client-ca", "FILE", "clients must show a certificate that one of these has signed");
const CLIENTS: Choice =
    choice("clients", "optional", "with client-ca: clients without a certificate may come, too");
const ALPN: Choice = choice("alpn", "NAME,NAME", "the protocols spoken inside, the best first");
const MIN: Choice = choice("min", "1.2|1.3", "the oldest version of TLS; 1.2");
const CA: Choice = choice("ca", "FILE", "trust who was signed by these, instead of whom the system trusts");
const PIN: Choice = choice("pin", "SHA256", "trust this one certificate, by its SHA-256 in hexadecimal");
const SERVER_NAME: Choice = choice("server-name", "NAME", "whom the certificate must be for");
const ANYBODY: Choice =
    choice("dangerously-trust-anybody", "yes", "verify nothing: whoever is between can read all");
const HANDSHAKE: Choice = choice("handshake", "SECONDS", "how long the handshake may take; 10");

const SERVER: Form = Form {
    values: &["PORT"],
    options: &[CERT, KEY, CERTS, CLIENT_CA, CLIENTS, ALPN, MIN, HANDSHAKE],
    inner: false,
    below: Some("tcp"),
    about: "TLS on a TCP port",
    examples: &["tls:443:cert=site.pem", "tls:443:certs=/etc/letsencrypt/live:alpn=http/1.1"],
};

const CLIENT: Form = Form {
    values: &["HOST", "PORT"],
    options: &[CA, PIN, CERT, KEY, SERVER_NAME, ALPN, MIN, ANYBODY, HANDSHAKE],
    inner: false,
    below: Some("tcp"),
    about: "TLS to a TCP port of a host, which must have a certificate for its name",
    examples: &["tls:example.org:443", "tls:10.0.0.7:636:ca=ca.pem:server-name=ldap.example"],
};

const SERVER_OVER: Form = Form {
    values: &[],
    inner: true,
    below: None,
    about: "TLS over any other endpoint",
    examples: &["tls-over:cert=site.pem:unix:/run/site.sock"],
    ..SERVER
};

const CLIENT_OVER: Form = Form {
    values: &[],
    inner: true,
    below: None,
    about: "TLS over any other endpoint, to a server of a name",
    examples: &["tls-over:server-name=example.org:tcp:10.0.0.7:443"],
    ..CLIENT
};

/// `tls:PORT` and `tls:HOST:PORT`.
struct Tls(Clients);

impl EndpointKind for Tls {
    fn usage(&self) -> Usage {
        Usage { name: "tls", server: Some(SERVER), client: Some(CLIENT) }
    }

    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        listen(given, &given.below()?, reactor)
    }

    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        let name = given.option(SERVER_NAME.name).map_or_else(|| given.value(0), Ok)?;
        self.0.connect(given, name, &given.below()?, reactor)
    }
}

/// `tls-over:ENDPOINT`.
struct TlsOver(Clients);

impl EndpointKind for TlsOver {
    fn usage(&self) -> Usage {
        Usage { name: "tls-over", server: Some(SERVER_OVER), client: Some(CLIENT_OVER) }
    }

    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        listen(given, &given.inner()?, reactor)
    }

    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        let name = given.option(SERVER_NAME.name);
        let name =
            name.ok_or_else(|| given.wrong("needs server-name=NAME: whom the certificate must be for"))?;
        self.0.connect(given, name, &given.inner()?, reactor)
    }
}

/// TLS over what is below.
fn listen(given: &Given<'_>, below: &Endpoint, reactor: &Reactor) -> Result<Listening> {
    let (side, mut listening) = (server(given, reactor)?, below.listening(reactor)?);
    limit_time(given, &mut listening.layers)?;
    listening.layers.over(move |_| vec![side.layer_or_refusal()]);
    Ok(listening)
}

impl Clients {
    /// TLS to the server of a name over what is below.
    fn connect(
        &self,
        given: &Given<'_>,
        name: Value<'_>,
        below: &Endpoint,
        reactor: &Reactor,
    ) -> Result<Connecting> {
        let server = server_name(name.as_str()).map_err(|error| name.unusable(&error.parts().1, error))?;
        let mut connecting = below.connecting(reactor)?;
        limit_time(given, &mut connecting.layers)?;
        self.put(wish(given)?, server, &mut connecting);
        Ok(connecting)
    }
}

fn limit_time(given: &Given<'_>, layers: &mut Layers) -> Result {
    if let Some(time) = given.option(HANDSHAKE.name) {
        layers.wait(time.seconds()?);
    }
    Ok(())
}

fn server(given: &Given<'_>, reactor: &Reactor) -> Result<ServerTls> {
    let mut builder =
        identity(given)?.map_or_else(|| folder(given), |identity| Ok(ServerTls::new(identity)))?;
    let ca = given.option(CLIENT_CA.name);
    match (ca, given.option(CLIENTS.name)) {
        (None, None) => {}
        (None, Some(clients)) => return Err(clients.wrong("says nothing without client-ca=FILE")),
        (Some(ca), None) => builder = builder.require_clients_of(file(&ca)?),
        (Some(ca), Some(clients)) if clients.as_str() == "optional" => {
            builder = builder.ask_clients_of(file(&ca)?);
        }
        (Some(_), Some(clients)) => {
            return Err(clients.wrong("is not optional, the only word that stands here"));
        }
    }
    let built = builder.alpn(alpn(given)).min(min(given)?).build();
    // Of what was given, only the clients' CA was not looked at yet.
    let side = at(ca.as_slice(), built)?;
    side.certificates().judge(reactor.wall());
    Ok(side)
}

fn folder(given: &Given<'_>) -> Result<ServerTlsBuilder> {
    match given.option(CERTS.name) {
        Some(certs) => Ok(ServerTls::of(at(&[certs], Folder::open(certs.as_str()))?)),
        None => Err(given.wrong("needs a certificate: cert=FILE, or certs=DIR for many")),
    }
}

/// The certificate that was given, if one was.
fn identity(given: &Given<'_>) -> Result<Option<Identity>> {
    let Some([cert, key]) = cert_and_key(given)? else { return Ok(None) };
    at(&[cert, key], Identity::from_files(cert.as_str(), key.as_str())).map(Some)
}

/// The files of certificate and key, if they were given.
fn cert_and_key<'a>(given: &Given<'a>) -> Result<Option<[Value<'a>; 2]>> {
    match (given.option(CERT.name), given.option(KEY.name), given.option(CERTS.name)) {
        (Some(_), _, Some(certs)) => Err(certs.wrong("cannot stand beside cert=")),
        (Some(cert), key, None) => Ok(Some([cert, key.unwrap_or(cert)])),
        (None, Some(key), _) => Err(key.wrong("is a key without a certificate: cert=FILE is missing")),
        (None, None, _) => Ok(None),
    }
}

/// The file that a value names.
fn file(value: &Value<'_>) -> Result<Vec<u8>> {
    at(&[*value], Pem::read(Path::new(value.as_str()))).map(|pem| pem.text().to_vec())
}

/// Has an error point at the one of the values that it is about, whose name it need not repeat then.
fn at<T>(values: &[Value<'_>], result: Result<T, TlsError>) -> Result<T> {
    result.map_err(|error| {
        let (what, why) = error.parts();
        let named = values.iter().find(|value| what.as_deref() == Some(value.as_str()));
        match named.or_else(|| values.first()) {
            Some(value) => value.unusable(&why, error),
            None => error.into(),
        }
    })
}

fn alpn(given: &Given<'_>) -> Vec<String> {
    let names = given.option(ALPN.name).map(|names| names.as_str().split(',').map(str::to_owned).collect());
    names.unwrap_or_default()
}

fn min(given: &Given<'_>) -> Result<MinVersion> {
    match given.option(MIN.name) {
        None => Ok(MinVersion::default()),
        Some(min) => match min.as_str() {
            "1.2" => Ok(MinVersion::Tls12),
            "1.3" => Ok(MinVersion::Tls13),
            _ => Err(min.wrong("is no version that can be the oldest: 1.2 and 1.3 can")),
        },
    }
}

/// What a client wants, its files unread.
fn wish(given: &Given<'_>) -> Result<Wish> {
    let path = |value: Value<'_>| PathBuf::from(value.as_str());
    let identity = cert_and_key(given)?.map(|[cert, key]| (path(cert), path(key)));
    Ok(Wish { trust: trust(given)?, identity, alpn: alpn(given), min: min(given)? })
}

fn trust(given: &Given<'_>) -> Result<Whom> {
    let anybody = given.option(ANYBODY.name).map(|anybody| anybody.flag()).transpose()?.unwrap_or(false);
    match (given.option(CA.name), given.option(PIN.name), anybody) {
        (None, None, false) => Ok(Whom::Platform),
        (Some(ca), None, false) => Ok(Whom::Ca(ca.as_str().into())),
        (None, Some(pin), false) => {
            let sum = fingerprint(pin.as_str());
            Ok(Whom::Pinned(sum.ok_or_else(|| pin.wrong("is not a SHA-256: 64 hexadecimal digits"))?))
        }
        (None, None, true) => Ok(Whom::Anybody),
        _ => Err(given.wrong("takes only one of ca=, pin= and dangerously-trust-anybody=")),
    }
}

/// A SHA-256 as `trenza cert show` and others print it, with or without colons.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_shown() {
        let sum: [u8; 32] = std::array::from_fn(|at| (at * 7) as u8);
        let shown = crate::trust::hex(&sum);
        assert_eq!(fingerprint(&shown), Some(sum));
        assert_eq!(fingerprint(&shown.replace(':', "").to_uppercase()), Some(sum));
        assert_eq!(fingerprint(&shown[3..]), None);
        assert_eq!(fingerprint("x"), None);
    }
}

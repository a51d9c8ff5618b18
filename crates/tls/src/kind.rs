//! [`register`]: the kinds of endpoint `tls` and `tls-over`.

use crate::{
    ClientTls, Folder, Identity, MinVersion, ServerTls, Side, TlsError, Trust, identity::read,
    server::ServerTlsBuilder,
};
use std::{cell::RefCell, path::Path, rc::Rc};
use trenza_core::{
    Choice, Connecting, EndpointKind, Form, Given, IntoEndpoint, Layers, Listening, Map, Reactor, Result,
    Usage, Value,
};

/// How many clients' configurations are kept, so that files are read once and sessions are continued.
const CLIENTS_MAX: usize = 64;

/// Makes the kinds `tls` and `tls-over` known to a reactor: `tls:443:cert=FILE`, `tls:example.org:443`, and the same in
/// front of any other endpoint, as in `tls-over:cert=FILE:unix:/run/x.sock`.
///
/// Files are read when a server begins to listen, and by a client's first connect with them, which blocks for as long
/// as that takes.
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
const INTERFACE: Choice = choice("interface", "IP", "one address; without it all, IPv4 and IPv6");
const BACKLOG: Choice = choice("backlog", "NUMBER", "how many connections wait to be accepted; 4096");
const CA: Choice = choice("ca", "FILE", "trust who was signed by these, instead of whom the system trusts");
const PIN: Choice = choice("pin", "SHA256", "trust this one certificate, by its SHA-256 in hexadecimal");
const SERVER_NAME: Choice = choice("server-name", "NAME", "whom the certificate must be for");
const VERIFY: Choice =
    choice("dangerously-trust-anybody", "yes", "verify nothing: whoever is between can read all");
const BIND: Choice = choice("bind", "IP", "the address to connect from");
const TIMEOUT: Choice = choice("timeout", "SECONDS", "until when there must be a connection; 30");

const SERVER: Form = Form {
    values: &["PORT"],
    options: &[CERT, KEY, CERTS, CLIENT_CA, CLIENTS, ALPN, MIN, INTERFACE, BACKLOG],
    inner: false,
    about: "TLS on a TCP port",
    examples: &["tls:443:cert=site.pem", "tls:443:certs=/etc/letsencrypt/live:alpn=http/1.1"],
};

const CLIENT: Form = Form {
    values: &["HOST", "PORT"],
    options: &[CA, PIN, CERT, KEY, SERVER_NAME, ALPN, MIN, VERIFY, BIND, TIMEOUT],
    inner: false,
    about: "TLS to a TCP port of a host, which must have a certificate for its name",
    examples: &["tls:example.org:443", "tls:10.0.0.7:636:ca=ca.pem:server-name=ldap.example"],
};

const SERVER_OVER: Form = Form {
    values: &[],
    options: &[CERT, KEY, CERTS, CLIENT_CA, CLIENTS, ALPN, MIN],
    inner: true,
    about: "TLS over any other endpoint",
    examples: &["tls-over:cert=site.pem:unix:/run/site.sock"],
};

const CLIENT_OVER: Form = Form {
    values: &[],
    options: &[CA, PIN, CERT, KEY, SERVER_NAME, ALPN, MIN, VERIFY],
    inner: true,
    about: "TLS over any other endpoint, to a server of a name",
    examples: &["tls-over:server-name=example.org:tcp:10.0.0.7:443"],
};

/// `tls:PORT` and `tls:HOST:PORT`.
struct Tls(Clients);

impl EndpointKind for Tls {
    fn usage(&self) -> Usage {
        Usage { name: "tls", server: Some(SERVER), client: Some(CLIENT) }
    }

    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        let side = server(given)?;
        let mut listening = below(given, &["interface", "backlog"]).into_endpoint()?.listening(reactor)?;
        put(&mut listening.layers, side);
        Ok(listening)
    }

    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        let name = given.option("server-name").map_or_else(|| given.value(0), Ok)?.as_str();
        let side = self.0.get(given)?.to(name)?;
        let mut connecting = below(given, &["bind", "timeout"]).into_endpoint()?.connecting(reactor)?;
        put(&mut connecting.layers, side);
        Ok(connecting)
    }
}

/// `tls-over:ENDPOINT`.
struct TlsOver(Clients);

impl EndpointKind for TlsOver {
    fn usage(&self) -> Usage {
        Usage { name: "tls-over", server: Some(SERVER_OVER), client: Some(CLIENT_OVER) }
    }

    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        let side = server(given)?;
        let mut listening = given.inner()?.listening(reactor)?;
        put(&mut listening.layers, side);
        Ok(listening)
    }

    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        let name = given.option("server-name");
        let name =
            name.ok_or_else(|| given.wrong("needs server-name=NAME: whom the certificate must be for"))?;
        let side = self.0.get(given)?.to(name.as_str())?;
        let mut connecting = given.inner()?.connecting(reactor)?;
        put(&mut connecting.layers, side);
        Ok(connecting)
    }
}

/// The endpoint under TLS on TCP: the same values, and those of the options that are TCP's.
fn below(given: &Given<'_>, options: &[&str]) -> String {
    let mut below = String::from("tcp");
    given.values().for_each(|value| below.extend([":", &escaped(value.as_str())]));
    for name in options {
        if let Some(value) = given.option(name) {
            below.extend([":", name, "=", &escaped(value.as_str())]);
        }
    }
    below
}

/// The value as a string can say it.
fn escaped(value: &str) -> String {
    let mut escaped = String::new();
    for c in value.chars() {
        if matches!(c, ':' | '=' | '\\' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn put(layers: &mut Layers, side: impl Side) {
    layers.over(move |_| vec![side.layer_or_refusal()]);
}

fn server(given: &Given<'_>) -> Result<ServerTls> {
    let mut builder =
        identity(given)?.map_or_else(|| folder(given), |identity| Ok(ServerTls::new(identity)))?;
    let optional = given.option("clients");
    match (given.option("client-ca"), optional) {
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
    if let Some(protocols) = given.option("alpn") {
        builder = builder.alpn(protocols.as_str().split(','));
    }
    Ok(builder.min(min(given)?).build()?)
}

fn folder(given: &Given<'_>) -> Result<ServerTlsBuilder> {
    match given.option("certs") {
        Some(certs) => Ok(ServerTls::of(at(&certs, Folder::open(certs.as_str()))?)),
        None => Err(given.wrong("needs a certificate: cert=FILE, or certs=DIR for many")),
    }
}

/// The certificate that was given, if one was.
fn identity(given: &Given<'_>) -> Result<Option<Identity>> {
    match (given.option("cert"), given.option("key"), given.option("certs")) {
        (Some(_), _, Some(certs)) => Err(certs.wrong("cannot stand beside cert=")),
        (Some(cert), key, None) => {
            let key = key.map_or(cert.as_str(), |key| key.as_str());
            Ok(Some(at(&cert, Identity::from_files(cert.as_str(), key))?))
        }
        (None, Some(key), _) => Err(key.wrong("is a key without a certificate: cert=FILE is missing")),
        (None, None, _) => Ok(None),
    }
}

/// The file that a value names.
fn file(value: &Value<'_>) -> Result<Vec<u8>> {
    at(value, read(Path::new(value.as_str())))
}

/// Has an error point at the value that it is about, whose name it need not repeat then.
fn at<T>(value: &Value<'_>, result: Result<T, TlsError>) -> Result<T> {
    result.map_err(|error| {
        let said = error.to_string();
        let own = format!("{value}: ");
        let why =
            said.split_once(" cannot be used: ").map(|(_, why)| why).or_else(|| said.strip_prefix(&own));
        value.wrong(&format!("cannot be used: {}", why.unwrap_or(&said)))
    })
}

fn min(given: &Given<'_>) -> Result<MinVersion> {
    match given.option("min") {
        None => Ok(MinVersion::default()),
        Some(min) => match min.as_str() {
            "1.2" => Ok(MinVersion::Tls12),
            "1.3" => Ok(MinVersion::Tls13),
            _ => Err(min.wrong("is no version that can be the oldest: 1.2 and 1.3 can")),
        },
    }
}

/// Clients' configurations by the options that they were made of.
#[derive(Clone, Default)]
struct Clients(Rc<RefCell<Map<Vec<String>, ClientTls>>>);

impl Clients {
    fn get(&self, given: &Given<'_>) -> Result<ClientTls> {
        let names = ["ca", "pin", "cert", "key", "alpn", "min", "dangerously-trust-anybody"];
        let text = |name| given.option(name).map_or("", |value| value.as_str()).to_owned();
        let options: Vec<String> = names.into_iter().map(text).collect();
        if let Some(known) = self.0.borrow().get(&options) {
            return Ok(known.clone());
        }
        let made = client(given)?;
        let mut all = self.0.borrow_mut();
        if all.len() >= CLIENTS_MAX {
            all.clear();
        }
        all.insert(options, made.clone());
        Ok(made)
    }
}

fn client(given: &Given<'_>) -> Result<ClientTls> {
    let mut builder = ClientTls::new().trust(trust(given)?).min(min(given)?);
    if let Some(identity) = identity(given)? {
        builder = builder.identity(identity);
    }
    if let Some(protocols) = given.option("alpn") {
        builder = builder.alpn(protocols.as_str().split(','));
    }
    Ok(builder.build()?)
}

fn trust(given: &Given<'_>) -> Result<Trust> {
    let anybody = given.option(VERIFY.name).map(|anybody| anybody.flag()).transpose()?.unwrap_or(false);
    match (given.option("ca"), given.option("pin"), anybody) {
        (None, None, false) => Ok(Trust::Platform),
        (Some(ca), None, false) => Ok(Trust::Ca(file(&ca)?)),
        (None, Some(pin), false) => {
            let sum = fingerprint(pin.as_str());
            Ok(Trust::Pinned(sum.ok_or_else(|| pin.wrong("is not a SHA-256: 64 hexadecimal digits"))?))
        }
        (None, None, true) => Ok(Trust::DangerouslyAnybody),
        _ => Err(TlsError::Configuration(
            "only one of ca=, pin= and dangerously-trust-anybody= can hold".into(),
        )
        .into()),
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

    #[test]
    fn values_go_on_as_they_were_meant() {
        assert_eq!(escaped("::1"), r"\:\:1");
        assert_eq!(escaped("plain"), "plain");
    }
}

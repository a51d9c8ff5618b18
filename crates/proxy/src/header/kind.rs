//! The kind of endpoint `haproxy`.

use super::{Header, Reader, Told, Version, Writer};
use std::os::unix::ffi::OsStrExt;
use trenza_core::{
    Addr, Choice, Connecting, EndpointKind, Form, Given, Layer, Listening, Peer, Reactor, Result, UnixAddr,
    Usage,
};

/// `haproxy:ENDPOINT`: a PROXY header before the bytes of another endpoint.
pub(crate) struct Haproxy;

const SERVER: Form = Form {
    values: &[],
    options: &[],
    inner: true,
    below: None,
    about: "behind a proxy that tells the client's address (PROXY protocol 1 and 2); only where none but it connects",
    examples: &["haproxy:tcp:8080"],
};

const CLIENT: Form = Form {
    values: &[],
    options: &[Choice { name: "version", value: "1|2", about: "of the PROXY protocol; 2" }],
    inner: true,
    below: None,
    about: "begins by telling this end's own address (PROXY protocol)",
    examples: &["haproxy:tcp:example.org:80", "haproxy:version=1:tcp:example.org:80"],
};

impl EndpointKind for Haproxy {
    fn usage(&self) -> Usage {
        Usage { name: "haproxy", server: Some(SERVER), client: Some(CLIENT) }
    }

    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        let mut listening = given.inner()?.listening(reactor)?;
        listening.layers.under(|_| vec![Box::new(Reader::new())]);
        Ok(listening)
    }

    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        let version = match given.option("version") {
            None => Version::V2,
            Some(version) => match version.as_str() {
                "1" => Version::V1,
                "2" => Version::V2,
                _ => return Err(version.wrong("is no version of the PROXY protocol: there are 1 and 2")),
            },
        };
        let mut connecting = given.inner()?.connecting(reactor)?;
        connecting.layers.under(move |peer| writer(version, peer));
        Ok(connecting)
    }
}

fn writer(version: Version, peer: &Peer) -> Vec<Box<dyn Layer>> {
    let told = match (&peer.local, &peer.remote) {
        (Addr::Ip(source), Addr::Ip(destination)) => Told::Ip { source: *source, destination: *destination },
        (Addr::Unix(source), Addr::Unix(destination)) => {
            Told::Unix { source: path(source), destination: path(destination) }
        }
        _ => Told::Local,
    };
    vec![Box::new(Writer::new(&Header { version, told }))]
}

/// The path as system calls have it: before an abstract name stands a zero.
fn path(addr: &UnixAddr) -> Vec<u8> {
    match addr {
        UnixAddr::Path(path) => path.as_os_str().as_bytes().to_vec(),
        UnixAddr::Abstract(name) => [&[0], &name[..]].concat(),
        _ => Vec::new(),
    }
}

//! Version 1: a line of text.

use super::{Error, Header, Told, Version, wrong};
use memchr::memchr;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::{self, FromStr},
};

/// The longest line, its end included.
pub const LINE_MAX: usize = 107;
const BEGIN: &[u8] = b"PROXY ";

pub(super) fn parse(data: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    let begin = data.len().min(BEGIN.len());
    if data.get(..begin) != BEGIN.get(..begin) {
        return Err(wrong("there is no PROXY header before the client's bytes"));
    }
    let line = data.get(..LINE_MAX).unwrap_or(data);
    let Some(end) = memchr(b'\n', line) else {
        return match line.len() {
            LINE_MAX => Err(wrong("the line of the PROXY header is longer than 107 bytes")),
            _ => Ok(None),
        };
    };
    let words = line.get(BEGIN.len()..end).and_then(|words| words.strip_suffix(b"\r"));
    let told = told(words.ok_or_else(|| wrong("the line of the PROXY header ends without CR"))?)?;
    Ok(Some((Header { version: Version::V1, told }, end + 1)))
}

/// What stands behind `PROXY`.
fn told(line: &[u8]) -> Result<Told, Error> {
    let line = str::from_utf8(line).map_err(|_| wrong("the PROXY header is not in ASCII"))?;
    let mut words = line.split(' ');
    match words.next() {
        // Whatever else there is, is to be ignored.
        Some("UNKNOWN") => Ok(Told::Unknown),
        Some("TCP4") => addresses::<Ipv4Addr>(words),
        Some("TCP6") => addresses::<Ipv6Addr>(words),
        _ => Err(wrong("the PROXY header names another protocol than TCP4, TCP6 and UNKNOWN")),
    }
}

fn addresses<'a, A: FromStr + Into<IpAddr>>(words: impl Iterator<Item = &'a str>) -> Result<Told, Error> {
    let words: Vec<_> = words.take(5).collect();
    let [source, destination, from, to] = words[..] else {
        return Err(wrong("the PROXY header has not two addresses and two ports, a space between"));
    };
    let ip = |text: &str| {
        A::from_str(text).map_err(|_| wrong("an address of the PROXY header is not of its family"))
    };
    let end = |ip: A, port| Ok(SocketAddr::new(ip.into(), self::port(port)?));
    Ok(Told::Ip { source: end(ip(source)?, from)?, destination: end(ip(destination)?, to)? })
}

/// A port as it is written, without zeros before it.
fn port(text: &str) -> Result<u16, Error> {
    let port = text.parse().ok().filter(|port: &u16| port.to_string() == text);
    port.ok_or_else(|| wrong("a port of the PROXY header is not a number from 0 to 65535"))
}

pub(super) fn encode(told: &Told) -> Vec<u8> {
    match told {
        Told::Ip { source, destination } if source.is_ipv4() == destination.is_ipv4() => {
            let family = if source.is_ipv4() { 4 } else { 6 };
            let (from, to) = (source.ip(), destination.ip());
            format!("PROXY TCP{family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
        }
        _ => b"PROXY UNKNOWN\r\n".to_vec(),
    }
}

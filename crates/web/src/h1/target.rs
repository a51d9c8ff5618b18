//! Request targets and the Host field (RFC 9112, section 3.2).

use super::{
    error::{Error, bad},
    section::Fields,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Uri, Version, header::HOST};

/// Parses a request target, in the form that `method` allows:
///
/// | form | example | methods |
/// |---|---|---|
/// | origin | `/where?q=now` | all but CONNECT |
/// | absolute | `http://host/where` | all but CONNECT |
/// | authority | `host:443` | CONNECT only |
/// | asterisk | `*` | OPTIONS only |
///
/// # Errors
/// Another form; bytes that no target may hold; a fragment.
pub(super) fn parse(method: &Method, target: Bytes) -> Result<Uri, Error> {
    if target.iter().any(|b| matches!(b, 0..=b' ' | b'#' | 0x7f)) {
        return Err(bad("byte in the target that is not allowed there"));
    }
    let origin = target.first() == Some(&b'/');
    let asterisk = &target[..] == b"*";
    let uri = Uri::from_maybe_shared(target).map_err(|_| bad("malformed target"))?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let fits = if *method == Method::CONNECT {
        uri.scheme().is_none() && port_of(authority).is_some_and(|port| !port.is_empty())
    } else if asterisk {
        *method == Method::OPTIONS
    } else {
        origin || uri.scheme_str().is_some_and(|scheme| matches!(scheme, "http" | "https"))
    };
    if fits && (authority.is_empty() || is_host(authority.as_bytes())) {
        Ok(uri)
    } else {
        Err(bad("target of a form that the method does not allow"))
    }
}

/// Checks that Host is there once (in HTTP/1.0: at most once) and well-formed. The authority of an absolute
/// target replaces it, so that handlers see one truth (RFC 9112, section 3.2.2).
///
/// # Errors
/// Host is missing, repeated or malformed.
pub(super) fn check_host(version: Version, uri: &Uri, fields: &mut Fields<'_>) -> Result<(), Error> {
    match fields.host {
        Some(_) if fields.hosts => return Err(bad("Host more than once")),
        Some(host) if is_host(host) => {}
        Some(_) => return Err(bad("malformed Host")),
        None if version == Version::HTTP_10 => {}
        None => return Err(bad("Host is missing")),
    }
    if let Some(authority) = uri.authority()
        && uri.scheme().is_some()
    {
        let value = HeaderValue::from_str(authority.as_str()).map_err(|_| bad("malformed target"))?;
        fields.map.insert(HOST, value);
    }
    Ok(())
}

/// What a name may hold, or an address without brackets.
fn is_of_name(byte: u8) -> bool {
    matches!(byte, b'!' | b'$'..=b'.' | b'0'..=b'9' | b';' | b'=' | b'A'..=b'Z' | b'_' | b'a'..=b'z' | b'~')
}

/// True for `uri-host [ ":" port ]` without user information; the host may be empty.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = memchr::memchr(b']', literal) else { return false };
            let (inner, port) = literal.split_at(end);
            let inside = |byte: &u8| byte.is_ascii_hexdigit() || b":.v%".contains(byte);
            (!inner.is_empty() && inner.iter().all(inside), port.get(1..).unwrap_or_default())
        }
        None => {
            let end = host.iter().position(|byte| !is_of_name(*byte)).unwrap_or(host.len());
            (true, host.get(end..).unwrap_or_default())
        }
    };
    name && match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// What follows the colon of `host:port`; the colons of an IPv6 literal do not count.
fn port_of(host: &str) -> Option<&str> {
    let after_literal = memchr::memrchr(b']', host.as_bytes()).map_or(0, |end| end + 1);
    let rest = host.get(after_literal..)?;
    let colon = memchr::memchr(b':', rest.as_bytes())?;
    let (before, port) = (rest.get(..colon)?, rest.get(colon + 1..)?);
    (after_literal == 0 || before.is_empty()).then_some(port)
}

//! The head of a request: request line and fields (RFC 9112, sections 3 and 5).

use super::{
    Limits,
    error::{Error, bad, refuse},
    find::find,
    section::{self, Present, Scan},
    target,
};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use trenza_wire::{Input, spare};

/// What a request line may hold beside its target: the method, two spaces, the version.
const LINE_BESIDE_TARGET: usize = 64;

/// Takes the next request's head from `input`, or nothing until it is whole; and tells which fields it has.
///
/// # Errors
/// The head is over a limit or breaks the rules of the protocol.
pub(super) fn take(
    scan: &mut Scan,
    input: &mut Input<'_>,
    limits: &Limits,
) -> Result<Option<(Request<()>, Present)>, Error> {
    let data = input.peek();
    if scan.is_fresh() && data.first().is_some_and(|first| !first.is_ascii_graphic()) {
        // A client that speaks TLS, say, sends no line end, and would wait for its answer until the time is up.
        return Err(bad("a request does not begin with this byte"));
    }
    if scan.lines() == 0 && request_line(scan, data, limits)?.is_none() {
        return Ok(None);
    }
    let Some(end) = scan.end(data, limits.head, limits.fields.saturating_add(1))? else {
        return Ok(None);
    };
    let head = spare::share(data.get(..end).unwrap_or_default());
    input.skip(end);
    parse(head, scan.lines().saturating_sub(1), limits).map(Some)
}

/// Waits for the end of the request line, which is limited more tightly than the head.
fn request_line(scan: &mut Scan, data: &[u8], limits: &Limits) -> Result<Option<()>, Error> {
    let max = limits.target.saturating_add(LINE_BESIDE_TARGET).min(limits.head);
    match scan.line(data, max) {
        Ok(Some((start, end))) if start == end => Err(bad("empty request line")),
        Ok(line) => Ok(line.map(|_| ())),
        Err(Error::Remote { reply: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, .. }) => {
            Err(refuse(StatusCode::URI_TOO_LONG, "request line too long"))
        }
        Err(error) => Err(error),
    }
}

/// Parses a whole head, whose lines are known to end in CRLF.
fn parse(head: Bytes, fields: usize, limits: &Limits) -> Result<(Request<()>, Present), Error> {
    let line_end = find(b'\r', &head).ok_or_else(|| bad("no request line"))?;
    let line = head.get(..line_end).unwrap_or_default();
    let first = find(b' ', line).ok_or_else(|| bad("malformed request line"))?;
    let last = line.iter().rposition(|byte| *byte == b' ').ok_or_else(|| bad("malformed request line"))?;
    let version = version(line.get(last..).unwrap_or_default())?;
    let method =
        Method::from_bytes(line.get(..first).unwrap_or_default()).map_err(|_| bad("malformed method"))?;
    let target = head.slice(first.saturating_add(1).min(last)..last);
    if target.len() > limits.target {
        return Err(refuse(StatusCode::URI_TOO_LONG, "target too long"));
    }
    let uri = target::parse(&method, target)?;
    let mut fields = section::fields(&head, line_end.saturating_add(2), fields)?;
    target::check_host(version, &uri, &mut fields)?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = version;
    *request.headers_mut() = fields.map;
    Ok((request, fields.present))
}

/// The version after the last space of a request line. A minor version above 1 counts as 1.1
/// (RFC 9110, section 6.2).
fn version(text: &[u8]) -> Result<Version, Error> {
    match text {
        b" HTTP/1.1" => Ok(Version::HTTP_11),
        b" HTTP/1.0" => Ok(Version::HTTP_10),
        [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            if *major == b'1' {
                return Ok(Version::HTTP_11);
            }
            Err(refuse(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "version not supported"))
        }
        _ => Err(bad("malformed version")),
    }
}

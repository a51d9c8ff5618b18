//! Where a message's body ends (RFC 9112, section 6).

use super::{
    error::{Error, bad, refuse},
    section::list,
};
use http::{
    HeaderMap, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

/// How a message tells where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// After so many bytes. 0 is told as [`Framing::Empty`] of a request.
    Length(u64),
    /// After the last chunk and the trailers.
    Chunked,
    /// When the connection ends: a response to an HTTP/1.0 client whose length is not known.
    UntilClose,
}

/// The framing of a request.
///
/// Whatever two readers could understand differently is refused: that is what request smuggling lives on
/// (RFC 9112, section 11.2).
///
/// # Errors
/// 400 for ambiguous framing, 501 for a transfer coding other than chunked.
pub(super) fn of_request(version: Version, headers: &HeaderMap) -> Result<Framing, Error> {
    let length = content_length(headers)?;
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(match length {
            None | Some(0) => Framing::Empty,
            Some(length) => Framing::Length(length),
        });
    }
    if length.is_some() {
        return Err(bad("both Content-Length and Transfer-Encoding"));
    }
    if version == Version::HTTP_10 {
        return Err(bad("Transfer-Encoding in HTTP/1.0"));
    }
    let (mut codings, mut chunked, mut last) = (0, 0, false);
    for coding in list(headers, &TRANSFER_ENCODING) {
        last = coding.eq_ignore_ascii_case(b"chunked");
        chunked += usize::from(last);
        codings += 1;
        if coding.is_empty() {
            return Err(bad("empty transfer coding"));
        }
    }
    match (codings, chunked, last) {
        (1, 1, true) => Ok(Framing::Chunked),
        (_, 1, true) => Err(refuse(StatusCode::NOT_IMPLEMENTED, "transfer coding not supported")),
        _ => Err(bad("Transfer-Encoding does not end in one chunked")),
    }
}

/// The value of Content-Length.
///
/// # Errors
/// It is repeated, even with equal values, or is anything but digits of a 64-bit number.
pub(super) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let mut all = headers.get_all(CONTENT_LENGTH).into_iter();
    let Some(value) = all.next() else {
        return Ok(None);
    };
    if all.next().is_some() {
        return Err(bad("Content-Length more than once"));
    }
    if value.is_empty() {
        return Err(bad("Content-Length is empty"));
    }
    let digit =
        |n: u64, b: &u8| n.checked_mul(10)?.checked_add(u64::from(b.is_ascii_digit().then(|| b - b'0')?));
    let length = value.as_bytes().iter().try_fold(0, digit);
    length.map(Some).ok_or_else(|| bad("malformed Content-Length"))
}

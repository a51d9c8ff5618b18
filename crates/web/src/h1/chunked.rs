//! The chunked transfer coding, both ways (RFC 9112, section 7.1).
//!
//! ```text
//!          size > 0               all bytes          CRLF
//!   ┌▶ Size ───────▶ Data ────────────────▶ DataEnd ──────┐
//!   │   │ size 0                                          │
//!   │   └──────────▶ Trailers ──empty line──▶ Done        │
//!   └─────────────────────────────────────────────────────┘
//! ```

use super::{
    Limits,
    error::{Error, bad, bad_line, refuse},
    section::{self, Scan},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use std::io::Write;
use trenza_wire::Input;

/// Takes chunks apart.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    state: State,
    /// Bytes of chunk extensions so far.
    extensions: usize,
    /// Bytes of data that the chunks so far announced.
    announced: u64,
}

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers(Scan),
    Done,
}

/// What a [`Decoder`] finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the body, at least one.
    Data(&'a [u8]),
    /// The end, with the fields that came after the body. Usually there are none.
    End(HeaderMap),
}

impl Decoder {
    /// A decoder at the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next piece, or None until there is one; None after the end.
    ///
    /// # Errors
    /// 400 for a malformed size, extension or chunk end; 413 when the chunks announce more than
    /// [`Limits::body`]; 431 for trailers over their limit.
    pub fn next<'a>(&mut self, input: &mut Input<'a>, limits: &Limits) -> Result<Option<Piece<'a>>, Error> {
        loop {
            match &mut self.state {
                State::Size => {
                    let Some(line) = input.line(limits.chunk_line).map_err(bad_line)? else {
                        return Ok(None);
                    };
                    self.state = self.size(line, limits)?;
                }
                State::Data(left) => {
                    let data = input.up_to(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left = left.saturating_sub(data.len() as u64);
                    if *left == 0 {
                        self.state = State::DataEnd;
                    }
                    return Ok((!data.is_empty()).then_some(Piece::Data(data)));
                }
                State::DataEnd => {
                    match input.peek() {
                        [] | [b'\r'] => return Ok(None),
                        [b'\r', b'\n', ..] => input.skip(2),
                        _ => return Err(bad("chunk data without CRLF behind it")),
                    }
                    self.state = State::Size;
                }
                State::Trailers(scan) => {
                    let Some(trailers) = take_trailers(scan, input, limits)? else {
                        return Ok(None);
                    };
                    self.state = State::Done;
                    return Ok(Some(Piece::End(trailers)));
                }
                State::Done => return Ok(None),
            }
        }
    }

    /// A chunk's size line: `1*HEXDIG [ BWS ";" extension ]`. Signs, prefixes and other spaces are refused.
    fn size(&mut self, line: &[u8], limits: &Limits) -> Result<State, Error> {
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (number, extension) = line.split_at_checked(digits).unwrap_or_default();
        let Ok(Ok(size)) = std::str::from_utf8(number).map(|hex| u64::from_str_radix(hex, 16)) else {
            return Err(bad("malformed chunk size"));
        };
        if !extension.is_empty() && !extension.trim_ascii_start().starts_with(b";") {
            return Err(bad("malformed chunk size"));
        }
        if extension.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
            return Err(bad("control byte in a chunk extension"));
        }
        self.extensions = self.extensions.saturating_add(extension.len());
        if self.extensions > limits.chunk_extensions {
            return Err(bad("too many chunk extensions"));
        }
        self.announced = self.announced.saturating_add(size);
        if self.announced > limits.body {
            return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "body too large"));
        }
        Ok(if size == 0 { State::Trailers(Scan::default()) } else { State::Data(size) })
    }
}

fn take_trailers(
    scan: &mut Scan,
    input: &mut Input<'_>,
    limits: &Limits,
) -> Result<Option<HeaderMap>, Error> {
    let data = input.peek();
    let Some(end) = scan.end(data, limits.trailers, limits.fields)? else {
        return Ok(None);
    };
    input.skip(end);
    if scan.lines() == 0 {
        return Ok(Some(HeaderMap::new()));
    }
    let section = Bytes::copy_from_slice(data.get(..end).unwrap_or_default());
    let mut trailers = section::fields(&section, 0, scan.lines())?.map;
    let forbidden: Vec<HeaderName> = trailers.keys().filter(|name| !allowed(name)).cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
    Ok(Some(trailers))
}

/// False for fields that must come before the body, since they frame, route, authenticate or describe it
/// (RFC 9110, section 6.5.1).
fn allowed(name: &HeaderName) -> bool {
    const REFUSED: [HeaderName; 32] = [
        header::AGE,
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::DATE,
        header::EXPECT,
        header::EXPIRES,
        header::HOST,
        header::IF_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_NONE_MATCH,
        header::IF_RANGE,
        header::IF_UNMODIFIED_SINCE,
        header::LOCATION,
        header::MAX_FORWARDS,
        header::PRAGMA,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::RANGE,
        header::RETRY_AFTER,
        header::SET_COOKIE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::VARY,
        header::WWW_AUTHENTICATE,
    ];
    !REFUSED.contains(name)
}

/// Writes the line before a chunk of `size` bytes. A size of 0 would end the body.
pub(super) fn size_line(size: u64, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{size:X}\r\n");
}

/// Writes the last chunk and the trailers that may stand there.
pub(super) fn last_chunk(trailers: Option<&HeaderMap>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten().filter(|(name, _)| allowed(name)) {
        section::write_field(name, value.as_bytes(), out);
    }
    out.extend_from_slice(b"\r\n");
}

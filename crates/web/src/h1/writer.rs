//! Messages on their way out: heads and bodies.

use super::{
    Framing,
    chunked::{last_chunk, size_line},
    error::Error,
    section::{Present, write_field},
};
use http::{
    HeaderMap, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use trenza_wire::{Chunk, OutBuf};

/// Pieces up to this size are cheaper to copy behind the head than to send as pieces of their own.
const COPY_MAX: usize = 1024;

/// What a head usually needs.
const HEAD_ROOM: usize = 384;

/// What a response's head says about the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    /// Nothing: it stays, which HTTP/1.1 takes for granted.
    Implied,
    /// It stays, which an HTTP/1.0 client must be told.
    KeepAlive,
    /// It ends after this response.
    Close,
    /// It becomes something else.
    Upgrade,
}

/// What a response's head says.
pub(super) struct Head<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    /// What is in `headers`.
    pub(super) present: Present,
    /// What Content-Length says.
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) persistence: Persistence,
    pub(super) date: &'a str,
}

impl Head<'_> {
    /// Appends all of it: status line, fields, empty line.
    pub(super) fn push(&self, out: &mut OutBuf) {
        let length = self.length.and_then(|length| usize::try_from(length).ok());
        let body_room = length.filter(|length| *length <= COPY_MAX).unwrap_or(0);
        out.push_with(HEAD_ROOM + body_room, |head| self.write(head));
    }

    fn write(&self, head: &mut Vec<u8>) {
        let Self { status, headers, present, length, chunked, persistence, date } = *self;
        if status == StatusCode::OK {
            head.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        } else {
            head.extend_from_slice(b"HTTP/1.1 ");
            head.extend_from_slice(status.as_str().as_bytes());
            head.push(b' ');
            head.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        for (name, value) in headers {
            let ours = match *name {
                CONTENT_LENGTH | TRANSFER_ENCODING => true,
                CONNECTION => persistence != Persistence::Upgrade && speaks_of_persistence(value.as_bytes()),
                _ => false,
            };
            if !ours {
                write_field(name, value.as_bytes(), head);
            }
        }
        if let Some(length) = length {
            head.extend_from_slice(b"content-length: ");
            push_decimal(length, head);
            head.extend_from_slice(b"\r\n");
        }
        if chunked {
            head.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        match persistence {
            Persistence::KeepAlive => head.extend_from_slice(b"connection: keep-alive\r\n"),
            Persistence::Close => head.extend_from_slice(b"connection: close\r\n"),
            Persistence::Upgrade if !present.connection => {
                head.extend_from_slice(b"connection: upgrade\r\n");
            }
            _ => {}
        }
        if !present.date {
            head.extend_from_slice(b"date: ");
            head.extend_from_slice(date.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
    }
}

/// Appends a number: the formatter of the standard library takes several times as long.
fn push_decimal(mut number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.get_mut(start..).unwrap_or_default().reverse();
}

fn speaks_of_persistence(connection: &[u8]) -> bool {
    let mut options = connection.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    options.any(|option| option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive"))
}

/// Frames one message's body on its way out. Requests and responses alike.
#[derive(Debug, Clone)]
pub(super) enum Writer {
    /// The message has no body; data of one is dropped (HEAD, 304).
    Empty,
    /// So many bytes are left to write.
    Length(u64),
    /// Chunks.
    Chunked,
    /// All bytes until the connection is closed.
    UntilClose,
}

impl Writer {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Empty,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked,
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Writes a piece of the body.
    pub(super) fn data(&mut self, data: Chunk, out: &mut OutBuf) -> Result<(), Error> {
        let size = data.len() as u64;
        match self {
            _ if size == 0 => {}
            Self::Empty => {}
            Self::Length(left) => {
                *left = left.checked_sub(size).ok_or(Error::Local("body is longer than its length"))?;
                push(data, out);
            }
            Self::Chunked => {
                let mut line = Vec::with_capacity(18);
                size_line(size, &mut line);
                out.push_slice(&line);
                push(data, out);
                out.push_slice(b"\r\n");
            }
            Self::UntilClose => push(data, out),
        }
        Ok(())
    }

    /// Ends the body. Trailers need chunks; elsewhere they are dropped.
    pub(super) fn end(&self, trailers: Option<&HeaderMap>, out: &mut OutBuf) -> Result<(), Error> {
        match self {
            Self::Length(1..) => return Err(Error::Local("body is shorter than its length")),
            Self::Chunked => {
                let mut end = Vec::with_capacity(8);
                last_chunk(trailers, &mut end);
                out.push_slice(&end);
            }
            _ => {}
        }
        Ok(())
    }
}

fn push(data: Chunk, out: &mut OutBuf) {
    match data {
        Chunk::Own(data) if data.len() <= COPY_MAX => out.push_slice(&data),
        Chunk::Shared(data) if data.len() <= COPY_MAX => out.push_slice(&data),
        data => out.push_chunk(data),
    }
}

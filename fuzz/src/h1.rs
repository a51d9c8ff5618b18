//! What the targets of HTTP/1.1 check; a test of `trenza-web` replays their corpora with it, and takes codecs apart by it.

use http::{HeaderMap, StatusCode, Version};
use std::cell::Cell;
use trenza_web::h1::{
    Connection, Error, Event, Framing, Limits,
    chunked::{Decoder, Piece},
};
use trenza_wire::{Chunk, Input, OutBuf};

/// More than any limit of the codec, so that the input itself never stands in the way.
const UNREAD_MAX: usize = 1 << 20;

/// How much longer a text with everything escaped may be.
const ESCAPED: usize = 6;

/// What a codec made of some bytes. Pieces of data are joined, since their sizes depend on how bytes came.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// A request: its line and fields as text, and its framing.
    Request(String, Framing),
    /// Bytes of a body.
    Data(Vec<u8>),
    /// Trailer fields.
    Trailers(String),
    /// The end of a message.
    End,
    /// The peer's fault, and the answer to it.
    Failed(StatusCode, &'static str),
}

/// Any bytes: no panic, no endless loop, limits are kept.
pub fn h1_request(data: &[u8]) {
    let limits = small();
    for seen in requests(&[data], &limits) {
        match seen {
            Seen::Request(text, _) => assert!(text.len() <= ESCAPED * limits.head),
            Seen::Data(data) => assert!(data.len() as u64 <= limits.body),
            Seen::Trailers(text) => assert!(text.len() <= ESCAPED * limits.trailers),
            Seen::End | Seen::Failed(..) => {}
        }
    }
}

/// The first bytes say how the others are cut: the events are the same as of the whole, and byte for byte.
pub fn h1_split_anywhere(data: &[u8]) {
    let (sizes, message) = data.split_at(data.len().min(8));
    let limits = small();
    let whole = requests(&[message], &limits);
    assert_eq!(requests(&cut(message, sizes), &limits), whole, "cut by {sizes:?}");
    assert_eq!(requests(&cut(message, &[1]), &limits), whole, "byte for byte");
}

/// Decoding does not depend on how bytes come, and what is encoded is decoded to the same.
pub fn chunked(data: &[u8]) {
    let limits = small();
    let whole = body(&[data], &limits);
    assert_eq!(body(&cut(data, &[1]), &limits), whole, "byte for byte");
    let (sizes, message) = data.split_at(data.len().min(4));
    let encoded = encode(&cut(message, sizes));
    let mut expected = vec![Seen::End];
    if !message.is_empty() {
        expected.insert(0, Seen::Data(message.to_vec()));
    }
    let limits = Limits { body: u64::MAX, ..small() };
    assert_eq!(body(&[&encoded], &limits), expected);
}

/// Limits that short inputs reach.
pub fn small() -> Limits {
    Limits {
        head: 512,
        target: 128,
        fields: 8,
        chunk_line: 32,
        chunk_extensions: 64,
        trailers: 128,
        body: 4096,
    }
}

/// `data` in pieces of these sizes, over and over.
pub fn cut<'a>(data: &'a [u8], sizes: &[u8]) -> Vec<&'a [u8]> {
    let (mut pieces, mut rest) = (Vec::new(), data);
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| usize::from(*size).max(1));
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// What a server sees of a client that sends `pieces`, when it answers every request at its end.
pub fn requests(pieces: &[&[u8]], limits: &Limits) -> Vec<Seen> {
    let (mut connection, mut seen) = (Connection::new(), Vec::new());
    feed(pieces, |input| {
        let event = match connection.next(input, limits) {
            Ok(Some(event)) => event,
            Ok(None) => return false,
            Err(error) => {
                push(&mut seen, failed(error));
                assert!(connection.can_answer(), "an answer is possible");
                return false;
            }
        };
        let end = matches!(event, Event::End);
        push(&mut seen, describe(event));
        if end {
            let (headers, mut out) = (HeaderMap::new(), OutBuf::new());
            let status =
                if connection.can_upgrade(StatusCode::OK) { StatusCode::NOT_FOUND } else { StatusCode::OK };
            connection.send_head(status, &headers, Some(2), "now", &mut out).expect("a response is due");
            connection.send(Chunk::Own(b"ok".to_vec()), &mut out).expect("it has a body");
            connection.finish(None, &mut out).expect("it is complete");
        }
        true
    });
    seen
}

/// What a decoder sees of a chunked body.
pub fn body(pieces: &[&[u8]], limits: &Limits) -> Vec<Seen> {
    let (mut decoder, mut seen) = (Decoder::new(), Vec::new());
    let mut failing = false;
    feed(pieces, |input| {
        match decoder.next(input, limits) {
            _ if failing => return false,
            Ok(Some(Piece::Data(data))) => push(&mut seen, Seen::Data(data.to_vec())),
            Ok(Some(Piece::End(trailers))) => {
                if !trailers.is_empty() {
                    push(&mut seen, Seen::Trailers(format!("{trailers:?}")));
                }
                push(&mut seen, Seen::End);
            }
            Ok(None) => return false,
            Err(error) => {
                failing = true;
                push(&mut seen, failed(error));
                return false;
            }
        }
        true
    });
    seen
}

/// `pieces` as a chunked body, one chunk each.
pub fn encode(pieces: &[&[u8]]) -> Vec<u8> {
    let (frozen, mut connection) = (Cell::new(false), Connection::new());
    let head = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut input = Input::new(head, &frozen, UNREAD_MAX);
    while let Ok(Some(_)) = connection.next(&mut input, &Limits::default()) {}
    let mut out = OutBuf::new();
    connection
        .send_head(StatusCode::OK, &HeaderMap::new(), None, "now", &mut out)
        .expect("a response is due");
    let before = out.len();
    for piece in pieces {
        connection.send(Chunk::Own(piece.to_vec()), &mut out).expect("it has a body");
    }
    connection.finish(None, &mut out).expect("it is complete");
    out.to_vec().expect("there is no file").split_off(before)
}

/// Offers pieces one after another, with what was left unread before them, as a connection does.
fn feed(pieces: &[&[u8]], mut next: impl FnMut(&mut Input<'_>) -> bool) {
    let frozen = Cell::new(false);
    let mut unread = Vec::new();
    for piece in pieces {
        unread.extend_from_slice(piece);
        let mut input = Input::new(&unread, &frozen, UNREAD_MAX);
        let mut steps = 0;
        while next(&mut input) {
            steps += 1;
            assert!(steps <= 3 * unread.len() + 3, "events without bytes");
        }
        let taken = input.taken();
        unread.drain(..taken);
    }
}

fn describe(event: Event<'_>) -> Seen {
    match event {
        Event::Request { request, body } => {
            assert!(matches!(request.version(), Version::HTTP_10 | Version::HTTP_11));
            let (method, uri, headers) = (request.method(), request.uri(), request.headers());
            Seen::Request(format!("{method} {uri} {:?} {headers:?}", request.version()), body)
        }
        Event::Data(data) => Seen::Data(data.to_vec()),
        Event::Trailers(trailers) => Seen::Trailers(format!("{trailers:?}")),
        Event::End => Seen::End,
    }
}

fn failed(error: Error) -> Seen {
    match error {
        Error::Remote { what, reply } => {
            assert!(reply.is_client_error() || reply.is_server_error());
            Seen::Failed(reply, what)
        }
        Error::Local(what) => panic!("the peer's bytes are not our fault: {what}"),
    }
}

fn push(seen: &mut Vec<Seen>, next: Seen) {
    match (seen.last_mut(), next) {
        (Some(Seen::Data(before)), Seen::Data(more)) => before.extend_from_slice(&more),
        (_, next) => seen.push(next),
    }
}

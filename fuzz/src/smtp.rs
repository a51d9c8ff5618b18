//! What the targets of SMTP check; a test of `trenza-mail` replays their corpora with it.

use std::cell::Cell;
use trenza_mail::smtp::{
    Command, Reply,
    command::{self, Violation},
    data::{Decoder, Encoder, Lines, Piece},
    reply::{self, ReplyLimits},
};
use trenza_wire::{Input, OutBuf};

/// More than any limit, so that the input itself never stands in the way.
const UNREAD_MAX: usize = 1 << 20;

/// The first byte says how the others are cut. What commands come of them does not depend on it; what is written of a
/// command is read as the same.
pub(crate) fn smtp_commands(data: &[u8]) {
    let Some((size, message)) = data.split_first() else { return };
    let whole = commands(&[message]);
    assert_eq!(commands(&cut(message, *size)), whole, "in pieces of {size}");
    assert_eq!(commands(&cut(message, 1)), whole, "byte for byte");
    for command in whole.into_iter().flatten() {
        let mut out = OutBuf::new();
        command.write(&mut out);
        let line = out.to_vec().expect("there is no file");
        let line = line.strip_suffix(b"\r\n").expect("a line");
        assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
        let again = Command::parse(line);
        // What NOOP is followed by says nothing.
        assert_eq!(again.as_ref(), Ok(&command), "written and read: {}", line.escape_ascii());
    }
}

fn commands(pieces: &[&[u8]]) -> Vec<Result<Command, Violation<Reply>>> {
    let (mut reader, mut seen, mut fatal) = (command::Reader::new(), Vec::new(), false);
    feed(pieces, |input| match reader.next::<Command>(input) {
        _ if fatal => false,
        Ok(None) => false,
        Ok(Some(command)) => {
            seen.push(Ok(command));
            true
        }
        Err(violation) => {
            let (Violation::Refused(reply) | Violation::Fatal(reply)) = &violation;
            assert!(reply.code().is_permanent());
            fatal = matches!(violation, Violation::Fatal(_));
            seen.push(Err(violation));
            true
        }
    });
    seen
}

/// The first byte says how the others are cut. What replies come of them does not depend on it, and limits are kept; what
/// is written of a reply can be read.
pub(crate) fn smtp_replies(data: &[u8]) {
    let Some((size, message)) = data.split_first() else { return };
    let whole = replies(&[message]);
    assert_eq!(replies(&cut(message, *size)), whole, "in pieces of {size}");
    assert_eq!(replies(&cut(message, 1)), whole, "byte for byte");
    for reply in whole.0 {
        assert!(reply.lines().count() <= 8 && reply.text().len() <= 3 * 96);
        let mut out = OutBuf::new();
        reply.write(&mut out);
        let text = out.to_vec().expect("there is no file");
        assert!(text.split_inclusive(|byte| *byte == b'\n').all(|line| line.len() <= reply::LINE_MAX));
        let (frozen, mut reader) = (Cell::new(false), reply::Reader::default());
        let again = reader.next(&mut Input::new(&text, &frozen, UNREAD_MAX));
        let again = again.expect("it is a reply").expect("it is whole");
        assert_eq!((again.code(), again.lines().count()), (reply.code(), reply.lines().count()));
    }
}

fn replies(pieces: &[&[u8]]) -> (Vec<Reply>, Option<&'static str>) {
    let mut reader = reply::Reader::new(ReplyLimits { line: 64, lines: 8, bytes: 96 });
    let (mut seen, mut failed) = (Vec::new(), None);
    feed(pieces, |input| match reader.next(input) {
        _ if failed.is_some() => false,
        Ok(Some(reply)) => {
            seen.push(reply);
            true
        }
        Ok(None) => false,
        Err(error) => {
            assert!(!error.is_local());
            failed = Some(error.what());
            false
        }
    });
    (seen, failed)
}

/// The first byte says how the others are cut: the message and where it ends do not depend on it. It ends where the
/// bytes CRLF, dot, CRLF stand, and nowhere else. Any bytes that are written as a message are one message.
pub(crate) fn smtp_data(data: &[u8]) {
    let Some((size, wire)) = data.split_first() else { return };
    let whole = decoded(&[wire]);
    assert_eq!(decoded(&cut(wire, *size)), whole, "in pieces of {size}");
    assert_eq!(decoded(&cut(wire, 1)), whole, "byte for byte");
    let lines = [b"\r\n", wire].concat();
    let end = lines.windows(5).position(|five| five == b"\r\n.\r\n");
    assert_eq!(whole.end, end.map(|at| at + 3));
    let message = wire.get(..end.map_or(wire.len(), |at| at)).unwrap_or_default();
    if end.is_some() {
        let mut lines = Lines::default();
        let is_lines = lines.check(message).and_then(|()| lines.finish()).is_ok();
        assert_eq!(whole.bare, !is_lines);
    }
    for pieces in [&[wire][..], &cut(wire, *size), &cut(wire, 1)] {
        let (mut encoder, mut out) = (Encoder::new(), OutBuf::new());
        pieces.iter().for_each(|piece| encoder.encode(piece, &mut out));
        encoder.finish(&mut out);
        let written = out.to_vec().expect("there is no file");
        let read = decoded(&[&written]);
        assert!(read.end == Some(written.len()) && !read.bare);
        let mut lines = Lines::default();
        if lines.check(wire).and_then(|()| lines.finish()).is_ok()
            && (wire.is_empty() || wire.ends_with(b"\r\n"))
        {
            assert_eq!(read.text, wire, "nothing is altered");
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    text: Vec<u8>,
    bare: bool,
    /// After how many bytes it was over.
    end: Option<usize>,
}

fn decoded(pieces: &[&[u8]]) -> Decoded {
    let (mut decoder, mut seen) = (Decoder::new(), Decoded { text: Vec::new(), bare: false, end: None });
    let (frozen, mut unread, mut before) = (Cell::new(false), Vec::new(), 0);
    for piece in pieces {
        unread.extend_from_slice(piece);
        let mut input = Input::new(&unread, &frozen, UNREAD_MAX);
        while seen.end.is_none() {
            match decoder.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Piece::Bytes(bytes))) => {
                    assert!(!bytes.is_empty());
                    seen.text.extend_from_slice(bytes);
                }
                Ok(Some(Piece::End)) => seen.end = Some(before + input.taken()),
                Err(_) => {
                    assert!(!seen.bare, "it is said once");
                    seen.bare = true;
                }
            }
        }
        let taken = input.taken();
        before += taken;
        unread.drain(..taken);
    }
    if seen.end.is_none() {
        // How much of it was looked at yet depends on how it was cut.
        assert!(unread.len() <= 2);
    }
    seen
}

fn cut(data: &[u8], size: u8) -> Vec<&[u8]> {
    data.chunks(usize::from(size).max(1)).collect()
}

/// Offers pieces one after another, with what was left unread before them, as a connection does.
fn feed(pieces: &[&[u8]], mut next: impl FnMut(&mut Input<'_>) -> bool) {
    let (frozen, mut unread) = (Cell::new(false), Vec::new());
    for piece in pieces {
        unread.extend_from_slice(piece);
        let mut input = Input::new(&unread, &frozen, UNREAD_MAX);
        while next(&mut input) {}
        let taken = input.taken();
        unread.drain(..taken);
    }
}

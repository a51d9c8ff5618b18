//! What the targets of POP3 check; a test of `trenza-mail` replays their corpora with it.

use std::cell::Cell;
use trenza_mail::pop3::{
    Command, Reply, Status,
    command::{self, Violation},
    reply,
    text::{Decoder, Encoder, Line, Piece, line},
};
use trenza_wire::{Input, OutBuf};

/// More than any limit, so that the input itself never stands in the way.
const UNREAD_MAX: usize = 1 << 20;

/// The first byte says how the others are cut. What commands come of them does not depend on it; what is written of a
/// command is read as the same.
pub(crate) fn pop3_commands(data: &[u8]) {
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
        assert_eq!(Command::parse(line).as_ref(), Ok(&command), "written and read: {}", line.escape_ascii());
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
            assert_eq!(reply.status(), Status::Err);
            fatal = matches!(violation, Violation::Fatal(_));
            seen.push(Err(violation));
            true
        }
    });
    seen
}

/// The first byte says how the others are cut. What replies, and what listings behind those that are `+OK`, come of them does
/// not depend on it; what is written of a reply is read as the same, as far as it is plain and short.
pub(crate) fn pop3_replies(data: &[u8]) {
    let Some((size, message)) = data.split_first() else { return };
    let whole = replies(&[message]);
    assert_eq!(replies(&cut(message, *size)), whole, "in pieces of {size}");
    assert_eq!(replies(&cut(message, 1)), whole, "byte for byte");
    for reply in whole.0 {
        let mut out = OutBuf::new();
        reply.write(&mut out);
        let text = out.to_vec().expect("there is no file");
        assert!(reply.status() == Status::Challenge || text.len() <= reply::LINE_MAX);
        let frozen = Cell::new(false);
        let again = Reply::read(&mut Input::new(&text, &frozen, UNREAD_MAX));
        let again = again.expect("it is a reply").expect("it is whole");
        assert_eq!(again.status(), reply.status());
        let is_plain = reply.text().bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if is_plain && text.len() < reply::LINE_MAX && !reply.text().starts_with([' ', '[']) {
            assert_eq!(again, reply);
        }
    }
}

/// Replies, the lines behind them, and what was wrong.
type Said = (Vec<Reply>, Vec<Vec<u8>>, Option<&'static str>);

fn replies(pieces: &[&[u8]]) -> Said {
    let (mut seen, mut lines, mut failed, mut listing) = (Vec::new(), Vec::new(), None, false);
    feed(pieces, |input| {
        let next = match (failed, listing) {
            (Some(_), _) => return false,
            (None, true) => line(input).map(|line| {
                line.map(|line| match line {
                    Line::Text(text) => lines.push(text.to_vec()),
                    Line::End => listing = false,
                })
            }),
            (None, false) => Reply::read(input).map(|reply| {
                reply.map(|reply| {
                    listing = reply.status() == Status::Ok;
                    seen.push(reply);
                })
            }),
        };
        match next {
            Ok(next) => next.is_some(),
            Err(error) => {
                assert!(!error.is_local());
                failed = Some(error.what());
                false
            }
        }
    });
    (seen, lines, failed)
}

/// The first byte says how the others are cut. A message is encoded the same however it is cut, as one message, and
/// decoded to what it was, but for line ends of others.
pub(crate) fn pop3_text(data: &[u8]) {
    let Some((size, message)) = data.split_first() else { return };
    let whole = encoded(&[message]);
    assert_eq!(encoded(&cut(message, *size)), whole, "in pieces of {size}");
    assert_eq!(encoded(&cut(message, 1)), whole, "byte for byte");
    assert!(whole.len() <= 2 * message.len() + 5);
    let mut wanted = Vec::new();
    for byte in message {
        if *byte == b'\n' && wanted.last() != Some(&b'\r') {
            wanted.push(b'\r');
        }
        wanted.push(*byte);
    }
    match wanted.last() {
        None | Some(b'\n') => {}
        Some(b'\r') => wanted.push(b'\n'),
        Some(_) => wanted.extend(b"\r\n"),
    }
    for pieces in [&[&whole[..]][..], &cut(&whole, *size), &cut(&whole, 1)] {
        let (mut decoder, mut decoded, mut ended) = (Decoder::new(), Vec::new(), false);
        feed(pieces, |input| match decoder.next(input) {
            Ok(Some(Piece::Bytes(bytes))) => {
                assert!(!ended, "there is one message");
                decoded.extend_from_slice(bytes);
                true
            }
            Ok(Some(Piece::End)) => {
                ended = true;
                true
            }
            Ok(None) => false,
            // A CR stands alone in it, and is no concern of ours.
            Err(_) => true,
        });
        assert!(ended && decoded == wanted, "{} for {}", decoded.escape_ascii(), wanted.escape_ascii());
    }
}

fn encoded(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut encoder, mut text) = (Encoder::new(), Vec::new());
    pieces.iter().for_each(|piece| encoder.encode(piece, &mut text));
    encoder.finish(&mut text);
    text
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

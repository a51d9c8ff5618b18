//! What the targets of FTP check; a test of `trenza-ftp` replays their corpora with it.

use std::{
    cell::Cell,
    time::{Duration, SystemTime},
};
use trenza_ftp::{
    Command, Entry, Glob, Reply, address,
    ascii::{Decoder, Encoder},
    command,
    listing::{FactSet, mlsx, parse_line, unix},
    reply::{self, ReplyLimits, quote, unquote},
};
use trenza_wire::{Input, OutBuf};

/// A line that short inputs exceed.
const LINE_MAX: usize = 64;
/// More than any limit, so that the input itself never stands in the way.
const UNREAD_MAX: usize = 1 << 20;

/// The first byte says how the others are cut. What commands come of them does not depend on it; what is written of a
/// command is read as the same.
pub(crate) fn ftp_commands(data: &[u8]) {
    let Some((size, message)) = data.split_first() else { return };
    let whole = commands(&[message], LINE_MAX);
    assert_eq!(commands(&cut(message, *size), LINE_MAX), whole, "in pieces of {size}");
    assert_eq!(commands(&cut(message, 1), LINE_MAX), whole, "byte for byte");
    for command in whole.into_iter().flatten() {
        let mut out = OutBuf::new();
        command.write(&mut out).expect("a line can hold what came in one");
        let line = out.to_vec().expect("there is no file");
        assert_eq!(commands(&[&line], UNREAD_MAX), [Ok(command)], "written and read");
    }
}

fn commands(pieces: &[&[u8]], line_max: usize) -> Vec<Result<Command, (u16, &'static str)>> {
    let (mut reader, mut seen) = (command::Reader::new(line_max), Vec::new());
    feed(pieces, |input| match reader.next(input) {
        Ok(Some(command)) => {
            seen.push(Ok(command));
            true
        }
        Ok(None) => false,
        Err(command::Error::Remote { what, reply }) => {
            assert!(reply.is_failure(), "{what}");
            seen.push(Err((reply.number(), what)));
            true
        }
        Err(error) => panic!("the peer's bytes are not our fault: {error}"),
    });
    seen
}

/// The first byte says how the others are cut. What replies come of them does not depend on it, and limits are kept; what
/// is written of a reply is read as the same. Their texts are read as whatever a client looks for in them.
pub(crate) fn ftp_replies(data: &[u8]) {
    let Some((size, message)) = data.split_first() else { return };
    let whole = replies(&[message]);
    assert_eq!(replies(&cut(message, *size)), whole, "in pieces of {size}");
    assert_eq!(replies(&cut(message, 1)), whole, "byte for byte");
    for reply in whole.0 {
        assert!(reply.lines().len() <= 9 && reply.lines().map(<[u8]>::len).sum::<usize>() <= 128);
        let mut out = OutBuf::new();
        reply.write(&mut out);
        let text = out.to_vec().expect("there is no file");
        let mut reader = reply::Reader::default();
        let frozen = Cell::new(false);
        let again = reader.next(&mut Input::new(&text, &frozen, UNREAD_MAX));
        let again = again.expect("it is a reply").expect("it is whole");
        assert_eq!((again.code(), again.lines().len()), (reply.code(), reply.lines().len()));
        let _ = (address::parse_227(reply.last()), address::parse_229(reply.last()));
        let features = reply::Features::of(&reply);
        let _ = (features.facts(), features.has_restart());
        if let Some(path) = unquote(reply.last()) {
            assert_eq!(unquote(&quote(&path)), Some(path), "quoted and not");
        }
    }
}

fn replies(pieces: &[&[u8]]) -> (Vec<Reply>, Option<&'static str>) {
    let mut reader = reply::Reader::new(ReplyLimits { line: LINE_MAX, lines: 8, bytes: 96 });
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

/// Every line is read as a listing of every kind, as a pattern that it is matched with, and as text; what is written of
/// an entry is read as the same.
pub(crate) fn ftp_listing(data: &[u8]) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for line in trenza_ftp::ascii::lines(data) {
        if let Some(entry) = parse_line(line, now) {
            assert!(!entry.name.is_empty());
            let mut text = Vec::new();
            unix::write(&entry, now, &mut text);
            let again = parse_line(&text, now);
            let again = again.unwrap_or_else(|| panic!("{}", text.escape_ascii()));
            assert!(again.kind == entry.kind || !entry.is_inside(), "{again:?} of {entry:?}");
            let plain = |entry: &Entry| !entry.name.windows(4).any(|four| four == b" -> ");
            assert!(again.name == entry.name || !plain(&entry) || !plain(&again), "{again:?} of {entry:?}");
        }
        if let Some(entry) = mlsx::parse(line) {
            assert!(!entry.name.is_empty());
            let (mut text, mut again) = (Vec::new(), Vec::new());
            mlsx::write(&entry, FactSet::default(), &mut text);
            let read = mlsx::parse(&text).expect("what is written can be read");
            mlsx::write(&read, FactSet::default(), &mut again);
            assert_eq!(text.escape_ascii().to_string(), again.escape_ascii().to_string());
        }
        if let Ok(glob) = Glob::new(line) {
            let plain = !Glob::is_pattern(line) && !line.contains(&b'\\');
            assert!(glob.matches(line) || !plain, "a name is a pattern of itself");
        }
    }
    text(data);
}

/// Text does not depend on how it is cut.
fn text(data: &[u8]) {
    let encoded = |pieces: &[&[u8]]| {
        let (mut encoder, mut out) = (Encoder::new(), Vec::new());
        pieces.iter().for_each(|piece| encoder.encode(piece, &mut out));
        out
    };
    let decoded = |pieces: &[&[u8]]| {
        let (mut decoder, mut out) = (Decoder::new(), Vec::new());
        pieces.iter().for_each(|piece| decoder.decode(piece, &mut out));
        decoder.finish(&mut out);
        out
    };
    let wire = encoded(&[data]);
    assert_eq!(Encoder::new().count(data), wire.len() as u64);
    assert_eq!(encoded(&cut(data, 1)), wire);
    assert_eq!(decoded(&cut(&wire, 3)), decoded(&[&wire]));
    if !data.windows(2).any(|two| two == b"\r\n") {
        assert_eq!(decoded(&[&wire]), data, "there and back");
    }
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

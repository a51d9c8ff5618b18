//! TYPE A: text whose lines end in CRLF on the wire and in LF here (RFC 959 section 3.1.1.1).
//!
//! Neither end depends on how the bytes are cut into pieces.

use memchr::{memchr, memchr_iter, memrchr};

/// From here to the wire: each LF becomes CRLF. One behind a CR stays as it is, so that a file whose lines end in CRLF
/// already is not spoilt.
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    after_cr: bool,
}

impl Encoder {
    /// At the start of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `data`, as it goes over the wire, to `out`: at most twice as much.
    pub fn encode(&mut self, data: &[u8], out: &mut Vec<u8>) {
        out.reserve(data.len() + data.len() / 16);
        let mut start = 0;
        for at in memchr_iter(b'\n', data) {
            let line = data.get(start..at).unwrap_or_default();
            out.extend_from_slice(line);
            if !ends_in_cr(line, self.after_cr) {
                out.push(b'\r');
            }
            out.push(b'\n');
            self.after_cr = false;
            start = at + 1;
        }
        let rest = data.get(start..).unwrap_or_default();
        out.extend_from_slice(rest);
        self.after_cr = ends_in_cr(rest, self.after_cr);
    }

    /// How many bytes `data` has on the wire: what SIZE says in TYPE A (RFC 3659 section 4).
    pub fn count(&mut self, data: &[u8]) -> u64 {
        let (mut start, mut added) = (0, 0);
        for at in memchr_iter(b'\n', data) {
            let line = data.get(start..at).unwrap_or_default();
            added += u64::from(!ends_in_cr(line, self.after_cr));
            self.after_cr = false;
            start = at + 1;
        }
        self.after_cr = ends_in_cr(data.get(start..).unwrap_or_default(), self.after_cr);
        data.len() as u64 + added
    }
}

/// Whether a line ends in CR, if its first piece followed one or not.
fn ends_in_cr(line: &[u8], before: bool) -> bool {
    line.last().map_or(before, |last| *last == b'\r')
}

/// From the wire to here: each CRLF becomes LF. A CR or LF that stands alone stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    /// A CR came, and what follows it has not.
    held: bool,
}

impl Decoder {
    /// At the start of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `data`, as it is to be stored, to `out`: at most one byte more. A CR at the end is held back.
    pub fn decode(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let Some(first) = data.first() else { return };
        if std::mem::take(&mut self.held) && *first != b'\n' {
            out.push(b'\r');
        }
        let mut rest = data;
        while let Some(at) = memchr(b'\r', rest) {
            let (line, after) = rest.split_at(at);
            out.extend_from_slice(line);
            match after.get(1) {
                None => {
                    self.held = true;
                    return;
                }
                Some(b'\n') => {}
                Some(_) => out.push(b'\r'),
            }
            rest = after.get(1..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }

    /// The end of the file: a CR that was held back belongs to it.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.held) {
            out.push(b'\r');
        }
    }
}

/// The lines of a text, without CRLF or LF; the last one may lack its end. For listings, which are short.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = memrchr(b'\n', text).map_or(0, |at| at + 1);
    let last = text.get(whole..).filter(|rest| !rest.is_empty());
    let whole = text.get(..whole).unwrap_or_default();
    let lines = whole.split_inclusive(|c| *c == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line));
    lines.chain(last).map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: &[(&[u8], &[u8])] = &[
        (b"", b""),
        (b"\n", b"\r\n"),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\n\n\nb", b"a\r\n\r\n\r\nb"),
        (b"a\rb\n", b"a\rb\r\n"),
        (b"\r\r", b"\r\r"),
        (b"no end", b"no end"),
        (b"a\0\xff\n", b"a\0\xff\r\n"),
    ];

    fn in_pieces(text: &[u8], cuts: &[usize], mut step: impl FnMut(&[u8])) {
        let mut from = 0;
        for cut in cuts.iter().copied().chain([text.len()]) {
            step(&text[from..cut]);
            from = cut;
        }
    }

    fn encoded(text: &[u8], cuts: &[usize]) -> Vec<u8> {
        let (mut encoder, mut counter, mut out, mut count) = (Encoder::new(), Encoder::new(), Vec::new(), 0);
        in_pieces(text, cuts, |piece| {
            encoder.encode(piece, &mut out);
            count += counter.count(piece);
        });
        assert_eq!(count, out.len() as u64);
        out
    }

    fn decoded(wire: &[u8], cuts: &[usize]) -> Vec<u8> {
        let (mut decoder, mut out) = (Decoder::new(), Vec::new());
        in_pieces(wire, cuts, |piece| decoder.decode(piece, &mut out));
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn text_there_and_back_in_any_two_pieces() {
        for (here, wire) in TEXTS {
            for cut in 0..=here.len() {
                assert_eq!(encoded(here, &[cut]), *wire);
            }
            for cut in 0..=wire.len() {
                assert_eq!(decoded(wire, &[cut]), *here);
            }
            let all: Vec<usize> = (0..wire.len()).collect();
            assert_eq!(decoded(wire, &all), *here);
        }
    }

    #[test]
    fn line_ends_that_are_there_already_stay() {
        for cut in 0..=6 {
            assert_eq!(encoded(b"a\r\nb\r\n", &[cut]), b"a\r\nb\r\n");
        }
        for cut in 0..=5 {
            assert_eq!(decoded(b"a\nb\r\r\n", &[cut]), b"a\nb\r\n");
        }
    }

    #[test]
    fn lines_of_either_kind() {
        let all = |text: &'static [u8]| lines(text).collect::<Vec<_>>();
        assert_eq!(all(b"a\r\nb\n\r\nc"), [&b"a"[..], b"b", b"", b"c"]);
        assert_eq!(all(b""), Vec::<&[u8]>::new());
        assert_eq!(all(b"a\r\n"), [b"a"]);
    }
}

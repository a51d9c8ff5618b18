//! [`Printer`]: a tap that prints what it sees, for people.

use crate::{Seen, Tap, Transport};
use std::{
    fmt::{self, Write as _},
    io::Write,
    time::Instant,
};

/// Bytes of a line.
const ROW: usize = 16;
/// How many bytes of a connection are printed unless told otherwise.
const LIMIT: u64 = 64 * 1024;

/// A [`Tap`] that prints what it sees, bytes as hexadecimal numbers and as text:
///
/// ```text
/// 0.000 3.1 10.0.0.2:1024 <-> 10.0.0.1:7
/// 0.050 3.1 <- 7 bytes
///   0000  68 65 6c 6c 6f 0d 0a                             |hello..|
/// 0.050 3.1 -> bytes 0..4096 of a file
/// 1.200 3.1 end: closed by the peer
/// ```
///
/// First comes the time in seconds since the tap began, then the connection's name; `<-` is received, `->` is sent.
///
/// ```
/// use trenza_core::{Policy, Printer, Transport};
///
/// let policy = Policy::new().tap(|_: &Transport| Printer::new(std::io::stderr()).color(true));
/// # drop(policy);
/// ```
///
/// It writes when it is called, on the loop's thread; what cannot be written is left out.
pub struct Printer<W> {
    to: W,
    color: bool,
    left: u64,
    full: bool,
    files: bool,
    began: Option<Instant>,
}

impl<W: Write + 'static> Printer<W> {
    /// Prints to `to`, without colours, the first 64 KiB of a connection.
    pub fn new(to: W) -> Self {
        Self { to, color: false, left: LIMIT, full: false, files: false, began: None }
    }

    /// Colours what is received and what is sent, for a terminal.
    #[must_use]
    pub fn color(self, color: bool) -> Self {
        Self { color, ..self }
    }

    /// Prints at most so many bytes of a connection, both directions together.
    #[must_use]
    pub fn limit(self, bytes: u64) -> Self {
        Self { left: bytes, ..self }
    }

    /// Prints the bytes of files too: they are copied then, not sent by `sendfile`.
    #[must_use]
    pub fn copy_files(self) -> Self {
        Self { files: true, ..self }
    }

    fn print(&mut self, transport: &Transport, color: &str, what: fmt::Arguments<'_>, data: &[u8]) {
        let now = transport.reactor().now();
        let passed = now.saturating_duration_since(*self.began.get_or_insert(now)).as_secs_f64();
        let (on, off) = if self.color && !color.is_empty() { (color, "\x1b[0m") } else { ("", "") };
        let mut text = format!("{on}{passed:.3} {} {what}{off}\n", transport.id());
        let shown = data.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= shown as u64;
        for (row, bytes) in data.get(..shown).unwrap_or_default().chunks(ROW).enumerate() {
            line(&mut text, row * ROW, bytes);
        }
        if shown < data.len() && !std::mem::replace(&mut self.full, true) {
            text.push_str("  (no more bytes of this connection are shown)\n");
        }
        let _ = self.to.write_all(text.as_bytes());
    }
}

/// Appends a line of a dump. Writing to a string cannot fail.
fn line(text: &mut String, at: usize, bytes: &[u8]) {
    let _ = write!(text, "  {at:04x} ");
    for place in 0..ROW {
        let gap = if place == ROW / 2 { "  " } else { " " };
        let _ = match bytes.get(place) {
            Some(byte) => write!(text, "{gap}{byte:02x}"),
            None => write!(text, "{gap}  "),
        };
    }
    text.push_str("  |");
    text.extend(bytes.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }));
    text.push_str("|\n");
}

impl<W: Write + 'static> Tap for Printer<W> {
    fn see(&mut self, transport: &Transport, seen: Seen<'_>) {
        const IN: &str = "\x1b[36m";
        const OUT: &str = "\x1b[33m";
        match seen {
            Seen::Began => {
                let peer = transport.peer();
                self.print(transport, "", format_args!("{} <-> {}", peer.remote, peer.local), &[]);
            }
            Seen::Received(data) => {
                self.print(transport, IN, format_args!("<- {} bytes", data.len()), data);
            }
            Seen::Sent(data) => self.print(transport, OUT, format_args!("-> {} bytes", data.len()), data),
            Seen::SentFile(range) => {
                self.print(transport, OUT, format_args!("-> bytes {range:?} of a file"), &[]);
            }
            Seen::Eof => self.print(transport, IN, format_args!("<- end of stream"), &[]),
            Seen::Ended(reason) => {
                let reason = reason.to_string().escape_debug().to_string();
                self.print(transport, "", format_args!("end: {reason}"), &[]);
                let _ = self.to.flush();
            }
        }
    }

    fn copies_files(&self) -> bool {
        self.files
    }
}

impl<W> fmt::Debug for Printer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printer").field("left", &self.left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_dump_are_aligned_and_harmless() {
        let mut text = String::new();
        line(&mut text, 0, b"hello\r\n");
        line(&mut text, 16, b"\x1b[31m 0123456789");
        line(&mut text, 0xfff0, "öl".as_bytes());
        assert_eq!(
            text,
            "  0000  68 65 6c 6c 6f 0d 0a                              |hello..|\n\
             \x20 0010  1b 5b 33 31 6d 20 30 31  32 33 34 35 36 37 38 39  |.[31m 0123456789|\n\
             \x20 fff0  c3 b6 6c                                          |..l|\n"
        );
    }
}

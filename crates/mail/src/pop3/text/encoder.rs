//! [`Encoder`]: a message as it goes behind a reply.

use memchr::memchr_iter;

/// Writes a message, at the server's end, in pieces of any size.
///
/// Dots at the beginnings of lines are doubled. An LF that stands alone becomes a CRLF, since other programs store messages
/// so, and the last line gets a CRLF if it has none. Nothing else is altered.
///
/// ```
/// use trenza_mail::pop3::text::Encoder;
///
/// let (mut encoder, mut text) = (Encoder::new(), Vec::new());
/// encoder.encode(b"a\n.b", &mut text);
/// encoder.finish(&mut text);
/// assert_eq!(text, b"a\r\n..b\r\n.\r\n");
/// ```
#[derive(Debug, Clone)]
pub struct Encoder {
    /// The last byte before what comes next; LF at the start.
    last: u8,
}

impl Encoder {
    /// At the start of a message.
    pub fn new() -> Self {
        Self { last: b'\n' }
    }

    /// Appends more of it to `text`: at most twice as much.
    pub fn encode(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        let Some(last) = bytes.last() else { return };
        text.reserve(bytes.len());
        if self.last == b'\n' && bytes.first() == Some(&b'.') {
            text.push(b'.');
        }
        // What was copied so far.
        let mut done = 0;
        for at in memchr_iter(b'\n', bytes) {
            let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(self.last);
            let (is_bare, is_dot) = (before != b'\r', bytes.get(at + 1) == Some(&b'.'));
            if is_bare {
                text.extend_from_slice(bytes.get(done..at).unwrap_or_default());
                text.extend_from_slice(b"\r\n");
                done = at + 1;
            }
            if is_dot {
                text.extend_from_slice(bytes.get(done..=at).unwrap_or_default());
                text.push(b'.');
                done = at + 1;
            }
        }
        text.extend_from_slice(bytes.get(done..).unwrap_or_default());
        self.last = *last;
    }

    /// Appends the end.
    pub fn finish(self, text: &mut Vec<u8>) {
        text.extend_from_slice(match self.last {
            b'\n' => b".\r\n",
            b'\r' => b"\n.\r\n",
            _ => b"\r\n.\r\n",
        });
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

//! [`Encoder`]: a message as it goes behind DATA or BDAT.

use memchr::memchr2;
use trenza_wire::OutBuf;

/// Writes a message, at the client's end, in pieces of any size.
///
/// Dots at the beginnings of lines are doubled. Each CR and each LF that stands alone becomes a CRLF, and the last line
/// gets one if it has none, so that nothing that is sent can be taken for two messages.
///
/// ```
/// use trenza_mail::smtp::data::Encoder;
/// use trenza_wire::OutBuf;
///
/// let (mut encoder, mut out) = (Encoder::new(), OutBuf::new());
/// encoder.encode(b"a\n.b", &mut out);
/// encoder.finish(&mut out);
/// assert_eq!(out.to_vec()?, b"a\r\n..b\r\n.\r\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Encoder {
    place: Place,
    /// They are doubled, and there is one at the end.
    dots: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    InLine,
    /// A CR has come and was not written yet.
    AfterCr,
}

impl Encoder {
    /// At the start of a message for DATA.
    pub fn new() -> Self {
        Self { place: Place::LineStart, dots: true }
    }

    /// At the start of a message for BDAT (RFC 3030), where dots are as any byte, and only line ends are mended.
    pub fn undotted() -> Self {
        Self { place: Place::LineStart, dots: false }
    }

    /// Appends more of it.
    pub fn encode(&mut self, bytes: &[u8], out: &mut OutBuf) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if self.place == Place::AfterCr {
                out.push_slice(b"\r\n");
                self.place = Place::LineStart;
                if *first == b'\n' {
                    rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
            }
            if self.dots && self.place == Place::LineStart && *first == b'.' {
                out.push_slice(b".");
            }
            let end = match *first {
                b'\r' | b'\n' => 0,
                _ => memchr2(b'\r', b'\n', rest).unwrap_or(rest.len()),
            };
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            out.push_slice(line);
            self.place = match after.first() {
                Some(b'\r') => Place::AfterCr,
                Some(_) => {
                    out.push_slice(b"\r\n");
                    Place::LineStart
                }
                None => Place::InLine,
            };
            rest = after.get(1..).unwrap_or_default();
        }
    }

    /// Appends the end.
    pub fn finish(self, out: &mut OutBuf) {
        if self.place != Place::LineStart {
            out.push_slice(b"\r\n");
        }
        if self.dots {
            out.push_slice(b".\r\n");
        }
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

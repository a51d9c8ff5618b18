//! What is typed at a terminal, unseen.

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, Write, stderr, stdin};
use trenza::auth::{PASSWORD_MAX, Secret};

/// Asks for a line that the terminal does not show.
///
/// # Errors
/// There is no terminal; `Interrupted` when Control-C was typed.
pub(crate) fn typed(prompt: &str) -> io::Result<Secret> {
    let _unseen = Unseen::new()?;
    let mut out = stderr();
    write!(out, "{prompt}")?;
    out.flush()?;
    let line = line(stdin().lock());
    writeln!(out)?;
    line
}

/// A terminal that shows nothing and sends no signals, until this is dropped. With signals Control-C would end the
/// program and leave it like that.
struct Unseen(Termios);

impl Unseen {
    fn new() -> io::Result<Self> {
        let former = tcgetattr(stdin())?;
        let mut modes = former.clone();
        modes.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed ahead was seen: it is thrown away.
        tcsetattr(stdin(), OptionalActions::Flush, &modes)?;
        Ok(Self(former))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that is gone need not be put right.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

/// A line, edited as terminals do.
fn line(input: impl BufRead) -> io::Result<Secret> {
    // Whole from the start: growing would leave copies behind.
    let mut line = Vec::with_capacity(PASSWORD_MAX + 1);
    for byte in input.bytes() {
        match byte? {
            b'\n' | b'\r' | 0x04 => break,
            0x03 => return Err(io::Error::new(io::ErrorKind::Interrupted, "nothing was changed")),
            // Backspace: back to where a character of UTF-8 begins.
            0x08 | 0x7f => while line.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {},
            // Control-U.
            0x15 => line.clear(),
            byte if line.len() <= PASSWORD_MAX => line.push(byte),
            _ => (),
        }
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited() {
        for (typed, password) in [
            (&b"secret\nmore"[..], "secret"),
            (b"secre\x7ft\r", "secrt"),
            ("caf\u{e9}\u{7f}e\n".as_bytes(), "cafe"),
            (b"wrong\x15right\x04", "right"),
            (b"\x7f\x7fa", "a"),
        ] {
            assert_eq!(line(typed).unwrap().bytes(), password.as_bytes());
        }
        assert_eq!(line(&b"sec\x03ret\n"[..]).unwrap_err().kind(), io::ErrorKind::Interrupted);
    }
}

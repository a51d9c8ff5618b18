//! From a [`Command`] to a line.

use super::Command;
use base64::{Engine, prelude::BASE64_STANDARD};
use trenza_wire::OutBuf;
use zeroize::Zeroizing;

impl Command {
    /// Appends the command as a line, for the client's end. What cannot stand in a line (a control character in a name, a
    /// CR, LF or NUL in a password) becomes `?`.
    pub fn write(&self, out: &mut OutBuf) {
        let mut line = Zeroizing::new(self.line());
        let is_password = matches!(self, Self::Pass(_));
        for byte in line.iter_mut() {
            let cannot =
                if is_password { matches!(byte, b'\r' | b'\n' | 0) } else { byte.is_ascii_control() };
            if cannot {
                *byte = b'?';
            }
        }
        out.push_slice(&line);
        out.push_slice(b"\r\n");
    }

    fn line(&self) -> Vec<u8> {
        match self {
            Self::Capa => b"CAPA".to_vec(),
            Self::Stls => b"STLS".to_vec(),
            Self::User(name) => format!("USER {name}").into_bytes(),
            Self::Pass(password) => [b"PASS ", password.bytes()].concat(),
            Self::Auth { mechanism, initial: None } => format!("AUTH {mechanism}").into_bytes(),
            Self::Auth { mechanism, initial: Some(initial) } if initial.is_empty() => {
                format!("AUTH {mechanism} =").into_bytes()
            }
            Self::Auth { mechanism, initial: Some(initial) } => {
                let text = Zeroizing::new(BASE64_STANDARD.encode(initial.bytes()));
                format!("AUTH {mechanism} {}", *text).into_bytes()
            }
            Self::Stat => b"STAT".to_vec(),
            Self::List(None) => b"LIST".to_vec(),
            Self::List(Some(message)) => format!("LIST {message}").into_bytes(),
            Self::Uidl(None) => b"UIDL".to_vec(),
            Self::Uidl(Some(message)) => format!("UIDL {message}").into_bytes(),
            Self::Retr(message) => format!("RETR {message}").into_bytes(),
            Self::Top { message, lines } => format!("TOP {message} {lines}").into_bytes(),
            Self::Dele(message) => format!("DELE {message}").into_bytes(),
            Self::Rset => b"RSET".to_vec(),
            Self::Noop => b"NOOP".to_vec(),
            Self::Quit => b"QUIT".to_vec(),
        }
    }
}

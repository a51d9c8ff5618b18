//! From a [`Command`] to a line.

use super::{Body, Command, Mail, Notify, Rcpt, Return};
use crate::smtp::xtext;
use base64::{Engine, prelude::BASE64_STANDARD};
use std::fmt::Write as _;
use trenza_wire::OutBuf;
use zeroize::Zeroizing;

impl Command {
    /// Appends the command as a line, for the client's end. Arguments that cannot stand in a line (control characters
    /// in what is asked of HELP, VRFY or EXPN) become `?`.
    pub fn write(&self, out: &mut OutBuf) {
        let line = Zeroizing::new(self.line());
        let plain: Zeroizing<String> =
            Zeroizing::new(line.chars().map(|c| if c.is_control() { '?' } else { c }).collect());
        out.push_slice(plain.as_bytes());
        out.push_slice(b"\r\n");
    }

    fn line(&self) -> String {
        match self {
            Self::Helo(host) => format!("HELO {host}"),
            Self::Ehlo(host) => format!("EHLO {host}"),
            Self::Lhlo(host) => format!("LHLO {host}"),
            Self::Mail(mail) => mail.line(),
            Self::Rcpt(rcpt) => rcpt.line(),
            Self::Data => "DATA".into(),
            Self::Bdat { size, last: false } => format!("BDAT {size}"),
            Self::Bdat { size, last: true } => format!("BDAT {size} LAST"),
            Self::Rset => "RSET".into(),
            Self::Noop => "NOOP".into(),
            Self::Quit => "QUIT".into(),
            Self::Help(None) => "HELP".into(),
            Self::Help(Some(about)) => format!("HELP {about}"),
            Self::Vrfy(name) => format!("VRFY {name}"),
            Self::Expn(name) => format!("EXPN {name}"),
            Self::StartTls => "STARTTLS".into(),
            Self::Auth { mechanism, initial: None } => format!("AUTH {mechanism}"),
            Self::Auth { mechanism, initial: Some(initial) } if initial.is_empty() => {
                format!("AUTH {mechanism} =")
            }
            Self::Auth { mechanism, initial: Some(initial) } => {
                let text = Zeroizing::new(BASE64_STANDARD.encode(initial.bytes()));
                format!("AUTH {mechanism} {}", *text)
            }
        }
    }
}

impl Mail {
    /// As a line, without its end.
    pub(crate) fn line(&self) -> String {
        let mut line = String::from("MAIL FROM:<");
        if let Some(sender) = &self.sender {
            _ = write!(line, "{sender}");
        }
        line.push('>');
        if let Some(size) = self.size {
            _ = write!(line, " SIZE={size}");
        }
        line += match self.body {
            None => "",
            Some(Body::SevenBit) => " BODY=7BIT",
            Some(Body::EightBit) => " BODY=8BITMIME",
            Some(Body::Binary) => " BODY=BINARYMIME",
        };
        if self.utf8 {
            line += " SMTPUTF8";
        }
        line += match self.ret {
            None => "",
            Some(Return::Full) => " RET=FULL",
            Some(Return::Headers) => " RET=HDRS",
        };
        if let Some(envid) = &self.envid {
            _ = write!(line, " ENVID={}", xtext::encode(envid));
        }
        match &self.auth {
            None => {}
            Some(None) => line += " AUTH=<>",
            Some(Some(mailbox)) => {
                _ = write!(line, " AUTH={}", xtext::encode(mailbox.to_string().as_bytes()))
            }
        }
        line
    }
}

impl Rcpt {
    /// As a line, without its end.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("RCPT TO:<{}>", self.to);
        if let Some(Notify { success, failure, delay }) = self.notify {
            let words = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
            let words: Vec<&str> = words.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
            let words = if words.is_empty() { "NEVER".into() } else { words.join(",") };
            _ = write!(line, " NOTIFY={words}");
        }
        if let Some(original) = &self.original {
            _ = write!(line, " ORCPT={};{}", original.kind, xtext::encode(&original.address));
        }
        line
    }
}

//! From a line to a [`Command`].

use super::{super::Reply, Command};
use crate::sasl::{Begin, BeginError};
use trenza_auth::Secret;

impl Command {
    /// Reads a line without its end. A password is all that stands behind one space; other arguments have single or more
    /// spaces between them, and numbers of ten digits at most.
    ///
    /// # Errors
    /// What is to be answered: there is no such command, or its arguments are wrong.
    ///
    /// ```
    /// use trenza_mail::pop3::Command;
    ///
    /// assert_eq!(Command::parse(b"top 1 10")?, Command::Top { message: 1, lines: 10 });
    /// assert_eq!(Command::parse(b"RETR one").unwrap_err().to_string(), "-ERR The arguments are wrong");
    /// # Ok::<(), trenza_mail::pop3::Reply>(())
    /// ```
    pub fn parse(line: &[u8]) -> Result<Self, Reply> {
        if line.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"PASS ")) {
            let password = line.get(5..).unwrap_or_default();
            return if password.contains(&0) { wrong() } else { Ok(Self::Pass(Secret::new(password))) };
        }
        let Ok(line) = str::from_utf8(line) else { return Err(Reply::err("The command is no UTF-8")) };
        if line.contains(char::is_control) {
            return Err(Reply::err("There are control characters in the command"));
        }
        let line = line.trim_end_matches(' ');
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start_matches(' ');
        match verb.to_ascii_uppercase().as_str() {
            "CAPA" => alone(rest, Self::Capa),
            "STLS" => alone(rest, Self::Stls),
            "USER" if !rest.is_empty() => Ok(Self::User(rest.to_owned())),
            "AUTH" => auth(rest),
            "STAT" => alone(rest, Self::Stat),
            "LIST" => optional(rest).map(Self::List),
            "UIDL" => optional(rest).map(Self::Uidl),
            "RETR" => message(rest).map(Self::Retr),
            "TOP" => top(rest),
            "DELE" => message(rest).map(Self::Dele),
            "RSET" => alone(rest, Self::Rset),
            "NOOP" => alone(rest, Self::Noop),
            "QUIT" => alone(rest, Self::Quit),
            "USER" | "PASS" => wrong(),
            _ => Err(Reply::err("No such command")),
        }
    }
}

fn wrong<T>() -> Result<T, Reply> {
    Err(Reply::err("The arguments are wrong"))
}

fn alone(rest: &str, command: Command) -> Result<Command, Reply> {
    if rest.is_empty() { Ok(command) } else { wrong() }
}

/// Up to ten digits.
fn number(text: &str) -> Result<u64, Reply> {
    let right = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| right).map_or_else(wrong, Ok)
}

/// A message; one that is over 32 bits is as much as can be, and no mailbox has it.
fn message(text: &str) -> Result<u32, Reply> {
    Ok(u32::try_from(number(text)?).unwrap_or(u32::MAX))
}

fn optional(rest: &str) -> Result<Option<u32>, Reply> {
    if rest.is_empty() { Ok(None) } else { message(rest).map(Some) }
}

fn top(rest: &str) -> Result<Command, Reply> {
    let Some((which, lines)) = rest.split_once(' ') else { return wrong() };
    Ok(Command::Top { message: message(which)?, lines: number(lines.trim_start_matches(' '))? })
}

fn auth(rest: &str) -> Result<Command, Reply> {
    match Begin::parse(rest) {
        Ok(Begin { mechanism, initial }) => Ok(Command::Auth { mechanism, initial }),
        Err(BeginError::Mechanism) => Err(Reply::err("AUTH is followed by a mechanism")),
        Err(BeginError::Base64) => Err(Reply::err("This is no base64")),
    }
}

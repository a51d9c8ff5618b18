//! From a line to a [`Command`].

use super::{
    super::{Code, Host, Reply, Status, address},
    Command, Mail, Rcpt,
    parameters::number,
};
use crate::sasl::{Begin, BeginError};

impl Command {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// What is to be answered: there is no such command ([`Code::UNKNOWN`]), or its arguments are wrong.
    ///
    /// ```
    /// use trenza_mail::smtp::{Command, Code};
    ///
    /// let Command::Mail(mail) = Command::parse(b"mail FROM:<ann@example.org> size=100")? else { panic!() };
    /// assert_eq!((mail.sender.unwrap().local(), mail.size), ("ann", Some(100)));
    /// assert_eq!(Command::parse(b"HELO").unwrap_err().code(), Code::BAD_ARGUMENT);
    /// # Ok::<(), trenza_mail::smtp::Reply>(())
    /// ```
    pub fn parse(line: &[u8]) -> Result<Self, Reply> {
        let Ok(line) = str::from_utf8(line) else {
            return Err(Reply::new(Code::UNKNOWN, Status::SYNTAX, "The command is no UTF-8"));
        };
        if line.contains(char::is_control) {
            return Err(Reply::new(
                Code::UNKNOWN,
                Status::SYNTAX,
                "There are control characters in the command",
            ));
        }
        let line = line.trim_end_matches(' ');
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start_matches(' ');
        match verb.to_ascii_uppercase().as_str() {
            "HELO" => host(rest).map(Self::Helo),
            "EHLO" => host(rest).map(Self::Ehlo),
            "LHLO" => host(rest).map(Self::Lhlo),
            "MAIL" => mail(rest),
            "RCPT" => rcpt(rest),
            "DATA" => alone(rest, Self::Data),
            "BDAT" => bdat(rest),
            "RSET" => alone(rest, Self::Rset),
            "NOOP" => Ok(Self::Noop),
            "QUIT" => alone(rest, Self::Quit),
            "HELP" => Ok(Self::Help(Some(rest.to_owned()).filter(|about| !about.is_empty()))),
            "VRFY" => some(rest).map(Self::Vrfy),
            "EXPN" => some(rest).map(Self::Expn),
            "STARTTLS" => alone(rest, Self::StartTls),
            "AUTH" => auth(rest),
            _ => Err(Reply::new(Code::UNKNOWN, Status::BAD_COMMAND, "No such command")),
        }
    }
}

fn wrong<T>(text: &'static str) -> Result<T, Reply> {
    Err(Reply::new(Code::BAD_ARGUMENT, Status::BAD_ARGUMENT, text))
}

fn alone(rest: &str, command: Command) -> Result<Command, Reply> {
    if rest.is_empty() { Ok(command) } else { wrong("There must be no argument") }
}

fn some(rest: &str) -> Result<String, Reply> {
    if rest.is_empty() { wrong("There must be an argument") } else { Ok(rest.to_owned()) }
}

fn host(rest: &str) -> Result<Host, Reply> {
    // Some clients have a dot at the end of their name.
    let text = rest.strip_suffix('.').unwrap_or(rest);
    match Host::parse(text) {
        Some(host) => Ok(host),
        None => wrong("Say your name: a domain, or an address in brackets"),
    }
}

/// What stands behind `FROM:` or `TO:`.
fn behind<'a>(rest: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = rest.split_at_checked(word.len())?;
    // A space there is wrong, and common.
    head.eq_ignore_ascii_case(word).then(|| rest.trim_start_matches(' '))
}

fn mail(rest: &str) -> Result<Command, Reply> {
    let Some(rest) = behind(rest, "FROM:") else { return wrong("MAIL is followed by FROM:<address>") };
    let Some((sender, rest)) = address::reverse_path(rest) else {
        return Err(Reply::new(Code::BAD_ARGUMENT, Status::BAD_SENDER, "This is no address of a sender"));
    };
    let mut mail = Mail::new(sender);
    parameters(rest, |key, value| mail.set(key, value))?;
    if !mail.utf8 && !mail.sender.as_ref().is_none_or(address::Mailbox::is_ascii) {
        return Err(Reply::new(
            Code::BAD_MAILBOX,
            Status::NOT_ASCII,
            "An address that is not ASCII needs SMTPUTF8",
        ));
    }
    Ok(Command::Mail(mail))
}

fn rcpt(rest: &str) -> Result<Command, Reply> {
    let Some(rest) = behind(rest, "TO:") else { return wrong("RCPT is followed by TO:<address>") };
    let Some((to, rest)) = address::forward_path(rest) else {
        return Err(Reply::new(
            Code::BAD_ARGUMENT,
            Status::BAD_RECIPIENT,
            "This is no address of a recipient",
        ));
    };
    let mut rcpt = Rcpt::new(to);
    parameters(rest, |key, value| rcpt.set(key, value))?;
    Ok(Command::Rcpt(rcpt))
}

fn parameters(
    rest: &str,
    mut set: impl FnMut(&str, Option<&str>) -> Option<Result<(), &'static str>>,
) -> Result<(), Reply> {
    if !rest.is_empty() && !rest.starts_with(' ') {
        return wrong("A space stands before parameters");
    }
    for parameter in rest.split(' ').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = match parameter.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (parameter, None),
        };
        match set(&key.to_ascii_uppercase(), value) {
            Some(taken) => taken.or_else(wrong)?,
            None => {
                let text = "A parameter is not known";
                return Err(Reply::new(Code::UNKNOWN_PARAMETER, Status::BAD_ARGUMENT, text));
            }
        }
    }
    Ok(())
}

fn bdat(rest: &str) -> Result<Command, Reply> {
    let (size, last) = match rest.split_once(' ') {
        Some((size, last)) if last.trim_start_matches(' ').eq_ignore_ascii_case("LAST") => (size, true),
        Some(_) => return wrong("BDAT is followed by a size, and LAST or nothing"),
        None => (rest, false),
    };
    match number(size).filter(|size| *size < u64::MAX) {
        Some(size) => Ok(Command::Bdat { size, last }),
        None => wrong("BDAT is followed by a size"),
    }
}

fn auth(rest: &str) -> Result<Command, Reply> {
    match Begin::parse(rest) {
        Ok(Begin { mechanism, initial }) => Ok(Command::Auth { mechanism, initial }),
        Err(BeginError::Mechanism) => wrong("AUTH is followed by a mechanism"),
        Err(BeginError::Base64) => Err(Reply::new(Code::BAD_ARGUMENT, Status::SYNTAX, "This is no base64")),
    }
}

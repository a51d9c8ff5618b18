//! Where passwords come from.

use super::typed::typed;
use crate::{complaint::Complaint, terminal::warn};
use std::{
    collections::BTreeSet,
    io::{self, BufRead, IsTerminal},
};
use trenza::{
    Result,
    auth::{PASSWORD_MAX, Secret},
};

/// What is shorter can be guessed by trying.
const SHORT: usize = 8;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The first line of standard input is the password
    #[arg(long)]
    password_stdin: bool,
}

/// A new password; a weak one is warned of.
pub(super) fn new(args: &Args, name: &str) -> Result<Secret> {
    let password = if args.password_stdin { first_line(io::stdin().lock())? } else { asked()? };
    if password.is_empty() {
        return Err(Complaint::password("the password is empty").into());
    }
    if password.bytes().len() > PASSWORD_MAX {
        return Err(Complaint::password("the password has more than 1024 bytes").into());
    }
    if let Some(why) = weakness(name, password.bytes()) {
        warn(&format!("this password is easy to guess: {why}"));
    }
    Ok(password)
}

fn asked() -> Result<Secret> {
    if !io::stdin().is_terminal() {
        return Err(Complaint::password("there is no terminal to type a password at").into());
    }
    let password = typed("Password: ")?;
    if password.is_empty() || typed("Once more: ")? == password {
        return Ok(password);
    }
    Err(Complaint::password("these were two different passwords").into())
}

/// Without its line end.
pub(crate) fn first_line(input: impl BufRead) -> io::Result<Secret> {
    // A byte too many tells that it is too long.
    let mut line = Vec::with_capacity(PASSWORD_MAX + 4);
    input.take(PASSWORD_MAX as u64 + 3).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    Ok(Secret::new(line))
}

/// Why somebody would try it early.
fn weakness(name: &str, password: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(password).to_lowercase();
    let person = name.split('@').next().unwrap_or(name).to_lowercase();
    if text.chars().count() < SHORT {
        Some("it has fewer than 8 characters")
    } else if text.contains(&person) {
        Some("it has the name in it")
    } else if text.chars().all(|c| c.is_ascii_digit()) {
        Some("it has digits only")
    } else if text.chars().collect::<BTreeSet<_>>().len() < 4 {
        Some("it has fewer than 4 different characters")
    } else if ["password", "qwerty", "letmein", "iloveyou", "abc123"]
        .iter()
        .any(|word| text.starts_with(word))
    {
        Some("it is among those that are tried first")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        for (input, password) in [
            (&b"secret\nmore\n"[..], &b"secret"[..]),
            (b"se cret \r\n", b"se cret "),
            (b"secret", b"secret"),
            (b"\n", b""),
            (b"a\rb\n", b"a\rb"),
            (b"\xff\n", b"\xff"),
        ] {
            assert_eq!(first_line(input).unwrap().bytes(), password);
        }
        assert!(first_line(&[b'x'; 9999][..]).unwrap().bytes().len() > PASSWORD_MAX);
        let longest = [&[b'x'; PASSWORD_MAX][..], b"\r\n"].concat();
        assert_eq!(first_line(&longest[..]).unwrap().bytes().len(), PASSWORD_MAX);
    }

    #[test]
    fn weak_passwords_are_told_from_others() {
        for (password, part) in [
            ("short", "8"),
            ("xxAnn.Lee1234", "name"),
            ("1029384756", "digits"),
            ("abababab", "different"),
            ("Password2026", "first"),
        ] {
            let why = weakness("ann.lee@example.org", password.as_bytes());
            assert!(why.is_some_and(|why| why.contains(part)), "{password}: {why:?}");
        }
        assert_eq!(weakness("ann", b"correct horse battery"), None);
    }
}

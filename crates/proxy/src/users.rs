//! [`Users`]: who may use a proxy.

use crate::socks::USER_MAX;
use std::{fmt, hint::black_box};

/// The most users. Each attempt is compared with all of them.
pub const USERS_MAX: usize = 10_000;

/// Users and their passwords, in memory as they are.
///
/// ```
/// use trenza_proxy::Users;
///
/// let users = Users::parse("# name:password\nann:se:cret\n\nbob:pw\n")?;
/// assert!(users.admit(b"ann", b"se:cret"));
/// assert!(!users.admit(b"bob", b"se:cret"));
/// assert_eq!(Users::parse("ann\n").unwrap_err().to_string(), "line 1: there is no colon between name and password");
/// # Ok::<(), trenza_proxy::UsersError>(())
/// ```
#[derive(Default, Clone)]
pub struct Users(Vec<(Field, Field)>);

/// Users that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct UsersError {
    /// The line, counted from 1; 0 where there are no lines.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl Users {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user.
    ///
    /// # Errors
    /// Name or password are empty or longer than [`USER_MAX`] bytes, the name is known already, or there are
    /// [`USERS_MAX`] users.
    pub fn add(&mut self, name: &str, password: &str) -> Result<(), UsersError> {
        let error = |what| Err(UsersError { line: 0, what });
        let field = |text: &str| {
            Some(text).filter(|text| !text.is_empty()).and_then(|text| Field::new(text.as_bytes()))
        };
        let (Some(name), Some(password)) = (field(name), field(password)) else {
            return error("name and password have 1 to 255 bytes each");
        };
        if self.0.iter().any(|(other, _)| other.0 == name.0) {
            return error("this user is there already");
        }
        if self.0.len() >= USERS_MAX {
            return error("there are too many users");
        }
        self.0.push((name, password));
        Ok(())
    }

    /// Reads lines of `NAME:PASSWORD`; empty ones and those that begin with `#` are left out. A password may have
    /// colons and spaces.
    ///
    /// # Errors
    /// The first line that is none, or whose user cannot be added.
    pub fn parse(text: &str) -> Result<Self, UsersError> {
        let mut users = Self::new();
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let what = "there is no colon between name and password";
            let (name, password) = text.split_once(':').ok_or(UsersError { line, what })?;
            users.add(name, password).map_err(|error| UsersError { line, ..error })?;
        }
        Ok(users)
    }

    /// Is there such a user, and is that the password? How long it takes tells nothing of either.
    pub fn admit(&self, name: &[u8], password: &[u8]) -> bool {
        let (Some(name), Some(password)) = (Field::new(name), Field::new(password)) else { return false };
        let found = self.0.iter().map(|(n, p)| n.same(&name) & p.same(&password));
        found.fold(0, |found, this| black_box(found | this)) != 0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Users {
    /// Without names and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Users").field(&self.0.len()).finish()
    }
}

/// A name or password in a field of fixed size, its length in the last byte: all are compared in the same time.
#[derive(Clone)]
struct Field(Box<[u8; USER_MAX + 1]>);

impl Field {
    /// None: it is too long.
    fn new(text: &[u8]) -> Option<Self> {
        let mut field = [0; USER_MAX + 1];
        field.get_mut(..text.len()).filter(|_| text.len() <= USER_MAX)?.copy_from_slice(text);
        *field.last_mut()? = u8::try_from(text.len()).ok()?;
        Some(Self(Box::new(field)))
    }

    /// 1 when they are the same, 0 otherwise; every byte is looked at.
    fn same(&self, other: &Self) -> u8 {
        let differs =
            self.0.iter().zip(other.0.iter()).fold(0, |differs, (a, b)| black_box(differs | (a ^ b)));
        u8::from(black_box(differs) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_must_be_right_to_the_last_byte() {
        let mut users = Users::new();
        assert!(!users.admit(b"", b""));
        users.add("ann", "pw").unwrap();
        users.add(&"n".repeat(255), &"p".repeat(255)).unwrap();
        assert!(users.admit(b"ann", b"pw") && users.admit(&[b'n'; 255], &[b'p'; 255]));
        for (name, password) in [
            (&b"ann"[..], &b"pw\0"[..]),
            (b"ann\0", b"pw"),
            (b"ann", b"p"),
            (b"an", b"pw"),
            (b"ann", b""),
            (b"ann", &[b'p'; 255]),
            (b"ann", &[b'p'; 300]),
            (&[b'n'; 255], b"pw"),
        ] {
            assert!(!users.admit(name, password), "{name:?} {password:?}");
        }
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, line, part) in [
            ("ann:pw\nbob\n", 2, "no colon"),
            ("\n:pw", 2, "1 to 255"),
            ("ann:", 1, "1 to 255"),
            ("ann:pw\n# more\nann:other", 3, "already"),
        ] {
            let error = Users::parse(text).unwrap_err();
            assert!(error.line == line && error.what.contains(part), "{error}");
        }
        assert_eq!(Users::parse("ann:pw\r\nbob:p w\r\n").map(|users| users.len()), Ok(2));
        assert!(Users::parse("ann:pw\r\n").unwrap().admit(b"ann", b"pw"));
    }
}

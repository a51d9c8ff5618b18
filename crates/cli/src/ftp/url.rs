//! [`Url`]: where a file is (RFC 1738 section 3.2).

use percent_encoding::percent_decode_str;
use std::{fmt, str::FromStr};
use trenza::ftp::command::TransferType;

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `ftp`: never.
    Plain,
    /// `ftpes`: by AUTH TLS.
    Explicit,
    /// `ftps`: at once.
    Implicit,
}

/// The address of a file or folder.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: Scheme,
    pub(super) user: Option<String>,
    pub(super) password: Option<Vec<u8>>,
    pub(super) host: String,
    pub(super) port: u16,
    /// As commands have it: relative to where a login leads, or absolute. Empty: the folder itself.
    pub(super) path: Vec<u8>,
    pub(super) kind: TransferType,
}

impl Url {
    /// The folder of its path, and the name in it. Both may be empty.
    pub(super) fn split(&self) -> (&[u8], &[u8]) {
        match self.path.iter().rposition(|c| *c == b'/') {
            Some(at) => {
                let folder = if at == 0 { 1 } else { at };
                (self.path.get(..folder).unwrap_or_default(), self.path.get(at + 1..).unwrap_or_default())
            }
            None => (b"", &self.path),
        }
    }

    /// A name in the folder that it is.
    pub(super) fn child(&self, name: &[u8]) -> Vec<u8> {
        match &*self.path {
            b"" => name.into(),
            path if path.ends_with(b"/") => [path, name].concat(),
            path => [path, b"/", name].concat(),
        }
    }

    /// Its path as that of a folder.
    pub(super) fn folder(&self) -> &[u8] {
        match &*self.path {
            b"" => b".",
            b"/" => b"/",
            path => path.strip_suffix(b"/").unwrap_or(path),
        }
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{why}: write it like ftp://user@example.org/path");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("this is no address"))?;
        let (scheme, port) = match &*scheme.to_ascii_lowercase() {
            "ftp" => (Scheme::Plain, 21),
            "ftpes" => (Scheme::Explicit, 21),
            "ftps" => (Scheme::Implicit, 990),
            _ => return Err(wrong("an address begins with ftp://, ftpes:// or ftps://")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (host, port) =
            match place.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']')) {
                Some((host, "")) => (host, port),
                Some((host, number)) => (host, number.parse().map_err(|_| wrong("the port is no number"))?),
                None => (place, port),
            };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(fits) || port == 0 {
            return Err(wrong("the host is missing, or none"));
        }
        let (user, password) = match login {
            Some(login) => {
                let (user, password) =
                    login.split_once(':').map_or((login, None), |(user, it)| (user, Some(it)));
                let user = percent_decode_str(user).decode_utf8();
                let user = user.map_err(|_| wrong("the user is not UTF-8"))?.into_owned();
                (
                    Some(user).filter(|user| !user.is_empty()),
                    password.map(|it| percent_decode_str(it).collect()),
                )
            }
            None => (None, None),
        };
        let (path, kind) = match path.rsplit_once(";type=") {
            Some((path, "i" | "I")) => (path, TransferType::Image),
            Some((path, "a" | "A")) => (path, TransferType::Ascii),
            Some(_) => return Err(wrong("the type is a or i")),
            None => (path, TransferType::Image),
        };
        let path: Vec<u8> = percent_decode_str(path).collect();
        if path.iter().any(|c| matches!(c, b'\0' | b'\r' | b'\n')) {
            return Err(wrong("no path has NUL, CR or LF in it"));
        }
        Ok(Self { scheme, user, password, host: host.into(), port, path, kind })
    }
}

/// Without the password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Plain => "ftp",
            Scheme::Explicit => "ftpes",
            Scheme::Implicit => "ftps",
        };
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{scheme}://{user}{host}:{}/{}", self.port, String::from_utf8_lossy(&self.path))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn addresses() {
        let all = url("ftp://ann%40x:p%3aw@example.org:2121/a%20b/c;type=a");
        assert_eq!((all.user.as_deref(), all.password.as_deref()), (Some("ann@x"), Some(&b"p:w"[..])));
        assert_eq!((&*all.host, all.port, all.kind), ("example.org", 2121, TransferType::Ascii));
        assert_eq!(all.split(), (&b"a b"[..], &b"c"[..]));
        assert_eq!(all.to_string(), "ftp://ann@x@example.org:2121/a b/c");
        assert_eq!((url("ftps://h").port, url("ftpes://h/").port, url("FTP://[::1]").port), (990, 21, 21));
        assert_eq!((&*url("ftp://[::1]:7/").host, url("ftp://[::1]:7/").port), ("::1", 7));
        assert_eq!(url("ftp://h//abs/x").path, b"/abs/x");
        assert_eq!(url("ftp://h/%2Fx").split(), (&b"/"[..], &b"x"[..]));
        assert_eq!(url("ftp://h").folder(), b".");
        assert_eq!((url("ftp://h/a/").folder(), url("ftp://h/a/").child(b"b")), (&b"a"[..], b"a/b".to_vec()));
        assert_eq!(url("ftp://h/a;b").path, b"a;b");
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "h/x",
            "http://h/x",
            "ftp://",
            "ftp:///x",
            "ftp://h:x/",
            "ftp://h:0/",
            "ftp://h/x%0a",
            "ftp://h/x;type=d",
            "ftp://a b/",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }
}

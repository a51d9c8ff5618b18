//! [`Recipe`]: how a server is started.

use std::{io, str::FromStr};

/// What a server speaks, and so in which tests it takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sends back what it receives over TCP.
    Echo,
    /// Sends datagrams back.
    Udp,
    /// HTTP from memory.
    Http,
    /// HTTP from the file system.
    File,
    /// HTTP over TLS.
    Https,
    /// HTTP, with work for the processor.
    Burn,
}

const KINDS: &[(&str, Kind)] = &[
    ("echo", Kind::Echo),
    ("udp", Kind::Udp),
    ("http", Kind::Http),
    ("file", Kind::File),
    ("https", Kind::Https),
    ("burn", Kind::Burn),
];

/// Where its program comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// `ours` of this package, on that driver.
    Ours(&'static str),
    /// `trenza`, the program, on that driver.
    Trenza(&'static str),
    /// A package of `bench/peers` and a program of it.
    Peer(&'static str, &'static str),
    /// nginx, with a configuration of ours.
    Nginx,
    /// One that is there.
    Other(String),
}

/// A server that can be started.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) program: Program,
    /// With `{port}`, `{site}` for the folder of files, `{pem}` for key and certificate and `{buffer}` for the size of
    /// a read buffer.
    pub(crate) arguments: String,
}

impl Recipe {
    /// True of those that others are compared with unless somebody says otherwise.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.program, Program::Ours(_) | Program::Trenza(_))
    }
}

/// `KIND:NAME=PROGRAM ARGUMENTS`: a server of somebody's, another version of ours perhaps.
impl FromStr for Recipe {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let parts = || {
            let (kind, rest) = text.split_once(':')?;
            let (name, command) = rest.split_once('=')?;
            let (program, arguments) = command.split_once(' ')?;
            let (_, kind) = KINDS.iter().find(|(name, _)| *name == kind)?;
            let (name, arguments) = (name.to_owned(), arguments.to_owned());
            Some(Self { kind: *kind, name, program: Program::Other(program.to_owned()), arguments })
        };
        parts().ok_or_else(|| {
            let kinds: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
            let what = format!("not KIND:NAME=PROGRAM ARGUMENTS, where KIND is {}", kinds.join(", "));
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })
    }
}

/// All servers, ours first.
pub(crate) fn all() -> Vec<Recipe> {
    use Kind::{Burn, Echo, File, Http, Https, Udp};
    use Program::{Nginx, Ours, Peer, Trenza};
    const WEB: &str = "web {site} --quiet --listen tcp:{port}:interface=127.0.0.1";
    const WEB_TLS: &str = "web {site} --quiet --listen tls:{port}:interface=127.0.0.1:cert={pem}";
    let rows = [
        (Echo, "trenza-uring", Ours("uring"), "echo {port}"),
        (Echo, "trenza-poll", Ours("poll"), "echo {port}"),
        (Echo, "coroutine-uring", Ours("uring"), "coroutine {port}"),
        (Echo, "coroutine-poll", Ours("poll"), "coroutine {port}"),
        (Echo, "raw-uring", Peer("peer-raw", "raw-uring"), "{port}"),
        (Echo, "raw-epoll", Peer("peer-raw", "raw-epoll"), "{port}"),
        (Echo, "monoio", Peer("peer-monoio", "peer-monoio"), "{port} {buffer}"),
        (Echo, "tokio", Peer("peer-tokio", "tokio-echo"), "{port} {buffer}"),
        (Udp, "trenza-uring", Ours("uring"), "udp {port}"),
        (Udp, "trenza-poll", Ours("poll"), "udp {port}"),
        (Udp, "raw-udp", Peer("peer-raw", "raw-udp"), "{port}"),
        (Udp, "tokio", Peer("peer-tokio", "tokio-udp"), "{port}"),
        (Http, "trenza-uring", Ours("uring"), "http {port} {site}"),
        (Http, "trenza-poll", Ours("poll"), "http {port} {site}"),
        (Http, "nginx", Nginx, ""),
        (Http, "hyper", Peer("peer-tokio", "hyper"), "{port} {site}"),
        (Http, "actix", Peer("peer-actix", "peer-actix"), "{port}"),
        (Http, "ntex", Peer("peer-ntex", "peer-ntex"), "{port}"),
        (File, "web-uring", Trenza("uring"), WEB),
        (File, "web-poll", Trenza("poll"), WEB),
        (File, "nginx", Nginx, ""),
        (Https, "trenza-uring", Ours("uring"), "http {port} {site} {pem}"),
        (Https, "trenza-poll", Ours("poll"), "http {port} {site} {pem}"),
        (Https, "web-uring", Trenza("uring"), WEB_TLS),
        (Https, "web-poll", Trenza("poll"), WEB_TLS),
        (Https, "hyper", Peer("peer-tokio", "hyper"), "{port} {site} {pem}"),
        (Https, "nginx", Nginx, ""),
        (Burn, "two-uring", Ours("uring"), "burn {port} 2"),
        (Burn, "two-poll", Ours("poll"), "burn {port} 2"),
        (Burn, "one-uring", Ours("uring"), "burn {port} 1"),
        (Burn, "one-poll", Ours("poll"), "burn {port} 1"),
    ];
    let recipe = |(kind, name, program, arguments): (Kind, &str, Program, &str)| Recipe {
        kind,
        name: name.to_owned(),
        program,
        arguments: arguments.to_owned(),
    };
    rows.into_iter().map(recipe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_somebodys() {
        let recipe: Recipe = "http:old=/tmp/ours http {port} {site}".parse().unwrap();
        assert_eq!((recipe.kind, &*recipe.name), (Kind::Http, "old"));
        assert_eq!(recipe.program, Program::Other("/tmp/ours".into()));
        assert_eq!(recipe.arguments, "http {port} {site}");
        assert!(!recipe.is_ours());
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "ftp:a=b c", "echo:a", "echo=a b", "echo:a=b"] {
            assert!(text.parse::<Recipe>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_test_has_one_of_ours_and_one_of_others() {
        let recipes = all();
        for test in crate::test::all() {
            let able = || recipes.iter().filter(|recipe| recipe.kind == test.kind);
            // Two loops are compared with one.
            let others = able().any(|recipe| !recipe.is_ours() || recipe.arguments == "burn {port} 1");
            assert!(able().any(Recipe::is_ours) && others, "{test:?}");
        }
    }
}

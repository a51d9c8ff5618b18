//! [`Mail`]: `trenza mail serve` beside Postfix and dovecot: messages that are received, relayed and retrieved, idle sessions.

mod pop3;
mod server;
mod session;
mod sink;
mod smtp;

use std::{
    io::{self, Write},
    path::PathBuf,
};
use tempfile::TempDir;

/// What is to be measured, and with what.
#[derive(Debug)]
pub(crate) struct Mail {
    /// On a disk, as mail is: whatever is answered 250 has to be on it.
    place: TempDir,
    /// A key and a certificate.
    pem: PathBuf,
    trenza: PathBuf,
    rounds: usize,
    /// Those of servers and load.
    cores: (usize, usize),
    choice: Choice,
}

/// What is to be measured of all that this group has.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// In this order, one twice if it was named twice.
    servers: Vec<&'static str>,
    tests: Vec<&'static str>,
}

/// The names of the tests, and of the servers that take part in each.
pub(crate) fn tests() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let smtp = smtp::tests().map(|test| (test, smtp::SERVERS));
    smtp.chain(pop3::tests().map(|test| (test, pop3::SERVERS)))
}

/// The names of the servers.
pub(crate) fn servers() -> impl Iterator<Item = &'static str> {
    let more = pop3::SERVERS.iter().filter(|server| !smtp::SERVERS.contains(server));
    smtp::SERVERS.iter().chain(more).copied()
}

impl Choice {
    /// Tests whose names begin so, and servers of these names in their order; all if none is named. None: nothing is left.
    pub(crate) fn of(beginnings: &[String], names: &[String]) -> Option<Self> {
        let is_meant = |test: &&str| {
            beginnings.is_empty() || beginnings.iter().any(|start| test.starts_with(start.as_str()))
        };
        let servers: Vec<_> = match names {
            [] => servers().collect(),
            names => names.iter().filter_map(|name| servers().find(|server| server == name)).collect(),
        };
        let tests: Vec<_> = tests().map(|(test, _)| test).filter(is_meant).collect();
        (!servers.is_empty() && !tests.is_empty()).then_some(Self { servers, tests })
    }

    /// One of ours takes part, and has to be built.
    pub(crate) fn has_ours(&self) -> bool {
        self.servers.iter().any(|server| server.starts_with("trenza"))
    }

    fn has(&self, test: &str) -> bool {
        self.tests.contains(&test)
    }
}

impl Mail {
    /// On `cores` of the servers and of the load.
    ///
    /// # Errors
    /// There is no room for temporary files.
    pub(crate) fn new(
        trenza: PathBuf,
        pem: PathBuf,
        rounds: usize,
        cores: (usize, usize),
        choice: Choice,
    ) -> io::Result<Self> {
        Ok(Self { place: tempfile::tempdir()?, pem, trenza, rounds, cores, choice })
    }

    /// Runs all of it and prints the tables.
    ///
    /// # Errors
    /// A server is not there, or nothing can be printed.
    pub(crate) fn run(&self, out: &mut impl Write) -> io::Result<()> {
        self.smtp(out)?;
        self.pop3(out)
    }
}

//! Messages that are retrieved by POP3: a whole mailbox, one after the other, and pipelined.

mod server;
mod session;

use super::Mail;
use crate::rounds::Rounds;
use server::Pop3Server;
use session::Session;
use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

/// Who takes part.
pub(super) const SERVERS: &[&str] = &["trenza-uring", "trenza-poll", "dovecot"];
/// Messages of the mailbox.
const MESSAGES: usize = 10_000;
/// About how large each is, in bytes.
const SIZE: usize = 2048;
/// What is done, and with how many commands under way at once.
const WORKS: [(&str, usize); 2] = [("pop3-one", 1), ("pop3-pipelined", 100)];

pub(super) fn tests() -> impl Iterator<Item = &'static str> {
    WORKS.iter().map(|(name, _)| *name)
}

impl Mail {
    /// Runs the tests of POP3 and prints their tables.
    pub(super) fn pop3(&self, out: &mut impl Write) -> io::Result<()> {
        let works: Vec<_> = WORKS.into_iter().filter(|(name, _)| self.choice.has(name)).collect();
        if works.is_empty() {
            return Ok(());
        }
        let message = message();
        crate::machine::pin(Some(self.cores.0))?;
        let names = self.choice.servers.iter().filter(|name| SERVERS.contains(name));
        let servers: io::Result<Vec<_>> = names.map(|name| Pop3Server::start(name, &message, self)).collect();
        crate::machine::pin(Some(self.cores.1))?;
        let servers = servers?;
        // dovecot makes an index when a mailbox is first opened.
        servers.iter().try_for_each(|server| fetch(server, 1, &message).map(drop))?;
        for (name, at_once) in works {
            writeln!(out, "\n### {name}\n\n{MESSAGES} messages of {} bytes\n", message.len())?;
            let all = Rounds::in_turn(&servers, self.rounds, MESSAGES as f64, |server| {
                fetch(server, at_once, &message)
            });
            let named: Vec<_> = servers.iter().map(|server| server.name).zip(all).collect();
            Rounds::print(&named, "messages/s", ("server's CPU µs for each", MESSAGES as f64 / 1e6), out)?;
        }
        Ok(())
    }
}

/// How long it took, and the server's CPU time; logins are no part of it.
fn fetch(server: &Pop3Server, at_once: usize, message: &[u8]) -> io::Result<(Duration, Duration)> {
    let mut session = Session::login(server.port)?;
    let count = session.count()?;
    if count != MESSAGES {
        return Err(io::Error::other(format!("{count} messages instead of {MESSAGES}")));
    }
    let (cost, began) = (server.family.spent(), Instant::now());
    session.fetch(MESSAGES, at_once, message)?;
    let took = began.elapsed();
    // The process that has served it is there until it is told to end.
    let cost = server.family.spent().saturating_sub(cost);
    session.quit()?;
    Ok((took, cost))
}

/// One that needs no dots, so that it comes as it is stored.
fn message() -> Vec<u8> {
    let mut text = b"From: <bob@example.net>\r\nTo: <ann@example.org>\r\nSubject: a message\r\n\r\n".to_vec();
    while text.len() < SIZE {
        text.extend_from_slice(b"What is written here does not matter, but that it is there again.\r\n");
    }
    text
}

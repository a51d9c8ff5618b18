//! Messages that are received and relayed, and idle sessions of SMTP.

use super::{Mail, server::MailServer, session::Session, sink::Sink};
use crate::{
    family::done,
    handshake::{Group, Handshakes},
    rounds::Rounds,
};
use std::{
    io::{self, Write},
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Who takes part.
pub(super) const SERVERS: &[&str] = &["trenza-uring", "trenza-poll", "postfix"];
/// Connections over which messages come, each over one of its own.
const SESSIONS: usize = 20;
/// Idle sessions.
const IDLE: usize = 1000;
/// Before them some come, so that what all share is there.
const FIRST: usize = 10;
/// For children that have ended to be waited for by their parent, and for what is delivered later.
const SETTLE: Duration = Duration::from_millis(500);

/// The tests of idle sessions, in clear and behind STARTTLS.
const IDLES: [(&str, bool); 2] = [("smtp-idle", false), ("smtp-idle-tls", true)];

/// What is done: messages of so many bytes, so many, to this address.
const WORKS: [Work; 3] = [
    Work { name: "smtp-4k", size: 4096, messages: 2000, to: "ann@example.org", relayed: false },
    Work { name: "smtp-64k", size: 64 << 10, messages: 500, to: "ann@example.org", relayed: false },
    Work { name: "smtp-relay-4k", size: 4096, messages: 2000, to: "away@example.org", relayed: true },
];

#[derive(Debug, Clone, Copy)]
struct Work {
    name: &'static str,
    size: usize,
    messages: usize,
    to: &'static str,
    /// It is over when another server has them.
    relayed: bool,
}

pub(super) fn tests() -> impl Iterator<Item = &'static str> {
    WORKS.iter().map(|work| work.name).chain(IDLES.iter().map(|(name, _)| *name))
}

impl Mail {
    /// Runs the tests of SMTP and prints their tables.
    pub(super) fn smtp(&self, out: &mut impl Write) -> io::Result<()> {
        let works: Vec<Work> = WORKS.into_iter().filter(|work| self.choice.has(work.name)).collect();
        let sink = Sink::start()?;
        let servers = if works.is_empty() { Vec::new() } else { self.smtp_servers(&sink)? };
        for work in works {
            writeln!(out, "\n### {}\n", work.name)?;
            let amount = work.messages as f64;
            let all = Rounds::in_turn(&servers, self.rounds, amount, |server| work.measure(server, &sink));
            let named: Vec<_> = servers.iter().map(|server| server.name).zip(all).collect();
            Rounds::print(&named, "messages/s", ("server's CPU µs for each", amount / 1e6), out)?;
        }
        drop(servers);
        for (name, tls) in IDLES.into_iter().filter(|(name, _)| self.choice.has(name)) {
            writeln!(out, "\n### {name}\n")?;
            self.smtp_idle(tls, &sink, out)?;
        }
        Ok(())
    }

    fn smtp_servers(&self, sink: &Sink) -> io::Result<Vec<MailServer>> {
        crate::machine::pin(Some(self.cores.0))?;
        let names = self.choice.servers.iter().filter(|name| SERVERS.contains(name));
        let servers = names.map(|name| MailServer::start(name, sink.port, self)).collect();
        crate::machine::pin(Some(self.cores.1))?;
        servers
    }

    /// What sessions cost that have greeted, of servers that have just been started.
    fn smtp_idle(&self, tls: bool, sink: &Sink, out: &mut impl Write) -> io::Result<()> {
        let clients = Handshakes::new(&self.pem, Group::X25519, false)?;
        let tls = tls.then_some(&clients);
        writeln!(out, "{IDLE} of them, each with its part of shared memory (PSS)\n")?;
        writeln!(out, "| server | bytes each | before, KiB | after, KiB |\n|---|---:|---:|---:|")?;
        for MailServer { name, port, family } in &self.smtp_servers(sink)? {
            let greet =
                |count| (0..count).map(|_| Session::greet(*port, tls)).collect::<io::Result<Vec<_>>>();
            let first = greet(FIRST)?;
            thread::sleep(SETTLE);
            let before = family.memory();
            let sessions = greet(IDLE)?;
            thread::sleep(SETTLE);
            let after = family.memory();
            drop((first, sessions));
            let each = after.saturating_sub(before) as f64 / IDLE as f64;
            writeln!(out, "| {name} | {each:.0} | {} | {} |", before / 1024, after / 1024)?;
        }
        out.flush()
    }
}

impl Work {
    /// How long it took until all were answered, or relayed, and the CPU time until all was done with them.
    fn measure(self, server: &MailServer, sink: &Sink) -> io::Result<(Duration, Duration)> {
        let Self { size, messages, to, .. } = self;
        let mut source = Command::new("smtp-source");
        source.args(["-s", &SESSIONS.to_string(), "-m", &messages.to_string(), "-l", &size.to_string()]);
        source.args(["-f", "x@example.com", "-t", to]).arg(format!("127.0.0.1:{}", server.port));
        let (cost, before, began) = (server.family.spent(), sink.taken(), Instant::now());
        done(&mut source)?;
        if self.relayed {
            sink.wait_for(before + messages)?;
        }
        let took = began.elapsed();
        thread::sleep(SETTLE);
        Ok((took, server.family.spent().saturating_sub(cost)))
    }
}

//! [`Servers`]: whom to ask first, and [`ask`]: one server until it has said something.

use crate::{
    Config, ErrorKind, Message, Name, Question, RecordType, Verdict,
    exchange::{Reply, over_tcp, over_udp},
    question::is_too_old,
};
use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};
use trenza_core::{Abandoned, Error, Reactor, TimedOut};

/// The name servers, and which of them have not answered lately.
pub(crate) struct Servers {
    all: Vec<(SocketAddr, Cell<Option<Instant>>)>,
    rotate: bool,
    first: Cell<usize>,
    penalty: Duration,
}

impl Servers {
    pub(crate) fn new(config: &Config) -> Self {
        let servers = config.servers.iter().take(crate::SERVERS_MAX);
        Self {
            all: servers.map(|server| (*server, Cell::new(None))).collect(),
            rotate: config.rotate,
            first: Cell::new(0),
            penalty: config.penalty,
        }
    }

    /// All of them, in the order to ask in: those that have not answered lately come last.
    pub(crate) fn in_turn(&self, now: Instant) -> Vec<SocketAddr> {
        let mut order: Vec<_> = self.all.iter().collect();
        if self.rotate && !order.is_empty() {
            let first = self.first.get() % order.len();
            self.first.set(first + 1);
            order.rotate_left(first);
        }
        let is_slow = |slow: &Cell<Option<Instant>>| slow.get().is_some_and(|until| until > now);
        order.sort_by_key(|(_, slow)| is_slow(slow));
        order.into_iter().map(|(server, _)| *server).collect()
    }

    /// One has answered, or not.
    pub(crate) fn note(&self, server: SocketAddr, answered: bool, now: Instant) {
        if let Some((_, slow)) = self.all.iter().find(|(other, _)| *other == server) {
            slow.set(if answered { None } else { now.checked_add(self.penalty) });
        }
    }
}

/// What one server says about a question. It is asked again where it does not understand EDNS, or has to be asked over
/// TCP.
///
/// # Errors
/// What kept it from saying anything, or what it says is of no use.
pub(crate) async fn ask(
    reactor: &Reactor,
    server: SocketAddr,
    name: &Name,
    record_type: RecordType,
    wait: Duration,
) -> Result<Verdict, ErrorKind> {
    let (mut edns, mut tcp) = (true, false);
    loop {
        let question = Question::new(name, record_type, edns, |bytes| reactor.random(bytes));
        let question = question.map_err(|error| error.kind)?;
        let reply = match tcp {
            true => over_tcp(reactor, server, &question, wait).await.map(Reply::Answer),
            false => over_udp(reactor, server, &question, wait).await,
        };
        let answer = match reply.map_err(|error| reason(&error))? {
            Reply::Answer(answer) => answer,
            Reply::OverTcp => {
                tcp = true;
                continue;
            }
        };
        let message = Question::read(&answer)?;
        if edns && is_too_old(message.metadata.response_code) {
            edns = false;
            continue;
        }
        return useful(&message, name, record_type);
    }
}

fn useful(message: &Message, name: &Name, record_type: RecordType) -> Result<Verdict, ErrorKind> {
    match Verdict::of(message, name, record_type) {
        Verdict::Failed(code) => Err(ErrorKind::Failed(code)),
        Verdict::Referral => Err(ErrorKind::NotRecursive),
        verdict => Ok(verdict),
    }
}

/// What an error of an exchange is to who looked something up.
pub(crate) fn reason(error: &Error) -> ErrorKind {
    if error.is::<TimedOut>() {
        return ErrorKind::TimedOut;
    }
    if error.is::<Abandoned>() {
        return ErrorKind::Abandoned;
    }
    match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData) => ErrorKind::Malformed(error.to_string()),
        Some(io::ErrorKind::TimedOut) => ErrorKind::TimedOut,
        _ => ErrorKind::Unreachable(error.to_string()),
    }
}

//! Names as DNS has them, and [`Lookup`]: one on its way, for all who want it.

use crate::{
    ALIASES_MAX, Answer, Error, ErrorKind, Name, Negative, RecordType, Result, Verdict,
    cache::Known,
    resolver::{Inner, Setup},
    server::ask,
};
use std::{net::SocketAddr, rc::Rc, time::Duration};

/// A name as it is, whether it has a dot at its end or not. Letters that DNS does not know are written as IDNA says.
///
/// # Errors
/// It is no name.
pub(crate) fn absolute(name: &str) -> Result<Name, ErrorKind> {
    // An empty text is the root in DNS, and a mistake where people write names.
    if name.is_empty() {
        return Err(ErrorKind::BadName("it is empty".into()));
    }
    let mut name = Name::from_str_relaxed(name).map_err(|error| ErrorKind::BadName(error.to_string()))?;
    name.set_fqdn(true);
    // Labels and the dots between them, an octet before the first one and the root's: RFC 1035 section 2.3.4.
    if name.len() >= Name::MAX_LENGTH || name.iter().any(<[u8]>::is_empty) {
        return Err(ErrorKind::BadName("it is too long, or a part of it is empty".into()));
    }
    Ok(name)
}

/// A name for people: without a dot at the end, but for the root.
pub(crate) fn text(name: &Name) -> String {
    let mut text = name.to_ascii();
    if name.is_fqdn() && text.len() > 1 {
        text.pop();
    }
    text
}

/// A lookup that is under way.
pub(crate) struct Lookup<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) name: &'a Name,
    pub(crate) record_type: RecordType,
}

impl Lookup<'_> {
    /// Asks, follows aliases, and keeps what was found.
    pub(crate) async fn run(&self) -> Result<Rc<Answer>> {
        let (known, ttl) = self.follow().await?;
        let now = self.inner.reactor.now();
        self.inner.cache.borrow_mut().put(self.name.clone(), self.record_type, known.clone(), ttl, now);
        known.map_err(|negative| self.error(negative.into()))
    }

    async fn follow(&self) -> Result<(Known, Duration)> {
        let (mut name, mut chain, mut least) = (self.name.clone(), Vec::new(), Duration::MAX);
        loop {
            let verdict = self.ask(&name).await?;
            match verdict {
                Verdict::Found(mut answer) => {
                    chain.append(&mut answer.aliases);
                    answer.aliases = chain;
                    let ttl = answer.ttl.min(least);
                    answer.ttl = ttl;
                    return Ok((Ok(Rc::new(answer)), ttl));
                }
                Verdict::Not(negative, ttl) => {
                    return Ok((Err(negative), ttl.unwrap_or_default().min(least)));
                }
                Verdict::Alias { to, mut aliases, ttl } => {
                    chain.append(&mut aliases);
                    least = least.min(ttl);
                    name = to;
                }
                Verdict::Aliases | Verdict::Failed(_) | Verdict::Referral => break,
            }
            if chain.len() >= ALIASES_MAX {
                break;
            }
        }
        Err(self.error(ErrorKind::Aliases))
    }

    /// Asks the servers in turn, all of them as often as is configured.
    async fn ask(&self, name: &Name) -> Result<Verdict> {
        let reactor = &self.inner.reactor;
        let setup = self.inner.setup();
        let Setup { config, servers } = &*setup;
        let mut last = self.error(ErrorKind::Unreachable("there is no name server to ask".into()));
        for _ in 0..config.attempts {
            for server in servers.in_turn(reactor.now()) {
                let said = ask(reactor, server, name, self.record_type, config.timeout).await;
                let is_there = !matches!(said, Err(ErrorKind::TimedOut | ErrorKind::Unreachable(_)));
                servers.note(server, is_there, reactor.now());
                match said {
                    Ok(verdict) => return Ok(verdict),
                    Err(kind @ (ErrorKind::Abandoned | ErrorKind::BadName(_))) => {
                        return Err(self.error(kind));
                    }
                    Err(kind) => last = self.worse(last, kind, server),
                }
            }
        }
        Err(last)
    }

    /// Of two errors the one that says more: of a server that has said something.
    fn worse(&self, last: Error, kind: ErrorKind, server: SocketAddr) -> Error {
        let is_silence = matches!(kind, ErrorKind::TimedOut | ErrorKind::Unreachable(_));
        if is_silence
            && matches!(last.kind, ErrorKind::Failed(_) | ErrorKind::Malformed(_) | ErrorKind::NotRecursive)
        {
            return last;
        }
        self.error(kind).at(server)
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(text(self.name), Some(self.record_type), kind)
    }
}

impl From<Negative> for ErrorKind {
    fn from(negative: Negative) -> Self {
        match negative {
            Negative::Name => Self::NoName,
            Negative::Data => Self::NoData,
        }
    }
}

//! [`Checks`]: all checks of a server, and [`Examination`]: those of one message.

use super::{
    Dkim, Dmarc, DmarcResult, Names, Policy, Spf, SpfQuery, dkim::Verifier, dmarc, results, spf,
    within::Within,
};
use crate::smtp::server::Envelope;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
    time::Duration,
};
use trenza_core::Reactor;

/// How long DNS has for all questions about a message (RFC 7208 section 4.6.4); what it has not said then is a temperror.
pub const CHECK_TIME: Duration = Duration::from_secs(60);

/// The checks of a server. A cheap clone; a loop has its own, since a loop has its own resolver.
///
/// ```
/// # use trenza_mail::{checks::{Checks, Policy}, smtp::server::Envelope};
/// # async fn see(checks: Checks, envelope: &Envelope, pieces: Vec<Vec<u8>>) {
/// let mut examination = checks.begin(envelope);
/// for piece in &pieces {
///     examination.push(piece); // and store it
/// }
/// let report = examination.finish().await;
/// if report.dmarc.disposition != Policy::Reject {
///     // Put the field before the message, and leave out those that claim to be ours.
///     print!("{}", report.field);
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Checks(Rc<Shared>);

struct Shared {
    names: Box<dyn Names>,
    host: String,
    reactor: Reactor,
}

impl Checks {
    /// Checks that ask `names`, in the name of `host`, which is that of the server.
    pub fn new(reactor: &Reactor, names: impl Names + 'static, host: impl Into<String>) -> Self {
        Self(Rc::new(Shared { names: Box::new(names), host: host.into(), reactor: reactor.clone() }))
    }

    /// A message comes.
    pub fn begin(&self, envelope: &Envelope) -> Examination {
        let sender = envelope.mail.sender.as_ref().map(ToString::to_string).unwrap_or_default();
        // Over a UNIX socket comes what this host itself sends.
        let ip = envelope.client.peer.remote.ip().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let helo = envelope.client.hello.as_ref().map(ToString::to_string).unwrap_or_default();
        self.examine(ip, helo, sender)
    }

    /// Somebody with this address, who calls himself `helo`, sends a message from `sender`: `local@domain`, or nothing.
    pub fn examine(&self, ip: IpAddr, helo: impl Into<String>, sender: impl Into<String>) -> Examination {
        let (helo, sender) = (helo.into(), sender.into());
        Examination { checks: self.clone(), ip, helo, sender, verifier: Verifier::new() }
    }

    pub(super) fn reactor(&self) -> &Reactor {
        &self.0.reactor
    }

    /// Whether a field's value claims to be the word of this server: a message must not come with one (RFC 8601 section 5).
    pub fn is_forged(&self, authentication_results: &[u8]) -> bool {
        results::claims(authentication_results, &self.0.host)
    }
}

/// A message that is looked at as it streams by. It holds the message's header and some hashes.
pub struct Examination {
    checks: Checks,
    ip: IpAddr,
    helo: String,
    sender: String,
    verifier: Verifier,
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// May this host send for the sender's domain?
    pub spf: Spf,
    /// Its signatures.
    pub dkim: Vec<Dkim>,
    /// What the author's domain says to that; its disposition says what is to become of the message.
    pub dmarc: Dmarc,
    /// The header is longer than [`HEADER_MAX`](super::HEADER_MAX), so nothing but SPF could be checked.
    pub overlong: bool,
    /// The field that says all this, with the CRLF at its end. It belongs before the message.
    pub field: String,
}

impl Examination {
    /// Takes bytes of the message, in lines that end in CRLF.
    pub fn push(&mut self, bytes: &[u8]) {
        self.verifier.push(bytes);
    }

    /// The message was pushed. DNS is asked now, and has [`CHECK_TIME`].
    ///
    /// # Panics
    /// When awaited outside of a coroutine or callback of the reactor.
    pub async fn finish(self) -> Report {
        let Self { checks, ip, helo, sender, verifier } = self;
        let Shared { names, host, reactor } = &*checks.0;
        let now = reactor.wall();
        let names = &Within::new(&**names, reactor, reactor.now() + CHECK_TIME);
        let query = SpfQuery { ip, helo: &helo, sender: &sender, receiver: host, now };
        let spf = spf::check(names, &query).await;
        let header = verifier.header();
        let fields = header.fields();
        let from = dmarc::authors(fields.iter().filter(|field| field.is("From")).map(|field| field.value()));
        let overlong = header.is_over();
        let dkim = verifier.finish(names, now).await;
        let mut drawn = [0; 8];
        reactor.random(&mut drawn);
        let draw = (u64::from_be_bytes(drawn) % 100) as u8;
        let mut dmarc = dmarc::check(names, &from, &spf, &dkim, draw).await;
        if overlong {
            dmarc.problem = Some("the header is too long to be looked at".into());
        }
        let field = results::write(host, &spf, &sender, &dkim, &dmarc);
        Report { spf, dkim, dmarc, overlong, field }
    }
}

impl Report {
    /// The author's domain wants it to be refused, and nobody vouches for it.
    pub fn is_refused(&self) -> bool {
        self.dmarc.disposition == Policy::Reject
    }

    /// The author's domain may want it to be refused, and DNS does not say now: a later time will tell.
    pub fn is_deferred(&self) -> bool {
        self.dmarc.result == DmarcResult::TempError
            && matches!(self.dmarc.policy, None | Some(Policy::Reject))
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checks({})", self.0.host)
    }
}

impl fmt::Debug for Examination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examination")
            .field("ip", &self.ip)
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

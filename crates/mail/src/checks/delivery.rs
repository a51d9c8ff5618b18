//! [`Checked`] and [`Signed`]: deliveries that do something with messages before another one gets them.

use super::{
    Checks, DkimSigner, Examination, Signing, Spool,
    cleaner::{Cleaned, Cleaner},
    spool::Look,
};
use crate::smtp::{
    Code, Mail, Rcpt, Reply, Status,
    server::{Answer, Client, Delivery, Envelope, Message, Mode},
};
use std::{fmt, future::Future, pin::Pin, rc::Rc};
use trenza_core::{Deferred, Reactor, Result};

/// Checks messages at reception before another delivery gets them: with the field Authentication-Results before them, and
/// without fields that claim to be it. What the author's domain wants to be refused (DMARC) is refused with 550, and what
/// has too long a header to be checked with 552. Of whom the DNS does not say now whether he wants it is told to come again,
/// with 451: else who can silence name servers could write in the name of their domains.
///
/// It is on the medium when the other delivery says so. What was submitted, or came over LMTP, goes straight on: it was
/// checked where it came in. Of what comes from this host itself, over its loopback or a UNIX socket, only fields are left out:
/// no domain names these addresses. A forwarder on this host must say who its clients are, by the PROXY protocol.
///
/// ```
/// use trenza_mail::{checks::{Checked, Checks, Spool}, maildir::Maildirs, smtp::SmtpServer};
/// use trenza_storage::{Path, Storage};
///
/// # fn serve(reactor: &trenza_core::Reactor, checks: Checks, storage: Storage, maildirs: Maildirs) -> trenza_core::Result {
/// let spool = Spool::new(&storage, Path::new("waiting")?);
/// let checked = Checked::new(checks, spool, maildirs);
/// reactor.listen_with("tcp:25", SmtpServer::reception("mx.example.org", ["example.org"]).on(checked))?;
/// # Ok(())
/// # }
/// ```
pub struct Checked {
    checks: Checks,
    spool: Spool,
    inner: Rc<dyn Delivery>,
    refuse: bool,
}

impl Checked {
    /// Checks what `inner` gets.
    pub fn new(checks: Checks, spool: Spool, inner: impl Delivery) -> Self {
        Self { checks, spool, inner: Rc::new(inner), refuse: true }
    }

    /// Only writes down what it finds, and refuses nothing.
    #[must_use]
    pub fn only_told(self) -> Self {
        Self { refuse: false, ..self }
    }
}

impl Delivery for Checked {
    fn session(&self, client: &Client) -> Answer {
        self.inner.session(client)
    }

    fn sender(&self, client: &Client, mail: &Mail) -> Answer {
        self.inner.sender(client, mail)
    }

    fn recipient(&self, client: &Client, mail: &Mail, to: &Rcpt) -> Answer {
        self.inner.recipient(client, mail, to)
    }

    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        if envelope.client.mode != Mode::Reception {
            return self.inner.message(envelope);
        }
        if is_here(&envelope.client) {
            let (inner, cleaner) = (self.inner.message(envelope), Cleaner::new(self.checks.clone()));
            let (deferred, resolver) = self.checks.reactor().deferred();
            inner.then(move |inner| {
                resolver.fire(inner.map(|inner| Box::new(Cleaned { inner, cleaner }) as Box<dyn Message>));
            });
            return deferred;
        }
        let look = Checking {
            checks: self.checks.clone(),
            examination: self.checks.begin(&envelope),
            id: envelope.id.clone(),
            refuse: self.refuse,
        };
        self.spool.message(envelope, self.inner.clone(), Box::new(look))
    }
}

/// Whether a client is on this host.
fn is_here(client: &Client) -> bool {
    client.peer.remote.ip().is_none_or(|ip| ip.to_canonical().is_loopback())
}

/// A message that is checked.
struct Checking {
    checks: Checks,
    examination: Examination,
    id: String,
    refuse: bool,
}

impl Look for Checking {
    fn push(&mut self, bytes: &[u8]) {
        self.examination.push(bytes);
    }

    fn finish(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<String>>>> {
        Box::pin(async move {
            let report = self.examination.finish().await;
            tracing::info!(
                message = %self.id, spf = %report.spf.result, dmarc = %report.dmarc.result,
                disposition = %report.dmarc.disposition, "checked"
            );
            if self.refuse && report.overlong {
                let text = "The header of this message is too long";
                return Err(Reply::new(Code::TOO_LARGE, Status::TOO_LARGE, text).into());
            }
            if self.refuse && report.is_refused() {
                let text = match report.dmarc.domain.as_str() {
                    "" => "The domain of an author wants this message to be refused".into(),
                    domain => format!("The domain {domain} wants this message to be refused"),
                };
                return Err(Reply::new(Code::REFUSED, Status::DENIED, text).into());
            }
            if self.refuse && report.is_deferred() {
                let text = format!("It cannot be found out now what {} wants", report.dmarc.domain);
                return Err(Reply::new(Code::LOCAL_ERROR, Status::NO_NAMES, text).into());
            }
            Ok(report.field)
        })
    }

    fn cleaner(&self) -> Option<Cleaner> {
        Some(Cleaner::new(self.checks.clone()))
    }
}

/// Signs messages at submission before another delivery gets them: with the keys of the domain that their sender in MAIL
/// is in. What has none, or cannot be signed, goes on as it is.
pub struct Signed {
    reactor: Reactor,
    signers: Vec<DkimSigner>,
    spool: Spool,
    inner: Rc<dyn Delivery>,
}

impl Signed {
    /// Signs what `inner` gets. Of several signers for a domain each signs, so a domain may have a key of RSA, which
    /// everybody understands, and one of Ed25519.
    pub fn new(
        reactor: &Reactor,
        signers: impl IntoIterator<Item = DkimSigner>,
        spool: Spool,
        inner: impl Delivery,
    ) -> Self {
        let signers = signers.into_iter().collect();
        Self { reactor: reactor.clone(), signers, spool, inner: Rc::new(inner) }
    }
}

impl Delivery for Signed {
    fn session(&self, client: &Client) -> Answer {
        self.inner.session(client)
    }

    fn sender(&self, client: &Client, mail: &Mail) -> Answer {
        self.inner.sender(client, mail)
    }

    fn recipient(&self, client: &Client, mail: &Mail, to: &Rcpt) -> Answer {
        self.inner.recipient(client, mail, to)
    }

    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        let domain = envelope.mail.sender.as_ref().and_then(|sender| sender.host().domain());
        let is_for = |signer: &&DkimSigner| {
            domain.is_some_and(|domain| {
                let before = domain.strip_suffix(signer.domain());
                before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            })
        };
        let signing: Vec<_> = self.signers.iter().filter(is_for).map(DkimSigner::begin).collect();
        if envelope.client.mode != Mode::Submission || signing.is_empty() {
            return self.inner.message(envelope);
        }
        let look = BeingSigned { reactor: self.reactor.clone(), signing, id: envelope.id.clone() };
        self.spool.message(envelope, self.inner.clone(), Box::new(look))
    }
}

/// A message that is signed.
struct BeingSigned {
    reactor: Reactor,
    signing: Vec<Signing>,
    id: String,
}

impl Look for BeingSigned {
    fn push(&mut self, bytes: &[u8]) {
        self.signing.iter_mut().for_each(|signing| signing.push(bytes));
    }

    fn finish(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<String>>>> {
        let now = self.reactor.wall();
        let fields = self.signing.into_iter().map(|signing| {
            signing.finish(now).unwrap_or_else(|error| {
                tracing::warn!(message = %self.id, %error, "it goes on without a signature");
                String::new()
            })
        });
        let fields: String = fields.collect();
        Box::pin(async { Ok(fields) })
    }

    fn cleaner(&self) -> Option<Cleaner> {
        None
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checked({:?})", self.checks)
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("signers", &self.signers).finish_non_exhaustive()
    }
}

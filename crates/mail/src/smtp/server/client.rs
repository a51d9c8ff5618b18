//! [`Client`]: who is at the other end.

use super::{super::Host, Mode};
use std::{rc::Rc, sync::Arc};
use trenza_auth::Account;
use trenza_core::Peer;

/// Who is at the other end of a session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Client {
    /// What kind of server he came to.
    pub mode: Mode,
    /// Where he is, and how the connection is protected.
    pub peer: Rc<Peer>,
    /// What he calls himself, if he has said so.
    pub hello: Option<Host>,
    /// He said EHLO or LHLO, not HELO.
    pub extended: bool,
    /// Who has logged in.
    pub account: Option<Arc<Account>>,
}

impl PartialEq for Client {
    /// The peer by its addresses.
    fn eq(&self, other: &Self) -> bool {
        (self.mode, &self.hello, self.extended, &self.account)
            == (other.mode, &other.hello, other.extended, &other.account)
            && (&self.peer.remote, &self.peer.local) == (&other.peer.remote, &other.peer.local)
    }
}

impl Eq for Client {}

impl Client {
    pub(super) fn new(mode: Mode, peer: Rc<Peer>) -> Self {
        Self { mode, peer, hello: None, extended: false, account: None }
    }

    /// Whether the connection is protected by TLS.
    pub fn is_secured(&self) -> bool {
        self.peer.secured.is_some()
    }

    /// How a message comes, as a Received field has it (RFC 3848, RFC 6531 section 4.3).
    pub(super) fn protocol(&self, utf8: bool) -> String {
        let base = match (self.mode, self.extended, utf8) {
            (Mode::Lmtp, _, false) => "LMTP",
            (Mode::Lmtp, _, true) => "UTF8LMTP",
            (_, _, true) => "UTF8SMTP",
            (_, true, false) => "ESMTP",
            // It has no variants.
            (_, false, false) => return "SMTP".into(),
        };
        let secured = if self.is_secured() { "S" } else { "" };
        let known = if self.account.is_some() { "A" } else { "" };
        format!("{base}{secured}{known}")
    }
}

//! [`Transaction`]: a message that has begun: MAIL and RCPT.

use super::{
    Mode,
    rates::Whose,
    session::{Session, leave, say},
};
use crate::smtp::{Body, Code, Host, Mail, Rcpt, Recipient, Reply, Status};
use trenza_auth::Rights;
use trenza_core::Transport;

/// A message that has begun.
pub(super) struct Transaction {
    pub(super) mail: Mail,
    pub(super) recipients: Vec<Rcpt>,
}

impl Session {
    pub(super) fn mail(&mut self, at: &Transport, mail: Mail) {
        if self.messages >= self.config().limits.messages {
            let text = "Too many messages in one session, connect again";
            return leave(at, &Reply::new(Code::UNAVAILABLE, Status::NOT_NOW, text));
        }
        if let Err(reply) = self.may_begin(at, &mail) {
            return self.refuse(at, &reply);
        }
        let answer = self.here.delivery.sender(&self.client, &mail);
        self.ask(at, answer, |session, at| {
            session.transaction = Some(Box::new(Transaction { mail, recipients: Vec::new() }));
            say(at, &Reply::new(Code::OK, Status::SENDER_OK, "Sender OK"));
        });
    }

    /// Whether a message may begin, as far as the server knows by itself.
    fn may_begin(&self, at: &Transport, mail: &Mail) -> Result<(), Reply> {
        let config = self.config();
        let refusal = |code, status, text: &'static str| Err(Reply::new(code, status, text));
        if self.client.hello.is_none() {
            return refusal(Code::BAD_SEQUENCE, Status::BAD_COMMAND, "Say EHLO first");
        }
        if self.transaction.is_some() {
            return refusal(Code::BAD_SEQUENCE, Status::BAD_COMMAND, "A message has begun already");
        }
        if config.tls_required && at.peer().secured.is_none() {
            return refusal(Code::REQUIRED, Status::SECURITY, "Say STARTTLS first");
        }
        if config.mode == Mode::Submission {
            let Some(account) = &self.client.account else {
                return refusal(Code::REQUIRED, Status::SECURITY, "Log in first");
            };
            if !account.rights.contains(Rights::SEND) {
                return refusal(Code::REFUSED, Status::DENIED, "Your account may not send");
            }
            if mail.sender.as_ref().is_some_and(|sender| !config.owns(account, sender)) {
                return refusal(Code::BAD_MAILBOX, Status::DENIED, "This sender is not yours");
            }
        }
        if mail.size.is_some_and(|size| size > config.limits.size) {
            return refusal(Code::TOO_LARGE, Status::TOO_LARGE, "The message is too large");
        }
        if mail.body == Some(Body::Binary) {
            return refusal(Code::BAD_ARGUMENT, Status::BAD_ARGUMENT, "BINARYMIME is not offered");
        }
        let whose = match (&self.client.account, config.mode) {
            (Some(account), _) => Some(Whose::Account(account.name.clone())),
            (None, Mode::Reception) => at.peer().remote.ip().map(Whose::address),
            // Whoever speaks LMTP sends what many have sent.
            (None, _) => None,
        };
        let max = config.limits.messages_per_minute;
        if whose.is_some_and(|whose| !config.rates.count(at.reactor().now(), whose, max)) {
            return refusal(Code::MAILBOX_BUSY, Status::NOT_NOW, "Too many messages, try again later");
        }
        Ok(())
    }

    pub(super) fn rcpt(&mut self, at: &Transport, rcpt: Rcpt) {
        let answer = match self.may_add(&rcpt) {
            Ok(transaction) => self.here.delivery.recipient(&self.client, &transaction.mail, &rcpt),
            Err(reply) => return self.refuse(at, &reply),
        };
        self.ask(at, answer, |session, at| {
            if let Some(transaction) = &mut session.transaction {
                transaction.recipients.push(rcpt);
            }
            say(at, &Reply::new(Code::OK, Status::RECIPIENT_OK, "Recipient OK"));
        });
    }

    /// Whether a recipient may be added, as far as the server knows by itself.
    fn may_add(&self, rcpt: &Rcpt) -> Result<&Transaction, Reply> {
        let config = self.config();
        let refusal = |code, status, text: &'static str| Err(Reply::new(code, status, text));
        let Some(transaction) = self.transaction.as_deref().filter(|_| self.incoming.is_none()) else {
            return refusal(Code::BAD_SEQUENCE, Status::BAD_COMMAND, "MAIL comes first");
        };
        if transaction.recipients.len() >= config.limits.recipients {
            return refusal(Code::NO_ROOM, Status::TOO_MANY_RECIPIENTS, "Too many recipients");
        }
        if !transaction.mail.utf8 && !rcpt.to.is_ascii() {
            return refusal(
                Code::BAD_MAILBOX,
                Status::NOT_ASCII,
                "An address that is not ASCII needs SMTPUTF8",
            );
        }
        let is_own = match &rcpt.to {
            Recipient::Postmaster => true,
            Recipient::Mailbox(mailbox) => match mailbox.host() {
                Host::Domain(domain) => config.domains.contains(domain),
                Host::Address(ip) => {
                    let reached_by = self.client.peer.local.ip();
                    reached_by.is_some_and(|own| own.to_canonical() == ip.to_canonical())
                }
                Host::Literal(_) => false,
            },
        };
        if config.mode == Mode::Reception && !is_own {
            return refusal(
                Code::REFUSED,
                Status::DENIED,
                "This server is not for that domain, and relays nothing",
            );
        }
        Ok(transaction)
    }
}

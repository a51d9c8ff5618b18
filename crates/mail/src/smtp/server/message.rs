//! [`Incoming`]: a message that comes by DATA or BDAT.

use super::{
    Envelope, Message, Mode, Outcome,
    author::Author,
    config::Config,
    received::{self, Hops},
    session::{Session, leave, say},
    transaction::Transaction,
};
use crate::smtp::{
    Code, Rcpt, Reply, Status,
    data::{Decoder, Lines, Piece},
};
use std::{collections::BTreeSet, fmt::Write as _, rc::Rc};
use trenza_core::{Input, Transport};

/// A message that comes.
pub(super) struct Incoming {
    /// Who takes it; None: it was refused, and the rest is passed over.
    message: Option<Box<dyn Message>>,
    /// Why it was.
    refusal: Option<Reply>,
    /// How many bytes have come.
    size: u64,
    hops: Hops,
    /// At submission: whether it says that it is from who sends it.
    author: Option<Box<Author>>,
    /// Of BDAT.
    lines: Lines,
    id: String,
    recipients: usize,
}

/// What of a message is being received.
pub(super) enum Part {
    /// All of it, behind DATA.
    Data(Decoder),
    /// A chunk, behind BDAT, of which so many bytes have not come yet.
    Chunk { left: u64, last: bool },
}

impl Incoming {
    fn new(message: Box<dyn Message>, envelope: &Envelope) -> Self {
        Self {
            message: Some(message),
            refusal: None,
            size: 0,
            hops: Hops::default(),
            author: None,
            lines: Lines::default(),
            id: envelope.id.clone(),
            recipients: envelope.recipients.len(),
        }
    }

    /// One that nobody takes, for so many recipients.
    fn refused(reply: Reply, recipients: usize) -> Self {
        Self {
            message: None,
            refusal: Some(reply),
            size: 0,
            hops: Hops::default(),
            author: None,
            lines: Lines::default(),
            id: String::new(),
            recipients,
        }
    }

    /// The rest is passed over; the first reason is told.
    fn refuse(&mut self, reply: Reply) {
        self.message = None;
        self.refusal.get_or_insert(reply);
    }

    fn push(&mut self, bytes: &[u8], config: &Config) {
        self.size += bytes.len() as u64;
        let Some(message) = &mut self.message else { return };
        if self.size > config.limits.size {
            self.refuse(Reply::new(Code::TOO_LARGE, Status::TOO_LARGE, "The message is too large"));
        } else if self.hops.look(bytes) > config.limits.hops {
            self.refuse(Reply::new(Code::FAILED, Status::LOOP, "The message goes in circles"));
        } else if let Some(Err(reply)) = self.author.as_mut().map(|author| author.push(bytes, config)) {
            self.refuse(reply);
        } else {
            message.push(bytes);
        }
    }

    /// It is whole.
    fn end(&mut self, config: &Config) {
        if let Some(Err(reply)) = self.author.as_mut().map(|author| author.finish(config)) {
            self.refuse(reply);
        }
    }
}

impl Session {
    pub(super) fn data(&mut self, at: &Transport) {
        let refusal = match &self.transaction {
            _ if self.incoming.is_some() => Some((Code::BAD_SEQUENCE, "The message comes by BDAT")),
            None => Some((Code::BAD_SEQUENCE, "MAIL comes first")),
            Some(transaction) if transaction.recipients.is_empty() => {
                // RFC 2033 section 4.2.
                let code = if self.client.mode == Mode::Lmtp { Code::BAD_SEQUENCE } else { Code::FAILED };
                Some((code, "There are no recipients"))
            }
            Some(_) => None,
        };
        if let Some((code, text)) = refusal {
            return self.refuse(at, &Reply::new(code, Status::BAD_COMMAND, text));
        }
        self.open(at, |session, at, opened| match opened {
            Ok(incoming) => {
                session.incoming = Some(incoming);
                session.part = Some(Part::Data(Decoder::new()));
                at.set_deadline(Some(session.config().limits.message));
                say(at, &Reply::plain(Code::START_MESSAGE, "The message, and a line with a dot"));
            }
            Err(reply) => {
                session.reset();
                session.refuse(at, &reply);
            }
        });
    }

    pub(super) fn chunk(&mut self, at: &Transport, size: u64, last: bool) {
        let recipients = self.transaction.as_ref().map_or(0, |transaction| transaction.recipients.len());
        self.part = Some(Part::Chunk { left: size, last });
        at.set_deadline(Some(self.config().limits.message));
        let come = self.incoming.as_ref().map_or(0, |incoming| incoming.size);
        let is_large = come.saturating_add(size) > self.config().limits.size;
        if recipients == 0 {
            // The bytes come all the same (RFC 3030 section 2).
            let reply = Reply::new(Code::BAD_SEQUENCE, Status::BAD_COMMAND, "MAIL and RCPT come first");
            self.incoming = Some(Box::new(Incoming::refused(reply, 0)));
        } else if let Some(incoming) = self.incoming.as_mut() {
            if is_large {
                incoming.refuse(Reply::new(Code::TOO_LARGE, Status::TOO_LARGE, "The message is too large"));
            }
        } else if is_large {
            let reply = Reply::new(Code::TOO_LARGE, Status::TOO_LARGE, "The message is too large");
            self.incoming = Some(Box::new(Incoming::refused(reply, recipients)));
        } else {
            return self.open(at, move |session, at, opened| {
                let incoming = opened.unwrap_or_else(|reply| Box::new(Incoming::refused(reply, recipients)));
                session.incoming = Some(incoming);
                at.set_deadline(Some(session.config().limits.message));
                session.chunk_ended(at);
            });
        }
        self.chunk_ended(at);
    }

    /// Who a message goes to, each once: what is forwarded for one of them would go out as often as he was named. LMTP wants
    /// an answer for each that was accepted.
    fn recipients(&self, transaction: &Transaction) -> Vec<Rcpt> {
        let (mut all, mut seen) = (transaction.recipients.clone(), BTreeSet::new());
        if self.client.mode != Mode::Lmtp {
            all.retain(|rcpt| seen.insert(rcpt.to.clone()));
        }
        all
    }

    /// Who is to have written it.
    fn author(&self) -> Option<Box<Author>> {
        let account = self.client.account.clone().filter(|_| !self.config().any_author);
        account.map(|account| Box::new(Author::new(account)))
    }

    /// Asks who takes the message.
    fn open(
        &mut self,
        at: &Transport,
        then: impl FnOnce(&mut Self, &Transport, Result<Box<Incoming>, Reply>) + 'static,
    ) {
        let Some(transaction) = &self.transaction else { return };
        let mut id = [0; 8];
        at.reactor().random(&mut id);
        let envelope = Rc::new(Envelope {
            id: id.iter().fold(String::new(), |mut text, byte| {
                _ = write!(text, "{byte:02X}");
                text
            }),
            client: self.client.clone(),
            mail: transaction.mail.clone(),
            recipients: self.recipients(transaction),
        });
        let field = received::field(&envelope, &self.config().host, at.reactor().wall());
        let message = self.here.delivery.message(envelope.clone());
        self.wait(at, message, move |session, at, message| match message {
            Ok(mut message) => {
                message.push(field.as_bytes());
                let mut incoming = Incoming::new(message, &envelope);
                incoming.author = session.author();
                then(session, at, Ok(Box::new(incoming)));
            }
            Err(error) => then(session, at, Err(Reply::of(&error))),
        });
    }

    /// Takes what has come of a message; false: more must come.
    pub(super) fn receive(&mut self, at: &Transport, input: &mut Input<'_>) -> bool {
        let config = &self.here.config;
        let Some(incoming) = &mut self.incoming else { return false };
        let bare = || Reply::new(Code::REFUSED, Status::SYNTAX, "A CR or LF stands alone in the message");
        let ended = match &mut self.part {
            None => return false,
            Some(Part::Data(decoder)) => match decoder.next(input) {
                Ok(None) => return false,
                Ok(Some(Piece::Bytes(bytes))) => {
                    incoming.push(bytes, config);
                    false
                }
                Ok(Some(Piece::End)) => true,
                Err(_) => {
                    incoming.refuse(bare());
                    false
                }
            },
            Some(Part::Chunk { left, .. }) => {
                let bytes = input.up_to(usize::try_from(*left).unwrap_or(usize::MAX));
                if bytes.is_empty() {
                    return false;
                }
                *left -= bytes.len() as u64;
                if incoming.message.is_some() && incoming.lines.check(bytes).is_err() {
                    incoming.refuse(bare());
                }
                incoming.push(bytes, config);
                false
            }
        };
        if incoming.size > config.limits.size.saturating_mul(2) {
            let reply = Reply::new(Code::TOO_LARGE, Status::TOO_LARGE, "The message is far too large");
            self.reset();
            leave(at, &reply);
            return false;
        }
        if ended {
            self.part = None;
            self.ended(at);
        } else {
            self.hold(at);
            self.chunk_ended(at);
        }
        true
    }

    /// There is no room for more of the message just now.
    pub(super) fn is_held(&self) -> bool {
        let message = self.incoming.as_ref().and_then(|incoming| incoming.message.as_ref());
        message.is_some_and(|message| message.is_full())
    }

    /// The client is not read before there is room for more.
    fn hold(&self, at: &Transport) {
        let message = self.incoming.as_ref().and_then(|incoming| incoming.message.as_ref());
        let Some(room) = message.filter(|_| self.is_held()).and_then(|message| message.room()) else {
            return;
        };
        at.pause();
        room.then_in(at.handle::<Self>(), |session, at, room| {
            if let (Err(error), Some(incoming)) = (room, &mut session.incoming) {
                incoming.refuse(Reply::of(&error));
            }
            session.go_on(at);
            Ok(())
        });
    }

    /// Answers a chunk that has come whole.
    fn chunk_ended(&mut self, at: &Transport) {
        let Some(Part::Chunk { left: 0, last }) = self.part else { return };
        self.part = None;
        let Some(incoming) = &mut self.incoming else { return };
        if last {
            if incoming.message.is_some() && incoming.lines.finish().is_err() {
                incoming.refuse(Reply::new(
                    Code::REFUSED,
                    Status::SYNTAX,
                    "A CR stands alone in the message",
                ));
            }
            return self.ended(at);
        }
        match incoming.refusal.clone() {
            None => say(at, &Reply::new(Code::OK, Status::OK, format!("{} bytes so far", incoming.size))),
            Some(reply) => {
                // What follows of it is refused, too, until the transaction is over.
                if self.transaction.is_none() {
                    self.incoming = None;
                }
                self.refuse(at, &reply);
            }
        }
    }

    /// The message is whole.
    fn ended(&mut self, at: &Transport) {
        let Some(mut incoming) = self.incoming.take() else { return };
        incoming.end(self.config());
        self.transaction = None;
        let (id, recipients) = (incoming.id, incoming.recipients);
        let Some(message) = incoming.message else {
            let reply = incoming.refusal.unwrap_or_else(|| Reply::of(&"nobody takes the message".into()));
            return self.answer(at, &vec![Err(reply); recipients.max(1)], &id);
        };
        self.wait(at, message.finish(), move |session, at, outcome| {
            let mut each = match outcome {
                Ok(Outcome::Accepted) => vec![Ok(()); recipients],
                Ok(Outcome::Each(each)) => each,
                Err(error) => vec![Err(Reply::of(&error)); recipients],
            };
            // Of whom nothing is said nothing is promised.
            each.resize_with(recipients, || Err(Reply::of(&"there is no outcome for a recipient".into())));
            session.answer(at, &each, &id);
        });
    }

    /// Tells what came of a message: of each recipient in LMTP (RFC 2033 section 4.2), else one thing for all.
    fn answer(&mut self, at: &Transport, each: &[Result<(), Reply>], id: &str) {
        if each.iter().any(Result::is_ok) {
            self.count_message();
        }
        let done = || Reply::new(Code::OK, Status::OK, format!("Taken as {id}"));
        if self.client.mode == Mode::Lmtp {
            for outcome in each {
                match outcome {
                    Ok(()) => say(at, &done()),
                    // Not by `refuse`: it might close the connection before all are told.
                    Err(reply) => say(at, reply),
                }
            }
            return;
        }
        // If it may work later it has to come again: a message that comes twice is better than one that is lost.
        let worst = each.iter().filter_map(|outcome| outcome.as_ref().err());
        match worst.min_by_key(|reply| !reply.code().is_transient()) {
            None => say(at, &done()),
            Some(reply) => self.refuse(at, reply),
        }
    }
}

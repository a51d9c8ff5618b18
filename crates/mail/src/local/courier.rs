//! [`Courier`]: brings on what a queue holds.

use super::{Exchange, Expansion, delivered::DeliveredTo};
use crate::{
    queue::{Carried, Carrier, Carrying, Fate, Inlet, Parcel},
    smtp::{
        Code, Mail, Mailbox, OriginalRecipient, Rcpt, Recipient, Reply, Status,
        server::{Message, Outcome},
    },
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::Rc,
};
use trenza_core::Error;
use trenza_storage::Path;

/// The destination of who is here. No domain or literal can be written so.
const HERE: &str = "[here]";
/// So many recipients who have a message in part are remembered. Of others there are the notes of the queue.
const PARTIAL_MAX: usize = 10_000;
/// What is noted of a message that was forwarded, and before each Maildir that has it.
const FORWARDED: &str = "forwarded";
const MAILDIR: &str = "maildir ";

/// Brings what a queue holds into the Maildirs of an [`Exchange`], and by another [`Carrier`] to others.
///
/// What an address of this server stands for elsewhere goes into the queue anew, with a Delivered-To field in front; what has
/// one with that address already goes in circles, and is refused.
pub struct Courier {
    exchange: Exchange,
    inlet: Inlet,
    others: Box<dyn Carrier>,
    partial: Partial,
}

/// What of a message a recipient has who stands for several: so that one full Maildir does not bring it to the others again
/// and again. By the message's name and the recipient. It is noted in the queue, too, for the next start; here is also what is
/// too long for that.
type Partial = Rc<RefCell<BTreeMap<(String, Recipient), Had>>>;

/// What somebody has of a message.
#[derive(Debug, Clone, Default)]
struct Had {
    folders: BTreeSet<Path>,
    forwarded: bool,
}

impl Had {
    /// What a note says. What makes no sense is passed over: what it stood for comes twice.
    fn of(note: &str) -> Self {
        let folder = |line: &str| Path::new(line.strip_prefix(MAILDIR)?).ok();
        Self {
            folders: note.lines().filter_map(folder).collect(),
            forwarded: note.lines().any(|line| line == FORWARDED),
        }
    }

    /// A line for each thing; None: there is nothing to note.
    fn note(&self) -> Option<String> {
        // A folder whose name is no text is not noted.
        let folders = self.folders.iter().filter_map(|folder| str::from_utf8(folder.as_bytes()).ok());
        let lines = folders.map(|folder| format!("{MAILDIR}{folder}"));
        let lines: Vec<String> =
            self.forwarded.then(|| FORWARDED.to_owned()).into_iter().chain(lines).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

impl Courier {
    /// Brings what is for `exchange` there, with what is forwarded into the queue of `inlet`, and the rest by `others`.
    pub fn new(exchange: &Exchange, inlet: Inlet, others: impl Carrier) -> Self {
        Self { exchange: exchange.clone(), inlet, others: Box::new(others), partial: Rc::default() }
    }
}

impl Carrier for Courier {
    fn destination(&self, to: &Recipient) -> String {
        match self.exchange.local().is_own(to, None) {
            true => HERE.into(),
            false => self.others.destination(to),
        }
    }

    fn carry(&self, parcel: Parcel) -> Carrying {
        if parcel.destination != HERE {
            return self.others.carry(parcel);
        }
        let (exchange, inlet, partial) = (self.exchange.clone(), self.inlet.clone(), self.partial.clone());
        Box::pin(async move {
            exchange.look().await;
            let mut carried = Vec::with_capacity(parcel.recipients.len());
            let notes = parcel.notes.iter().map(Option::as_deref).chain(std::iter::repeat(None));
            for (to, note) in parcel.recipients.iter().zip(notes) {
                let round =
                    Round { exchange: &exchange, inlet: &inlet, partial: &partial, parcel: &parcel, to };
                carried.push(round.carried(note).await);
            }
            carried
        })
    }
}

/// A try to bring a message to a recipient who is here.
struct Round<'a> {
    exchange: &'a Exchange,
    inlet: &'a Inlet,
    partial: &'a Partial,
    parcel: &'a Parcel,
    to: &'a Rcpt,
}

impl Round<'_> {
    /// What came of it, after what was noted of the tries before.
    async fn carried(&self, note: Option<&str>) -> Carried {
        let key = (self.parcel.id.clone(), self.to.to.clone());
        let had = self.partial.borrow().get(&key).cloned();
        let mut had = had.unwrap_or_else(|| note.map(Had::of).unwrap_or_default());
        let done = self.bring(&mut had).await;
        let mut partial = self.partial.borrow_mut();
        let reply = match done {
            Ok(forwarded) => {
                partial.remove(&key);
                let reply = Reply::new(Code::OK, Status::RECIPIENT_OK, "Delivered");
                // What was forwarded tells of itself.
                return Carried::new(if forwarded {
                    Fate::Relayed { reply, notifies: true }
                } else {
                    Fate::Delivered(reply)
                });
            }
            Err(reply) => reply,
        };
        if reply.code().is_permanent() {
            partial.remove(&key);
            return Carried::new(Fate::Refused(reply));
        }
        let note = had.note();
        if partial.len() >= PARTIAL_MAX {
            partial.clear();
        }
        partial.insert(key, had);
        Carried::new(Fate::Later(reply)).with_note(note)
    }

    /// Brings it where it was not brought yet; whether it was forwarded. The first thing that is wrong is what counts.
    async fn bring(&self, had: &mut Had) -> Result<bool, Reply> {
        let Expansion { maildirs, elsewhere, .. } = self.exchange.local().expand(&self.to.to)?;
        if !elsewhere.is_empty() && !had.forwarded {
            self.forward(&elsewhere).await?;
            had.forwarded = true;
        }
        let (mut open, mut wrong) = (Vec::new(), None);
        for place in maildirs.into_iter().filter(|place| !had.folders.contains(&place.folder)) {
            match self.exchange.store().admit(&place, None).wait().await {
                Ok(()) => open.push(place),
                Err(error) => {
                    wrong.get_or_insert_with(|| Reply::of(&error));
                }
            }
        }
        if !open.is_empty() {
            let sender = self.parcel.mail.sender.as_ref();
            let message = self.exchange.store().message(sender, open.clone(), false).await;
            let outcome = self.copy(message.map_err(|error| Reply::of(&error))?, "").await?;
            let each = match outcome {
                Outcome::Accepted => vec![Ok(()); open.len()],
                Outcome::Each(each) => each,
            };
            for (place, outcome) in open.into_iter().zip(each) {
                match outcome {
                    Ok(()) => {
                        had.folders.insert(place.folder);
                    }
                    Err(reply) => {
                        wrong.get_or_insert(reply);
                    }
                }
            }
        }
        wrong.map_or(Ok(!elsewhere.is_empty()), Err)
    }

    /// Puts it into the queue anew, for others.
    async fn forward(&self, elsewhere: &[Mailbox]) -> Result<(), Reply> {
        let own = self.to.to.to_string();
        if self.has_come_before(&own).await? {
            return Err(Reply::new(Code::FAILED, Status::LOOP, "The message goes in circles"));
        }
        let original = self.to.original.clone().or_else(|| OriginalRecipient::of(&own));
        let recipient = |mailbox: &Mailbox| Rcpt {
            to: mailbox.clone().into(),
            notify: self.to.notify,
            original: original.clone(),
        };
        let mail = Mail { size: None, ..self.parcel.mail.clone() };
        let message = self.inlet.submit(mail, elsewhere.iter().map(recipient).collect()).await;
        let message = message.map_err(|error| Reply::of(&error))?;
        match self.copy(message, &format!("Delivered-To: {own}\r\n")).await? {
            Outcome::Accepted => Ok(()),
            Outcome::Each(each) => each.into_iter().collect(),
        }
    }

    /// Whether it was forwarded for this address already.
    async fn has_come_before(&self, own: &str) -> Result<bool, Reply> {
        let (mut fields, mut pieces) = (DeliveredTo::new(own), self.parcel.message.read());
        while let Some(piece) = pieces.next().await.map_err(|error| Reply::of(&error.into()))? {
            if let Some(answer) = fields.look(&piece) {
                return Ok(answer);
            }
        }
        Ok(false)
    }

    /// Writes a head and the message.
    async fn copy(&self, mut message: Box<dyn Message>, head: &str) -> Result<Outcome, Reply> {
        let copied = async {
            message.push(head.as_bytes());
            let mut pieces = self.parcel.message.read();
            while let Some(piece) = pieces.next().await? {
                message.push(&piece);
                if let Some(room) = message.room().filter(|_| message.is_full()) {
                    room.await?;
                }
            }
            message.finish().await
        };
        copied.await.map_err(|error: Error| Reply::of(&error))
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

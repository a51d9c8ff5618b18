//! [`Maildrop`]: the messages of a session, with their numbers and marks.

use super::{
    ahead::{Ahead, Plan, SESSIONS_MAX},
    locks::Held,
};
use crate::{
    maildir::{Entry, Maildir},
    seats::Seats,
};
use aws_lc_rs::digest::{SHA256, digest};
use std::{borrow::Cow, fmt::Write as _, sync::Arc};

/// The longest unique id in bytes (RFC 1939 section 7).
const UID_MAX: usize = 70;

/// The messages of a session (RFC 1939 section 4): those that were there when it began. Their numbers stay.
pub(super) struct Maildrop {
    maildir: Maildir,
    messages: Vec<Message>,
    /// How many messages are not deleted, and how many bytes they have.
    count: (usize, u64),
    /// The message that was retrieved last; 0: none.
    last: u32,
    /// Messages behind it that were read with it.
    pub(super) ahead: Option<Ahead>,
    /// Nobody else has the mailbox.
    held: Held,
    /// Messages may be deleted.
    deletable: bool,
}

struct Message {
    entry: Entry,
    /// To be deleted at the end.
    deleted: bool,
}

impl Maildrop {
    pub(super) fn new(maildir: Maildir, mut entries: Vec<Entry>, most: usize, held: Held) -> Self {
        entries.truncate(most);
        let messages = entries.into_iter().map(|entry| Message { entry, deleted: false }).collect();
        let mut maildrop =
            Self { maildir, messages, count: (0, 0), last: 0, ahead: None, held, deletable: true };
        maildrop.reset();
        maildrop
    }

    /// Whether messages may be deleted. Default: they may.
    pub(super) fn deletable(self, deletable: bool) -> Self {
        Self { deletable, ..self }
    }

    pub(super) fn is_deletable(&self) -> bool {
        self.deletable
    }

    pub(super) fn maildir(&self) -> &Maildir {
        &self.maildir
    }

    /// The messages that are not deleted, from this number on.
    pub(super) fn from(&self, number: u32) -> impl Iterator<Item = (u32, &Entry)> {
        let first = (number as usize).saturating_sub(1);
        let rest = self.messages.get(first..).unwrap_or_default();
        let numbered = (number.max(1)..).zip(rest);
        numbered.filter(|(_, message)| !message.deleted).map(|(number, message)| (number, &message.entry))
    }

    /// A message that is there and not deleted.
    pub(super) fn get(&self, number: u32) -> Option<&Entry> {
        let at = (number as usize).checked_sub(1)?;
        self.messages.get(at).filter(|message| !message.deleted).map(|message| &message.entry)
    }

    /// A message is retrieved: whether it is the next one behind that before.
    pub(super) fn is_next(&mut self, number: u32) -> bool {
        let next = self.from(self.last.saturating_add(1)).next();
        let is_next = next.is_some_and(|(next, _)| next == number);
        self.last = number;
        is_next
    }

    /// What is to be read ahead behind a message, if there is anything and a place is left.
    pub(super) fn plan(&mut self, number: u32, places: &Arc<Seats>) -> Option<Plan> {
        // What was read before is not asked for any more, and has a place.
        self.ahead = None;
        let place = places.enter(SESSIONS_MAX)?;
        Plan::new(self.from(number.saturating_add(1)), place)
    }

    /// How many messages are not deleted, and how many bytes they have.
    pub(super) fn count(&self) -> (usize, u64) {
        self.count
    }

    /// Marks a message; false: there is no such.
    pub(super) fn delete(&mut self, number: u32) -> bool {
        let message = (number as usize).checked_sub(1).and_then(|at| self.messages.get_mut(at));
        match message {
            Some(message) if !message.deleted => {
                message.deleted = true;
                self.count = (self.count.0 - 1, self.count.1.saturating_sub(octets(&message.entry)));
                true
            }
            _ => false,
        }
    }

    /// Takes all marks away.
    pub(super) fn reset(&mut self) {
        self.count = (0, 0);
        for message in &mut self.messages {
            message.deleted = false;
            self.count = (self.count.0 + 1, self.count.1.saturating_add(octets(&message.entry)));
        }
    }

    /// At the end: where the messages are that are marked, and what keeps others out until they are deleted.
    pub(super) fn into_marked(self) -> (Maildir, Vec<Entry>, Held) {
        let marked = self.messages.into_iter().filter(|message| message.deleted).map(|message| message.entry);
        (self.maildir, marked.collect(), self.held)
    }
}

/// The size that clients are told: with CRLFs (RFC 1939 section 11) if the name says it, as it is stored otherwise.
pub(super) fn octets(entry: &Entry) -> u64 {
    let mut marks = entry.id().split(',').skip(1);
    marks.find_map(|mark| mark.strip_prefix("W=")?.parse().ok()).unwrap_or_else(|| entry.size())
}

/// The unique id of a message (RFC 1939 section 7): the name of its file, which nothing else had or will have.
pub(super) fn uid(entry: &Entry) -> Cow<'_, str> {
    let id = entry.id();
    if (1..=UID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return id.into();
    }
    let hash = digest(&SHA256, id.as_bytes());
    let mut text = String::with_capacity(2 * hash.as_ref().len());
    for byte in hash.as_ref() {
        _ = write!(text, "{byte:02x}");
    }
    text.into()
}

//! [`Ahead`]: messages that are read before they are asked for.
//!
//! Who retrieves one message after the other retrieves the next one, too. So the job that reads one reads several small ones
//! behind it: the way to the pool and back costs more than they do.

use super::{maildrop::octets, message::Reading};
use crate::{maildir::Entry, seats::Place};
use std::{collections::VecDeque, io::Write as _, sync::Arc, time::Duration};
use trenza_storage::{File, Result};

/// So many bytes are read ahead at most. As lines for the client they may be twice as many.
const BYTES_MAX: u64 = 64 * 1024;
/// The same in messages.
const MESSAGES_MAX: usize = 64;
/// How many sessions have messages that were read ahead, over all loops: 16 MiB at the worst.
pub(super) const SESSIONS_MAX: usize = 128;
/// How long they are kept for a client that is silent.
pub(super) const KEPT_MAX: Duration = Duration::from_secs(5);

/// What is to be read ahead.
pub(super) struct Plan {
    messages: Vec<(u32, Entry)>,
    place: Place,
}

impl Plan {
    /// As many of the messages as there is room for; None: not even the first.
    pub(super) fn new<'a>(messages: impl Iterator<Item = (u32, &'a Entry)>, place: Place) -> Option<Self> {
        let mut left = BYTES_MAX;
        let fitting = messages.take(MESSAGES_MAX).map_while(|(number, entry)| {
            left = left.checked_sub(entry.size())?;
            Some((number, entry.clone()))
        });
        let messages: Vec<_> = fitting.collect();
        (!messages.is_empty()).then_some(Self { messages, place })
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.messages.iter().map(|(_, entry)| entry.clone())
    }

    /// Reads them, as far as they are there and as large as they were. This blocks.
    pub(super) fn read(self, files: &mut dyn Iterator<Item = Result<Arc<dyn File>>>) -> Ahead {
        let (mut text, mut replies) = (Vec::new(), VecDeque::new());
        for ((number, entry), file) in self.messages.iter().zip(files) {
            // What is wrong with one is told when it is asked for.
            let Ok(file) = file else { break };
            if file.opened().size > entry.size() {
                break;
            }
            // Into memory; it does not fail.
            _ = write!(text, "+OK {} octets\r\n", octets(entry));
            match Reading::new(file, None).next(&mut text) {
                Ok(true) => replies.push_back((*number, text.len())),
                _ => break,
            }
        }
        Ahead { text, at: 0, replies, _place: self.place }
    }
}

/// Replies to RETR of some messages, as they go to the client.
pub(super) struct Ahead {
    text: Vec<u8>,
    /// Where the first reply begins.
    at: usize,
    /// The number of each message, and where its reply ends.
    replies: VecDeque<(u32, usize)>,
    _place: Place,
}

impl Ahead {
    /// The reply for a message, if it was read. Those before it are passed over.
    pub(super) fn take(&mut self, number: u32) -> Option<&[u8]> {
        while let Some((first, end)) = self.replies.pop_front_if(|(first, _)| *first <= number) {
            let reply = std::mem::replace(&mut self.at, end)..end;
            if first == number {
                return self.text.get(reply);
            }
        }
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }
}

//! [`Record`]: what the queue knows of a message.

use super::{Carried, Fate, RECORD_MAX, Schedule};
use crate::smtp::{Mail, Rcpt, Reply};
use std::time::{Duration, SystemTime};

/// The most characters of a reply's text that are kept.
pub const SAID_MAX: usize = 1000;
/// The most characters of a host's name that are kept.
const HOST_MAX: usize = 255;
/// How many bytes of a record a recipient may take more than at first, besides what was said of him: his state, and all around.
const STATE_ROOM: usize = 64;
/// The last time there is, in seconds since the epoch: some centuries from now.
pub(super) const TIME_MAX: u64 = u32::MAX as u64 * 4;

/// What the queue knows of a message: who it is from and for, and what came of it so far. Times are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it was taken.
    pub arrived: SystemTime,
    /// How many reports were made about it.
    pub reports: u32,
    /// Who it is from, with its parameters.
    pub mail: Mail,
    /// Who it is for.
    pub recipients: Vec<Addressee>,
}

/// Somebody whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// Who.
    pub rcpt: Rcpt,
    /// What came of it.
    pub state: State,
    /// What was said of it last.
    pub said: Option<Said>,
    /// What who carries it wants to know at the next try.
    pub note: Option<String>,
}

/// What came of a message for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is to be tried.
    Waiting {
        /// How often it was.
        tries: u32,
        /// When it is again.
        next: SystemTime,
        /// The sender was told that it is late.
        warned: bool,
    },
    /// It is in the mailbox, and the sender is to be told.
    Delivered,
    /// Another server has it, which tells nobody, and the sender is to be told.
    Relayed,
    /// It comes back.
    Failed,
    /// Nothing more is to be done.
    Done,
}

/// What was said of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// By which host; None: this one.
    pub host: Option<String>,
    /// What.
    pub reply: Reply,
}

impl Record {
    /// A message that has just come.
    pub fn new(mail: Mail, recipients: impl IntoIterator<Item = Rcpt>, now: SystemTime) -> Self {
        let arrived = whole(now);
        let state = State::Waiting { tries: 0, next: arrived, warned: false };
        let addressee = |rcpt| Addressee { rcpt, state, said: None, note: None };
        Self { arrived, reports: 0, mail, recipients: recipients.into_iter().map(addressee).collect() }
    }

    /// Nothing more is to be done about it.
    pub fn is_over(&self) -> bool {
        self.recipients.iter().all(|one| one.state == State::Done)
    }

    /// Takes in what came of it for a recipient. `next` is when he is tried again if need be.
    pub(super) fn carried(
        &mut self,
        at: usize,
        carried: &Carried,
        next: SystemTime,
        now: SystemTime,
        give_up: Duration,
    ) {
        let gives_up = now >= self.arrived + give_up;
        let room = self.room();
        let Some(one) = self.recipients.get_mut(at) else { return };
        // The outcome of a try that somebody else knows of by now, or of one that is told twice.
        let State::Waiting { tries, warned, .. } = one.state else { return };
        let tells = one.rcpt.notify.is_some_and(|notify| notify.success);
        one.state = match &carried.fate {
            Fate::Delivered(_) if tells => State::Delivered,
            Fate::Relayed { notifies: false, .. } if tells => State::Relayed,
            Fate::Delivered(_) | Fate::Relayed { .. } => State::Done,
            Fate::Refused(_) => State::Failed,
            Fate::Later(_) | Fate::Unreachable(_) if gives_up => State::Failed,
            Fate::Later(_) | Fate::Unreachable(_) => {
                State::Waiting { tries: tries.saturating_add(1), next: whole(next), warned }
            }
        };
        let fits =
            |note: &&String| written(note) <= room / 2 && !note.chars().any(|c| c.is_control() && c != '\n');
        match &carried.note {
            _ if !matches!(one.state, State::Waiting { .. }) => one.note = None,
            Some(note) => one.note = Some(note).filter(fits).cloned(),
            None => {}
        }
        let left = room - one.note.as_deref().map_or(0, written);
        one.said = Some(Said::of(carried, left));
    }

    /// How many bytes may be kept of what is said of each: of many recipients less, so that the record can be read again. It
    /// was at most half of what it may be when the message came.
    fn room(&self) -> usize {
        (RECORD_MAX / 2 / self.recipients.len().max(1)).saturating_sub(STATE_ROOM)
    }

    /// Has everybody who waits tried again at once.
    pub(super) fn hurry(&mut self, now: SystemTime) {
        for one in &mut self.recipients {
            if let State::Waiting { next, .. } = &mut one.state {
                *next = whole(now);
            }
        }
    }

    /// Whether a delay is to be told of by now.
    pub(super) fn is_late(&self, schedule: &Schedule, now: SystemTime) -> bool {
        schedule.warn.is_some_and(|warn| now >= self.arrived + warn)
    }
}

impl Said {
    /// With at most `room` bytes, as it is written.
    fn of(carried: &Carried, room: usize) -> Self {
        let plain = |c: char| if c.is_control() || c.is_whitespace() { '_' } else { c };
        let host = carried.host.as_ref().map(|host| short(host.chars().map(plain).take(HOST_MAX), room / 2));
        let host = host.filter(|host| !host.is_empty() && host != "-");
        let left = room - host.as_ref().map_or(0, String::len);
        Self { host, reply: shortened(carried.fate.reply(), left) }
    }
}

/// How many bytes a character takes where it is written.
fn width(c: char) -> usize {
    if matches!(c, '\n' | '\\') { 2 } else { c.len_utf8() }
}

/// How many bytes a text takes where it is written.
fn written(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// As many of the characters as have room, each as it is written.
fn short(chars: impl Iterator<Item = char>, room: usize) -> String {
    let mut left = room;
    let fits = |c: &char| {
        let rest = left.checked_sub(width(*c));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    chars.take_while(fits).collect()
}

/// A reply with a text that is not too long and has no control characters but line ends.
fn shortened(reply: &Reply, room: usize) -> Reply {
    let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    let text = short(reply.text().chars().map(plain).take(SAID_MAX), room);
    match reply.status() {
        Some(status) => Reply::new(reply.code(), status, text),
        None => Reply::plain(reply.code(), text),
    }
}

/// Seconds since the epoch.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The time of so many seconds since the epoch.
pub(super) fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(TIME_MAX))
}

/// Without what is less than a second.
fn whole(at: SystemTime) -> SystemTime {
    time(seconds(at))
}

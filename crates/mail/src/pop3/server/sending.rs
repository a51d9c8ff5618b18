//! [`Sending`]: what stands behind a reply, on its way to the client.

use super::{
    ahead::Plan,
    maildrop::{self, Maildrop},
    message::{Piece, Reading},
    session::{Session, say},
};
use crate::pop3::{Reply, ResponseCode};
use std::io::Write as _;
use trenza_core::{OutBuf, Result, Transport};
use trenza_storage::{Error, ErrorKind};

/// So many lines of a listing are written at once; then it is looked whether the client reads them.
const LINES: usize = 512;
/// The room that a line takes at the most: a number, a unique id.
const LINE_ROOM: usize = 96;

/// What stands behind a reply.
pub(super) enum Sending {
    /// A line for each message from this one on.
    Listing(Listing, u32),
    /// The rest of a message.
    Message(Box<Reading>),
}

/// What is told of each message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Listing {
    Sizes,
    Uids,
}

impl Listing {
    /// What is told of one message, behind a start of the line.
    pub(super) fn of(self, number: u32, entry: &crate::maildir::Entry) -> String {
        match self {
            Self::Sizes => format!("{number} {}", maildrop::octets(entry)),
            Self::Uids => format!("{number} {}", maildrop::uid(entry)),
        }
    }

    /// Appends lines for messages from this one on; where to go on, if that was not all.
    fn write(self, maildrop: &Maildrop, from: u32, out: &mut OutBuf) -> Option<u32> {
        let mut messages = maildrop.from(from);
        out.push_with(LINES * LINE_ROOM, |text| {
            for (number, entry) in messages.by_ref().take(LINES) {
                // Into memory; it does not fail.
                _ = match self {
                    Self::Sizes => write!(text, "{number} {}\r\n", maildrop::octets(entry)),
                    Self::Uids => write!(text, "{number} {}\r\n", maildrop::uid(entry)),
                };
            }
        });
        let next = messages.next().map(|(number, _)| number);
        if next.is_none() {
            out.push_slice(b".\r\n");
        }
        next
    }
}

impl Session {
    /// LIST and UIDL.
    pub(super) fn list(&mut self, at: &Transport, listing: Listing, number: Option<u32>) {
        let Some(maildrop) = self.maildrop() else { return self.not_yet(at) };
        match number {
            Some(number) => match maildrop.get(number) {
                Some(entry) => {
                    let text = listing.of(number, entry);
                    say(at, &Reply::ok(text));
                }
                None => self.no_such_message(at),
            },
            None => {
                let (count, size) = maildrop.count();
                let text = match listing {
                    Listing::Sizes => format!("{count} messages ({size} octets)"),
                    Listing::Uids => format!("{count} messages"),
                };
                say(at, &Reply::ok(text));
                self.sending = Some(Sending::Listing(listing, 1));
                self.send_on(at);
            }
        }
    }

    /// RETR.
    pub(super) fn retrieve(&mut self, at: &Transport, number: u32) {
        let aheads = self.config().aheads.clone();
        let Some(maildrop) = self.maildrop_mut() else { return self.not_yet(at) };
        let Some(entry) = maildrop.get(number) else { return self.no_such_message(at) };
        let octets = maildrop::octets(entry);
        let is_next = maildrop.is_next(number);
        if let Some(ahead) = &mut maildrop.ahead {
            let taken = ahead.take(number).map(|reply| at.compose(|out| out.push_slice(reply)));
            if ahead.is_empty() {
                maildrop.ahead = None;
            }
            if taken.is_some() {
                return;
            }
        }
        let plan = if is_next { maildrop.plan(number, &aheads) } else { None };
        self.read(at, number, format!("{octets} octets"), None, plan);
    }

    /// TOP.
    pub(super) fn top(&mut self, at: &Transport, number: u32, lines: u64) {
        match self.maildrop().map(|maildrop| maildrop.get(number).is_some()) {
            None => self.not_yet(at),
            Some(false) => self.no_such_message(at),
            Some(true) => self.read(at, number, "Top follows".into(), Some(lines), None),
        }
    }

    /// Reads a message that is there, and what is planned behind it, and sends it behind a reply.
    fn read(&mut self, at: &Transport, number: u32, text: String, lines: Option<u64>, plan: Option<Plan>) {
        let Some(maildrop) = self.maildrop() else { return };
        let planned = plan.iter().flat_map(Plan::entries);
        let entries = maildrop.get(number).cloned().into_iter().chain(planned).collect();
        let read = maildrop.maildir().read(entries, move |files| {
            let file = files.next().unwrap_or_else(|| Err(ErrorKind::NotFound.into()))?;
            let piece = Reading::new(file, lines).piece()?;
            let ahead = plan.filter(|_| piece.rest.is_none()).map(|plan| plan.read(files));
            Ok((piece, ahead))
        });
        self.wait(at, read, move |session, at, read| {
            match read.map_err(Error::from) {
                Ok((piece, ahead)) => {
                    say(at, &Reply::ok(text));
                    if let Some(maildrop) = session.maildrop_mut() {
                        maildrop.ahead = ahead;
                    }
                    session.sent(at, piece);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => session.no_such_message(at),
                Err(error) if error.kind() == ErrorKind::Busy => {
                    session.refuse(
                        at,
                        &Reply::err("Too much to do, try again later").code(ResponseCode::SysTemp),
                    );
                }
                Err(error) => session.refuse(at, &Reply::of(&error.into())),
            }
            Ok(())
        });
    }

    /// Sends on, as far as the client takes it.
    pub(super) fn send_on(&mut self, at: &Transport) {
        while !self.is_waiting() && !at.is_full() && at.is_open() {
            match self.sending.take() {
                None => return,
                Some(Sending::Listing(listing, from)) => {
                    let Some(maildrop) = self.maildrop() else { return };
                    let next = at.compose(|out| listing.write(maildrop, from, out));
                    self.sending = next.map(|next| Sending::Listing(listing, next));
                }
                Some(Sending::Message(reading)) => {
                    let Some(maildrop) = self.maildrop() else { return };
                    let piece = maildrop.maildir().storage().run(move |_| reading.piece());
                    self.wait(at, piece, |session, at, piece: Result<Piece>| {
                        // It has begun, so there is nothing that the client could be told.
                        session.sent(at, piece?);
                        Ok(())
                    });
                }
            }
        }
    }

    fn sent(&mut self, at: &Transport, piece: Piece) {
        at.compose(|out| out.push_vec(piece.text));
        self.sending = piece.rest.map(|rest| Sending::Message(Box::new(rest)));
        self.send_on(at);
    }

    pub(super) fn no_such_message(&mut self, at: &Transport) {
        self.refuse(at, &Reply::err("No such message"));
    }
}

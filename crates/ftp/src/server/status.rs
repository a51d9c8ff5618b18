//! Listings and status: LIST, NLST, MLSD, MLST, STAT.

use super::{
    failure,
    listing::{Asked, Rows, Style, entry},
    session::{Session, refuse, say, say_all},
    source::Source,
    transfer::{About, Job},
};
use crate::{
    Code, Reply,
    command::{Listed, TransferType},
    listing::mlsx,
};
use trenza_core::{Deferred, Transport};
use trenza_storage::{Error, ErrorKind, Storage};

/// So many entries are listed over the control connection, where nobody can be made to wait for who does not read.
const STATUS_MAX: usize = 1000;

impl Session {
    fn asked(&self, text: Option<Vec<u8>>, style: Style) -> Option<(Storage, Asked)> {
        let user = self.user()?;
        let asked = Asked {
            folder: user.folder.clone(),
            text,
            itself: false,
            folders_only: false,
            style,
            rights: user.account.rights,
            sorted: self.config().limits.sorted,
            below: 0,
        };
        Some((user.storage.clone(), asked))
    }

    pub(super) fn list(&mut self, at: &Transport, listed: Listed, names: bool) {
        let style = if names { Style::Names } else { Style::Long(at.reactor().wall()) };
        let Some((storage, asked)) = self.asked(listed.path, style).filter(|_| self.can_transfer(at)) else {
            return;
        };
        let below = if listed.recursive { self.config().limits.recursive } else { 0 };
        self.send_rows(at, storage, Asked { itself: listed.itself, below, ..asked });
    }

    pub(super) fn list_facts(&mut self, at: &Transport, path: Option<&[u8]>) {
        let style = Style::Facts(self.settings.facts);
        let asked = self.asked(path.map(Into::into), style).filter(|_| self.can_transfer(at));
        let Some((storage, asked)) = asked else { return };
        self.send_rows(at, storage, Asked { folders_only: true, ..asked });
    }

    fn send_rows(&mut self, at: &Transport, storage: Storage, asked: Asked) {
        let rows: Deferred<Rows> = at.reactor().spawn(async move { Ok(Rows::find(storage, asked).await?) });
        self.wait(at, rows, |session, at, rows| {
            match rows {
                Ok(rows) => {
                    let about = About { what: "a listing".into(), file: None };
                    session.begin(at, Job::Send(Source::Rows(rows)), about);
                }
                Err(error) => refuse_listing(at, error),
            }
            Ok(())
        });
    }

    pub(super) fn facts(&mut self, at: &Transport, path: Option<&[u8]>) {
        let Some((storage, path)) = self.find(at, path.unwrap_or(b".")) else { return };
        self.wait(at, storage.metadata(&path), move |session, at, metadata| {
            match (metadata, session.user()) {
                (Ok(metadata), Some(user)) => {
                    // RFC 3659 section 7.3: a space before the facts.
                    let mut line = vec![b' '];
                    let name = [b"/", path.as_bytes()].concat();
                    let entry = entry(&name, &metadata, user.account.rights);
                    mlsx::write(&entry, session.settings.facts, &mut line);
                    say_all(at, &Reply::of_lines(Code::FILE_DONE, "Facts:", [line], "End"));
                }
                (Err(error), _) => refuse(at, Error::from(error).kind()),
                (Ok(_), None) => {}
            }
            Ok(())
        });
    }

    pub(super) fn status_of(&mut self, at: &Transport, mut text: Vec<u8>) {
        // Options, which some clients send as if to `ls`, are passed over.
        while text.starts_with(b"-") {
            let word = text.iter().position(|byte| *byte == b' ').map_or(text.len(), |at| at + 1);
            text.drain(..word);
        }
        let text = Some(text).filter(|text| !text.is_empty());
        let Some((storage, asked)) = self.asked(text, Style::Long(at.reactor().wall())) else { return };
        let asked = Asked { sorted: asked.sorted.min(STATUS_MAX), ..asked };
        let lines: Deferred<_> =
            at.reactor().spawn(async move { Ok(Rows::find(storage, asked).await?.lines().await?) });
        self.wait(at, lines, |_, at, lines| {
            match lines {
                Ok((lines, more)) => {
                    let last = if more { "End, though there are more" } else { "End" };
                    say_all(at, &Reply::of_lines(Code::FILE_STATUS, "Status:", lines, last));
                }
                Err(error) => refuse(at, Error::from(error).kind()),
            }
            Ok(())
        });
    }

    pub(super) fn status(&self, at: &Transport) {
        let kind = match self.settings.kind {
            TransferType::Ascii => "A",
            TransferType::Image => "I",
        };
        let mut lines = vec![format!(" Connected from {}", at.peer().remote)];
        match self.user() {
            Some(user) => lines.push(format!(" Logged in as {}", user.account.name)),
            None => lines.push(" Not logged in".into()),
        }
        let cleared = self.clearing.as_ref().is_some_and(|clearing| clearing.get());
        if let Some(secured) = at.peer().secured.as_ref().filter(|_| !cleared) {
            lines.push(format!(" Protected by {}, {}", secured.version, secured.cipher));
        }
        lines.push(format!(" TYPE {kind}, MODE S, STRU F"));
        lines.push(match self.settings.is_private() {
            true => " Data connections are protected".into(),
            false => " Data connections are not protected".into(),
        });
        if let Some(running) = &self.transfer {
            lines.push(format!(" Transfer of {}: {} bytes so far", running.what, running.moved()));
        }
        say_all(at, &Reply::of_lines(Code::STATUS, "Status:", lines, "End"));
    }
}

/// Says why there is no listing. RFC 3659 section 7.2.1: of what is no folder there is none by MLSD, and that is 501.
fn refuse_listing(at: &Transport, error: trenza_core::Error) {
    match Error::from(error).kind() {
        kind @ ErrorKind::NotAFolder => say(at, Code::BAD_ARGUMENT, failure::text(kind)),
        kind => refuse(at, kind),
    }
}

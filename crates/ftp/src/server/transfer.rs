//! Transfers: RETR, STOR, APPE, STOU, and what all that use a data connection have in common.

use super::{
    channel::Channel,
    done::Done,
    failure::{self, Failure},
    log::{Direction, Transfer},
    receiver::{Incoming, Receiver},
    secure::Link,
    sender::Sender,
    session::{Session, refuse, say},
    source::Source,
    waiting::Waiting,
};
use crate::{Code, ascii::Decoder};
use std::time::Duration;
use trenza_core::{Deferred, Transport};
use trenza_storage::{Error, ErrorKind, Path, Storage, Upload, Write};
use trenza_tls::ServerTls;

/// So many names are tried for STOU.
const UNIQUE_TRIES: usize = 16;

/// A transfer that has begun with 150.
pub(super) struct Running {
    /// That of its channel.
    number: u64,
    /// What waits for its data connection; None: that has it.
    waiting: Option<(Job, Done)>,
    data: Option<Transport>,
    /// ABOR came, and wants an answer too.
    aborted: bool,
    /// What it is, for STAT.
    pub(super) what: String,
}

/// What a data connection is for.
pub(super) enum Job {
    Send(Source),
    Receive(Incoming),
}

/// What the log will be told, and the client with 150.
pub(super) struct About {
    pub(super) what: String,
    pub(super) file: Option<(Path, Direction, u64)>,
}

impl Running {
    /// Its data connection is there, or waited for.
    pub(super) fn is_moving(&self) -> bool {
        self.waiting.is_some() || self.data.as_ref().is_some_and(Transport::is_open)
    }

    /// How many bytes went over the data connection so far.
    pub(super) fn moved(&self) -> u64 {
        let counts = self.data.as_ref().map(Transport::counts);
        counts.map_or(0, |counts| counts.sent.max(counts.received))
    }
}

impl Session {
    /// Whether a transfer can begin, as far as is known now; else the client is told.
    pub(super) fn can_transfer(&self, at: &Transport) -> bool {
        if self.config().tls_required && !self.settings.is_private() {
            // RFC 4217 section 9.
            say(at, Code::PROTECTION_NEEDED, "Protect data connections first, with PROT P");
            return false;
        }
        let channel = !matches!(self.channel, Channel::None);
        if !channel {
            say(at, Code::NO_DATA_CONNECTION, "Say where data go first, with PASV, EPSV, PORT or EPRT");
        }
        channel
    }

    /// The path that `text` stands for, and the storage it is in; else the client is told.
    pub(super) fn find(&self, at: &Transport, text: &[u8]) -> Option<(Storage, Path)> {
        let user = self.user()?;
        match user.folder.resolve(text) {
            Ok(path) => Some((user.storage.clone(), path)),
            Err(error) => {
                say(at, Code::NAME_NOT_ALLOWED, failure::text(error.kind()));
                None
            }
        }
    }

    pub(super) fn retrieve(&mut self, at: &Transport, text: &[u8], restart: u64) {
        self.settings.restart = 0;
        let Some((storage, path)) = self.find(at, text).filter(|_| self.can_transfer(at)) else { return };
        let ascii = self.settings.is_ascii();
        self.wait(at, storage.open(&path), move |session, at, file| {
            let file = match file {
                Ok(file) => file,
                Err(error) => {
                    refuse(at, Error::from(error).kind());
                    return Ok(());
                }
            };
            let size = file.opened().size;
            if !ascii && restart > size {
                refuse(at, ErrorKind::Range);
                return Ok(());
            }
            let what = match ascii {
                true => format!("{path} as text"),
                false => format!("{path} ({} bytes)", size - restart),
            };
            let source = match ascii {
                true => Source::Text { file, skip: restart },
                false => Source::Bytes { file, from: restart },
            };
            let file = Some((path, Direction::Download, restart));
            session.begin(at, Job::Send(source), About { what, file });
            Ok(())
        });
    }

    pub(super) fn store(&mut self, at: &Transport, text: &[u8], restart: u64) {
        self.settings.restart = 0;
        if restart > 0 && self.settings.is_ascii() {
            // Where the byte is in a file whose lines end otherwise cannot be said.
            return say(at, Code::BAD_PARAMETER, "REST before STOR needs TYPE I");
        }
        let how = if restart > 0 { Write::At(restart) } else { Write::Replace };
        self.receive(at, text, how, restart);
    }

    pub(super) fn append(&mut self, at: &Transport, text: &[u8]) {
        self.settings.restart = 0;
        self.receive(at, text, Write::Append, 0);
    }

    fn receive(&mut self, at: &Transport, text: &[u8], how: Write, offset: u64) {
        let Some((storage, path)) = self.find(at, text).filter(|_| self.can_transfer(at)) else { return };
        let upload = storage.upload(&path, how);
        self.wait(at, upload, move |session, at, upload| {
            match upload {
                Ok(upload) => session.take_in(at, upload, path, offset, None),
                Err(error) => refuse_storing(at, error),
            }
            Ok(())
        });
    }

    /// RFC 959 section 4.1.3, RFC 1123 section 4.1.2.9.
    pub(super) fn store_unique(&mut self, at: &Transport) {
        let Some((storage, folder)) = self.find(at, b".").filter(|_| self.can_transfer(at)) else { return };
        let reactor = at.reactor().clone();
        let upload: Deferred<(Upload, Path)> = at.reactor().spawn(async move {
            let mut tries = 0;
            loop {
                let mut random = [0; 4];
                reactor.random(&mut random);
                let path = folder.join(format!("upload-{:08x}", u32::from_le_bytes(random)))?;
                match storage.upload(&path, Write::New).await.map_err(Error::from) {
                    Ok(upload) => return Ok((upload, path)),
                    Err(error) if error.kind() == ErrorKind::Exists && tries < UNIQUE_TRIES => tries += 1,
                    Err(error) => return Err(error.into()),
                }
            }
        });
        self.wait(at, upload, move |session, at, upload| {
            match upload {
                Ok((upload, path)) => {
                    let name = path.name().unwrap_or_default().to_vec();
                    session.take_in(at, upload, path, 0, Some(name));
                }
                Err(error) => refuse_storing(at, error),
            }
            Ok(())
        });
    }

    fn take_in(&mut self, at: &Transport, upload: Upload, path: Path, offset: u64, name: Option<Vec<u8>>) {
        let config = self.config();
        let decoder = self.settings.is_ascii().then(Decoder::new);
        let incoming = Incoming { upload, decoder, keep: config.keep_partial, sync: config.sync };
        let what = match name {
            Some(name) => format!("FILE: {}", String::from_utf8_lossy(&name)),
            None => path.to_string(),
        };
        let file = Some((path, Direction::Upload, offset));
        self.begin(at, Job::Receive(incoming), About { what, file });
    }

    /// Says 150, and gives the job to the data connection as soon as there is one.
    pub(super) fn begin(&mut self, at: &Transport, job: Job, about: About) {
        let number = match &self.channel {
            Channel::Passive(passive) => passive.number,
            Channel::Active(_) => self.number(),
            Channel::None => {
                let (code, text) = Failure::NoConnection.reply();
                return say(at, code, text);
            }
        };
        let text = match &about.what {
            what if what.starts_with("FILE: ") => what.clone(),
            what => format!("Opening a data connection for {what}"),
        };
        say(at, Code::OPENING_DATA, text);
        let done = Done::new(at.handle(), number, self.record(at, about.file));
        let waiting = Some((job, done));
        self.transfer = Some(Running { number, waiting, data: None, aborted: false, what: about.what });
        match std::mem::take(&mut self.channel) {
            Channel::Active(to) => self.connect(at, number, to),
            Channel::Passive(passive) => match &passive.data {
                Some(data) => self.connected(at, number, data),
                None => {
                    self.channel = Channel::Passive(passive);
                    self.extend(at);
                }
            },
            Channel::None => {}
        }
    }

    fn record(
        &self,
        at: &Transport,
        file: Option<(Path, Direction, u64)>,
    ) -> Option<(Transfer, std::sync::Arc<dyn super::log::TransferLog>)> {
        let (log, (path, direction, offset)) = self.config().log.clone().zip(file)?;
        let transfer = Transfer {
            at: at.reactor().wall(),
            took: Duration::ZERO,
            account: self.user()?.account.name.clone(),
            address: at.peer().remote.ip(),
            path,
            direction,
            offset,
            bytes: 0,
            ascii: self.settings.is_ascii(),
            secured: self.settings.is_private(),
            failure: None,
        };
        Some((transfer, log))
    }

    fn connect(&self, at: &Transport, number: u64, to: std::net::SocketAddr) {
        let (endpoint, handle) = (self.dial(at, to), at.handle());
        let wait = self.config().limits.data_wait;
        let data = at.reactor().connect(endpoint, move |_| Waiting::active(handle, wait));
        data.then_in(at.handle::<Self>(), move |session, at, data| {
            match data {
                Ok(data) => session.connected(at, number, &data),
                Err(_) => session.no_connection(number),
            }
            Ok(())
        });
    }

    /// The data connection is there.
    pub(super) fn connected(&mut self, at: &Transport, number: u64, data: &Transport) {
        let config = self.config();
        let link = |tls: &Option<ServerTls>| Link {
            tls: tls.clone().filter(|_| self.settings.is_private()),
            control: at.peer(),
            reuse: config.tls_reuse_required,
            truncated: config.tls_truncated,
            idle: config.limits.data_idle,
        };
        let (sending, receiving) = (link(&config.tls), link(&config.tls_uploads));
        let Some(user) = self.user() else { return data.abort() };
        let (storage, pipes) = (user.storage.clone(), user.pipes.clone());
        let Some(running) = self.transfer.as_mut().filter(|running| running.number == number) else {
            return data.abort();
        };
        let Some((job, done)) = running.waiting.take() else { return data.abort() };
        running.data = Some(data.clone());
        match job {
            Job::Send(source) => {
                data.set_rate_out(pipes.output.as_ref());
                data.switch_to(Sender::new(source, storage, sending, done));
            }
            Job::Receive(incoming) => {
                data.set_rate_in(pipes.input.as_ref());
                data.switch_to(Receiver::new(incoming, receiving, done));
            }
        }
    }

    /// It will never be there.
    pub(super) fn no_connection(&mut self, number: u64) {
        if self.transfer.as_ref().is_some_and(|running| running.number == number) {
            self.break_off(Failure::NoConnection);
        }
    }

    /// Ends the transfer that goes on. How it ended comes by [`Session::finished`].
    pub(super) fn break_off(&mut self, failure: Failure) {
        let Some(running) = &mut self.transfer else { return };
        if let Some((_, done)) = running.waiting.take() {
            done.tell(0, Err(failure));
        }
        if let Some(data) = &running.data {
            data.abort();
        }
    }

    pub(super) fn abort_transfer(&mut self, at: &Transport) {
        match &mut self.transfer {
            Some(running) => running.aborted = true,
            None => {
                std::mem::take(&mut self.channel).close();
                return say(at, Code::DATA_OPEN, "There is no transfer to abort");
            }
        }
        self.break_off(Failure::Aborted);
        std::mem::take(&mut self.channel).close();
    }

    /// A transfer is over.
    pub(super) fn finished(&mut self, at: &Transport, number: u64, result: Result<(), Failure>) {
        let Some(running) = self.transfer.take_if(|running| running.number == number) else { return };
        match result {
            Ok(()) => say(at, Code::TRANSFER_DONE, "The transfer is complete"),
            Err(failure) => {
                let (code, text) = failure.reply();
                say(at, code, text);
            }
        }
        if running.aborted {
            say(at, Code::TRANSFER_DONE, "ABOR is done");
        }
        // The time in which the client may be silent begins here.
        at.set_timeout(Some(self.config().limits.idle));
        self.go_on(at);
    }
}

/// Says why a file cannot be stored.
pub(super) fn refuse_storing(at: &Transport, error: trenza_core::Error) {
    let kind = Error::from(error).kind();
    say(at, failure::storing(kind), failure::text(kind));
}

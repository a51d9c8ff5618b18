//! A server that follows a script: what it can do, what it says of whom, and at each step what a test wants it to do.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};
use trenza_core::{IntoEndpoint, Reactor, Result, Stream};
use trenza_mail::smtp::{
    Command, Rcpt,
    command::Reader,
    data::{Decoder, Piece},
};
use trenza_tls::{ServerTls, StartTls};

/// What a server does at one step instead of what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trick {
    /// Waits so long before it answers.
    Delay(Duration),
    /// Resets the connection.
    Reset,
    /// Closes the connection.
    Close,
    /// Says this instead, and goes on as if it had said what it should.
    Say(String),
    /// Says this and closes.
    Last(&'static str),
    /// Says what it should byte by byte, one a second.
    Dribble,
    /// Reads no more.
    Stall,
}

/// What a server can do and has done.
#[derive(Default)]
pub(crate) struct Script {
    /// What it says to EHLO behind its name.
    pub(crate) extensions: Vec<&'static str>,
    /// It knows no EHLO.
    pub(crate) old: bool,
    pub(crate) lmtp: bool,
    pub(crate) tls: Option<ServerTls>,
    /// What it says of recipients, by their local parts.
    pub(crate) recipients: BTreeMap<&'static str, &'static str>,
    /// How many recipients of a message it takes; 0: any number.
    pub(crate) recipients_max: usize,
    /// What it says of messages in the end, of LMTP by local parts.
    pub(crate) ends: BTreeMap<&'static str, &'static str>,
    /// What it says to DATA, and waits for no message.
    pub(crate) no_data: Option<&'static str>,
    /// It says 354 to DATA although there is nobody who gets it.
    pub(crate) eager: bool,
    /// Instead of answering the command of this verb, once for each entry. The end of a message is `.`, a connection `*`.
    pub(crate) tricks: Vec<(&'static str, Trick)>,
    /// The commands that came, as they were said.
    pub(crate) heard: Vec<String>,
    pub(crate) messages: Vec<Taken>,
    pub(crate) sessions: usize,
}

/// A message that it has answered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) recipients: Vec<String>,
    pub(crate) text: Vec<u8>,
}

pub(crate) type Shared = Rc<RefCell<Script>>;

pub(crate) fn serve(reactor: &Reactor, on: impl IntoEndpoint, script: &Shared) -> Result {
    let script = script.clone();
    reactor
        .serve(on, move |stream| {
            script.borrow_mut().sessions += 1;
            let session = Session {
                stream,
                script: script.clone(),
                reader: Reader::new(),
                to: Vec::new(),
                text: Vec::new(),
            };
            session.run()
        })
        .map(drop)
}

struct Session {
    stream: Stream,
    script: Shared,
    reader: Reader,
    to: Vec<String>,
    text: Vec<u8>,
}

impl Session {
    async fn run(mut self) -> Result {
        let name = if self.script.borrow().lmtp { "220 srv LMTP\r\n" } else { "220 srv ESMTP\r\n" };
        if !self.answer("*", name).await? {
            return Ok(());
        }
        loop {
            let reader = &mut self.reader;
            let parse = |input: &mut trenza_core::Input<'_>| {
                reader.next::<Command>(input).map_err(|violation| format!("{violation:?}").into())
            };
            let Some(command) = self.stream.next(parse).await? else { return self.stream.close().await };
            let mut out = trenza_core::OutBuf::new();
            command.write(&mut out);
            let said = String::from_utf8(out.to_vec()?)?.trim_end().to_owned();
            self.script.borrow_mut().heard.push(said);
            if !self.obey(command).await? {
                return Ok(());
            }
        }
    }

    /// False: it is over.
    async fn obey(&mut self, command: Command) -> Result<bool> {
        match command {
            Command::Ehlo(_) | Command::Lhlo(_) => {
                let mut lines = vec!["srv"];
                lines.extend(self.script.borrow().extensions.iter());
                let old = self.script.borrow().old;
                let last = lines.len() - 1;
                let mark = |at| if at == last { ' ' } else { '-' };
                let text: String =
                    lines.iter().enumerate().map(|(at, line)| format!("250{}{line}\r\n", mark(at))).collect();
                self.answer("EHLO", if old { "502 what?\r\n" } else { &text }).await
            }
            Command::Helo(_) => self.answer("HELO", "250 srv\r\n").await,
            Command::Mail(_) => {
                (self.to, self.text) = (Vec::new(), Vec::new());
                self.answer("MAIL", "250 2.1.0 fine\r\n").await
            }
            Command::Rcpt(rcpt) => self.rcpt(&rcpt).await,
            Command::Data => self.data().await,
            Command::Bdat { size, last } => self.bdat(usize::try_from(size)?, last).await,
            Command::StartTls => {
                let goes_on = self.answer("STARTTLS", "220 2.0.0 go\r\n").await?;
                let tls = self.script.borrow().tls.clone();
                if let Some(tls) = tls {
                    self.stream.transport().start_tls(&tls)?;
                }
                Ok(goes_on)
            }
            Command::Rset => {
                self.to.clear();
                self.answer("RSET", "250 2.0.0 fine\r\n").await
            }
            Command::Noop => self.answer("NOOP", "250 2.0.0 fine\r\n").await,
            Command::Quit => {
                self.answer("QUIT", "221 2.0.0 bye\r\n").await?;
                self.stream.close_write();
                Ok(false)
            }
            _ => self.answer("?", "502 5.5.1 what?\r\n").await,
        }
    }

    async fn rcpt(&mut self, rcpt: &Rcpt) -> Result<bool> {
        let name = rcpt.to.mailbox().map_or("postmaster", |mailbox| mailbox.local()).to_owned();
        let mut refusal = self.script.borrow().recipients.get(&*name).copied();
        let max = self.script.borrow().recipients_max;
        if max > 0 && self.to.len() >= max {
            refusal = Some("452 4.5.3 too many");
        }
        if refusal.is_none() {
            self.to.push(name);
        }
        self.answer("RCPT", &format!("{}\r\n", refusal.unwrap_or("250 2.1.5 fine"))).await
    }

    async fn data(&mut self) -> Result<bool> {
        let refusal = self.script.borrow().no_data;
        if let Some(refusal) = refusal {
            return self.answer("DATA", refusal).await;
        }
        if self.to.is_empty() && !self.script.borrow().eager {
            return self.answer("DATA", "554 5.5.1 nobody\r\n").await;
        }
        if !self.answer("DATA", "354 go\r\n").await? {
            return Ok(false);
        }
        self.text().await
    }

    async fn bdat(&mut self, size: usize, last: bool) -> Result<bool> {
        let mut left = size;
        while left > 0 {
            let part = self.stream.next(|input| Ok(Some(input.up_to(left).to_vec()))).await?;
            let Some(part) = part else { return Ok(false) };
            left -= part.len();
            self.text.extend(part);
        }
        if last { self.end().await } else { self.answer("BDAT", "250 2.0.0 more\r\n").await }
    }

    async fn text(&mut self) -> Result<bool> {
        let mut decoder = Decoder::new();
        loop {
            let decode = |input: &mut trenza_core::Input<'_>| {
                let piece = decoder.next(input).map_err(|_| "a bare CR or LF")?;
                Ok(piece.map(|piece| match piece {
                    Piece::Bytes(bytes) => Some(bytes.to_vec()),
                    Piece::End => None,
                }))
            };
            match self.stream.next(decode).await? {
                Some(Some(bytes)) => self.text.extend(bytes),
                Some(None) => return self.end().await,
                None => return Ok(false),
            }
        }
    }

    /// A message is whole.
    async fn end(&mut self) -> Result<bool> {
        let (lmtp, ends) = (self.script.borrow().lmtp, self.script.borrow().ends.clone());
        let of = |name: &str| format!("{}\r\n", ends.get(name).unwrap_or(&"250 2.0.0 taken"));
        let replies = if lmtp { self.to.iter().map(|name| of(name)).collect() } else { vec![of("*")] };
        let taken = |(name, reply): (&String, &String)| reply.starts_with('2').then(|| name.clone());
        let recipients: Vec<String> = match lmtp {
            true => self.to.iter().zip(&replies).filter_map(taken).collect(),
            false if replies[0].starts_with('2') => self.to.clone(),
            false => Vec::new(),
        };
        if !recipients.is_empty() {
            let text = self.text.clone();
            self.script.borrow_mut().messages.push(Taken { recipients, text });
        }
        self.to.clear();
        for reply in replies {
            if !self.answer(".", &reply).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Answers, or does a trick; false: it is over.
    async fn answer(&mut self, verb: &str, reply: &str) -> Result<bool> {
        let trick = {
            let tricks = &mut self.script.borrow_mut().tricks;
            tricks.iter().position(|(of, _)| *of == verb).map(|at| tricks.remove(at).1)
        };
        let reactor = self.stream.transport().reactor().clone();
        match trick {
            None => self.stream.write_all(reply.as_bytes()).await?,
            Some(Trick::Delay(delay)) => {
                reactor.sleep(delay).await;
                self.stream.write_all(reply.as_bytes()).await?;
            }
            Some(Trick::Reset) => {
                self.stream.transport().abort();
                return Ok(false);
            }
            Some(Trick::Close) => {
                self.stream.close_write();
                return Ok(false);
            }
            Some(Trick::Say(text)) => self.stream.write_all(text.as_bytes()).await?,
            Some(Trick::Last(text)) => {
                self.stream.write_all(text.as_bytes()).await?;
                self.stream.close_write();
                return Ok(false);
            }
            Some(Trick::Dribble) => {
                for byte in reply.bytes() {
                    self.stream.write_all(&[byte]).await?;
                    reactor.sleep(Duration::from_secs(1)).await;
                }
            }
            Some(Trick::Stall) => {
                self.stream.transport().pause();
                reactor.sleep(Duration::from_secs(100_000)).await;
            }
        }
        Ok(true)
    }
}

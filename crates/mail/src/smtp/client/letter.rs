//! A message on its way: [`Client::send`].
//!
//! ```text
//!  RSET?  MAIL  RCPT RCPT RCPT  DATA ──▶       in one flight where the server has PIPELINING (RFC 2920)
//!                                    ◀── a reply to each
//!  message, a line with a dot ──▶             or chunks of BDAT (RFC 3030)
//!                             ◀── one reply; of LMTP one for each recipient that was accepted
//! ```

use super::{Cause, Client, ClientError, Lack, Source, Step};
use crate::smtp::{Body, Code, Command, Mail, Rcpt, Reply};
use std::collections::VecDeque;

/// The most commands that are said before their replies are read.
const FLIGHT_MAX: usize = 100;

/// What came of a message for one recipient: the reply that took it, or why it was not taken.
type Fate = Result<Reply, ClientError>;

/// What is known of a message that is being sent.
pub(super) struct Letter {
    /// Of each recipient; None: nothing yet.
    pub(super) fates: Vec<Option<Fate>>,
    /// The recipients that the server has accepted, in their order.
    pub(super) accepted: Vec<usize>,
    /// Why the message cannot be sent at all, or its text may not follow.
    refusal: Option<ClientError>,
    /// The server waits for the message.
    started: bool,
}

impl Letter {
    /// What came of it for all of whom nothing else is known.
    pub(super) fn settle(&mut self, fate: &Fate) {
        self.fates.iter_mut().filter(|known| known.is_none()).for_each(|known| *known = Some(fate.clone()));
    }
}

/// A command that was said and not answered yet.
enum Asked {
    Rset,
    Mail,
    Rcpt(usize),
    Data,
}

impl Client {
    /// Sends a message: what came of it for each recipient, in their order.
    ///
    /// It never fails as a whole: what concerns all recipients, as the end of the connection, is told for each that
    /// nothing was known of before. A recipient that was accepted has its message when the reply is here, and not before;
    /// when the connection ends in between, nobody knows, and the message has to be sent again.
    ///
    /// Of what the message needs (SMTPUTF8, 8BITMIME, a size) all is looked at before anything is said. What is only a wish,
    /// as the parameters of DSN, is left out where the server does not know it.
    pub async fn send(&mut self, mail: &Mail, recipients: &[Rcpt], message: impl Source) -> Vec<Fate> {
        let mut letter = Letter {
            fates: vec![None; recipients.len()],
            accepted: Vec::new(),
            refusal: None,
            started: false,
        };
        if let Err(error) = self.deliver(mail, recipients, message, &mut letter).await {
            letter.settle(&Err(error));
        }
        letter.fates.into_iter().flatten().collect()
    }

    /// Sends it, until each recipient has a fate. An error is the fate of those who have none.
    async fn deliver(
        &mut self,
        mail: &Mail,
        recipients: &[Rcpt],
        message: impl Source,
        letter: &mut Letter,
    ) -> Result<(), ClientError> {
        self.dialogue.check(Step::Mail).await?;
        let mail = self.fitted(mail, &message)?;
        let mut named = Vec::with_capacity(recipients.len());
        for (at, (rcpt, fate)) in recipients.iter().zip(&mut letter.fates).enumerate() {
            match self.fitted_rcpt(rcpt, mail.utf8) {
                Ok(rcpt) => named.push((at, rcpt)),
                Err(error) => *fate = Some(Err(error)),
            }
        }
        if named.is_empty() {
            return Ok(());
        }
        let binary = mail.body == Some(Body::Binary);
        let large = mail.size.is_some_and(|size| size >= self.options.limits.chunking);
        let chunked = binary || large && self.extensions.has("CHUNKING");
        self.address(mail, named, !chunked, letter).await?;
        let refusal = letter.refusal.take();
        if letter.started && (refusal.is_some() || letter.accepted.is_empty()) {
            self.send_nothing().await?;
        }
        if let Some(error) = refusal {
            return Err(error);
        }
        if letter.accepted.is_empty() {
            return Ok(());
        }
        if chunked {
            self.send_chunks(message, binary).await?;
        } else {
            self.send_text(message).await?;
        }
        self.end(letter).await
    }

    /// MAIL as this server can be told it.
    fn fitted(&self, mail: &Mail, message: &impl Source) -> Result<Mail, ClientError> {
        let lacks = |lack| Err(self.dialogue.error(Step::Mail, Cause::Lacks(lack)));
        let has = |keyword| self.extensions.has(keyword);
        let mut mail = mail.clone();
        mail.size = message.size().or(mail.size);
        mail.body = mail.body.or_else(|| message.body());
        mail.utf8 |= mail.sender.as_ref().is_some_and(|sender| !sender.is_ascii());
        if mail.utf8 && !has("SMTPUTF8") {
            return lacks(Lack::Utf8);
        }
        match mail.body {
            Some(Body::EightBit) if !has("8BITMIME") => return lacks(Lack::EightBit),
            Some(Body::Binary) if !(has("BINARYMIME") && has("CHUNKING")) => return lacks(Lack::Binary),
            // It is what there is without a word.
            Some(Body::SevenBit) => mail.body = None,
            _ => {}
        }
        match (mail.size, self.extensions.size_max()) {
            (Some(size), Some(max)) if size > max => return lacks(Lack::Size(max)),
            _ => {}
        }
        if !has("DSN") {
            (mail.ret, mail.envid) = (None, None);
        }
        if !self.logged_in {
            mail.auth = None;
        }
        Ok(mail)
    }

    /// The same of RCPT.
    fn fitted_rcpt(&self, rcpt: &Rcpt, utf8: bool) -> Result<Rcpt, ClientError> {
        if !rcpt.to.is_ascii() && !utf8 {
            return Err(self.dialogue.error(Step::Rcpt, Cause::Lacks(Lack::Utf8)));
        }
        let mut rcpt = rcpt.clone();
        if !self.extensions.has("DSN") {
            (rcpt.notify, rcpt.original) = (None, None);
        }
        Ok(rcpt)
    }

    /// Says who the message is from and goes to, up to DATA if that is wished.
    async fn address(
        &mut self,
        mail: Mail,
        named: Vec<(usize, Rcpt)>,
        with_data: bool,
        letter: &mut Letter,
    ) -> Result<(), ClientError> {
        let most = if self.extensions.has("PIPELINING") { FLIGHT_MAX } else { 1 };
        let mut mail = mail;
        // SIZE is said to those only who know it.
        mail.size = mail.size.filter(|_| self.extensions.has("SIZE"));
        let forget = self.begun.then_some((Asked::Rset, Command::Rset));
        let recipients = named.into_iter().map(|(at, rcpt)| (Asked::Rcpt(at), Command::Rcpt(rcpt)));
        let data = with_data.then_some((Asked::Data, Command::Data));
        let all =
            forget.into_iter().chain([(Asked::Mail, Command::Mail(mail))]).chain(recipients).chain(data);
        let mut all = all.peekable();
        let mut flight = VecDeque::new();
        while let Some((asked, command)) = all.next() {
            self.begun = true;
            self.dialogue.say(&command);
            flight.push_back(asked);
            if flight.len() < most && all.peek().is_some() {
                continue;
            }
            while let Some(asked) = flight.pop_front() {
                self.answered(&asked, letter).await?;
            }
            let at_data = matches!(all.peek(), Some((Asked::Data, _)));
            if letter.refusal.is_some() || at_data && letter.accepted.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Takes the reply to a command.
    async fn answered(&mut self, asked: &Asked, letter: &mut Letter) -> Result<(), ClientError> {
        let limits = &self.options.limits;
        let (step, limit) = match asked {
            Asked::Rset => (Step::Rset, limits.command),
            Asked::Mail => (Step::Mail, limits.mail),
            Asked::Rcpt(_) => (Step::Rcpt, limits.rcpt),
            Asked::Data => (Step::Data, limits.data),
        };
        let reply = self.dialogue.reply(step, limit).await?;
        if let Asked::Data = asked {
            if reply.code() == Code::START_MESSAGE {
                letter.started = true;
                return Ok(());
            }
            if reply.code().is_success() {
                let cause = Cause::Protocol("the server has a message before it was sent");
                return Err(self.dialogue.give_up(step, cause));
            }
        }
        let done = self.dialogue.done(step, reply);
        match (asked, done) {
            (Asked::Rset, done) => done.map(drop)?,
            (Asked::Mail | Asked::Data, Err(error)) => _ = letter.refusal.get_or_insert(error),
            (Asked::Mail | Asked::Data, Ok(_)) => {}
            (Asked::Rcpt(at), Ok(_)) => letter.accepted.push(*at),
            (Asked::Rcpt(at), Err(error)) => {
                if let Some(fate) = letter.fates.get_mut(*at).filter(|_| letter.refusal.is_none()) {
                    *fate = Some(Err(error));
                }
            }
        }
        Ok(())
    }
}

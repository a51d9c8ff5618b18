//! [`Logged`]: a delivery that tells what came of each message.

use super::{Answer, Client, Delivery, Envelope, Message, Outcome, Record};
use crate::smtp::{Mail, Rcpt, Reply};
use std::{fmt, rc::Rc, time::Instant};
use trenza_core::{Deferred, Reactor};

/// Who is told. It is on the loop, so it must not block.
type Log = Rc<dyn Fn(&Record)>;

/// A delivery that tells what came of each message, and of each recipient and sender that it has refused; what the server
/// refuses by itself it never sees.
///
/// ```
/// # use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};
/// use trenza_mail::{local::{Exchange, Local}, maildir::Mailstore, smtp::{SmtpServer, server::Logged}};
/// # use trenza_storage::Storage;
///
/// # let net = trenza_sim::Net::gentle(1);
/// # let (host, lines) = (net.host("mx"), Rc::new(RefCell::new(Vec::new())));
/// # let (disk, told) = (host.disk(), lines.clone());
/// # let ann = Arc::new(trenza_auth::Account::new("ann"));
/// # let local = Local::new(["example.org"], BTreeMap::from([("ann".to_owned(), ann)]));
/// # host.run(|reactor| {
/// let exchange = Exchange::new(local, Mailstore::new(&Storage::new(reactor, disk), "mx"));
/// let delivery = Logged::new(reactor, exchange, move |record| told.borrow_mut().push(record.text()));
/// let server = SmtpServer::reception("mx.example.org", ["example.org"]).on(delivery);
/// # reactor.listen_with("tcp:25", server).map(drop)
/// # })?;
/// # let client = net.host("cli").probe("tcp:mx:25");
/// # client.send("EHLO cli\r\nMAIL FROM:<b@c>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nHello!\r\n.\r\n");
/// # net.run();
/// # let lines = lines.borrow();
/// # assert!(lines[0].ends_with("<b@c> <bob@example.org> 0 failed: 550 5.1.1 No such user here"), "{lines:?}");
/// # assert!(lines[1].ends_with(" ok"), "{lines:?}");
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub struct Logged<D> {
    delivery: D,
    teller: Teller,
}

#[derive(Clone)]
struct Teller {
    reactor: Reactor,
    log: Log,
}

impl<D: Delivery> Logged<D> {
    /// Tells `log` what becomes of what `delivery` gets. It is called on the loop, so it must not block.
    pub fn new(reactor: &Reactor, delivery: D, log: impl Fn(&Record) + 'static) -> Self {
        Self { delivery, teller: Teller { reactor: reactor.clone(), log: Rc::new(log) } }
    }
}

impl Teller {
    /// Tells why a message never came.
    fn refused(&self, client: &Client, mail: &Mail, to: Option<&Rcpt>, reply: &Reply) {
        let envelope = Envelope {
            id: String::new(),
            client: client.clone(),
            mail: mail.clone(),
            recipients: to.cloned().into_iter().collect(),
        };
        let mut record = Record::new(&envelope, self.reactor.wall());
        record.failed(reply);
        (self.log)(&record);
    }

    /// Tells of a refusal, now or later.
    fn told(&self, answer: Answer, client: &Client, mail: &Mail, to: Option<&Rcpt>) -> Answer {
        match answer {
            Answer::Accept => Answer::Accept,
            Answer::Refuse(reply) => {
                self.refused(client, mail, to, &reply);
                Answer::Refuse(reply)
            }
            Answer::Later(later) => {
                let (deferred, resolver) = self.reactor.deferred();
                let (teller, client, mail, to) = (self.clone(), client.clone(), mail.clone(), to.cloned());
                later.then(move |answer| {
                    resolver.fire(answer.map_err(|error| {
                        let reply = Reply::of(&error);
                        teller.refused(&client, &mail, to.as_ref(), &reply);
                        reply.into()
                    }));
                });
                Answer::Later(deferred)
            }
        }
    }
}

impl<D: Delivery> Delivery for Logged<D> {
    fn session(&self, client: &Client) -> Answer {
        self.delivery.session(client)
    }

    fn sender(&self, client: &Client, mail: &Mail) -> Answer {
        self.teller.told(self.delivery.sender(client, mail), client, mail, None)
    }

    fn recipient(&self, client: &Client, mail: &Mail, to: &Rcpt) -> Answer {
        self.teller.told(self.delivery.recipient(client, mail, to), client, mail, Some(to))
    }

    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        let began = self.teller.reactor.now();
        let record = Record::new(&envelope, self.teller.reactor.wall());
        let mut story = Story { teller: self.teller.clone(), began, record: Some(Box::new(record)) };
        let (deferred, resolver) = self.teller.reactor.deferred();
        self.delivery.message(envelope).then(move |message| {
            resolver.fire(match message {
                Ok(inner) => Ok(Box::new(Told { inner, story }) as Box<dyn Message>),
                Err(error) => {
                    let reply = Reply::of(&error);
                    story.end(Err(&reply));
                    Err(reply.into())
                }
            });
        });
        deferred
    }
}

/// What is to be told of a message; when it is dropped, that it broke off.
struct Story {
    teller: Teller,
    began: Instant,
    record: Option<Box<Record>>,
}

impl Story {
    fn end(&mut self, outcome: Result<&Outcome, &Reply>) {
        let Some(mut record) = self.record.take() else { return };
        match outcome {
            Ok(Outcome::Accepted) => {}
            Ok(Outcome::Each(each)) => {
                each.iter().filter_map(|one| one.as_ref().err()).for_each(|reply| record.failed(reply))
            }
            Err(reply) => record.failed(reply),
        }
        self.tell(record);
    }

    fn tell(&self, mut record: Box<Record>) {
        record.took = self.teller.reactor.now().saturating_duration_since(self.began);
        (self.teller.log)(&record);
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record
                .failure
                .get_or_insert_with(|| "it was refused, or the client hung up, before it was whole".into());
            self.tell(record);
        }
    }
}

/// A message that is told of.
struct Told {
    inner: Box<dyn Message>,
    story: Story,
}

impl Message for Told {
    fn push(&mut self, bytes: &[u8]) {
        if let Some(record) = &mut self.story.record {
            record.bytes += bytes.len() as u64;
        }
        self.inner.push(bytes);
    }

    fn is_full(&self) -> bool {
        self.inner.is_full()
    }

    fn room(&self) -> Option<Deferred<()>> {
        self.inner.room()
    }

    fn finish(self: Box<Self>) -> Deferred<Outcome> {
        let Self { inner, mut story } = *self;
        let (deferred, resolver) = story.teller.reactor.deferred();
        inner.finish().then(move |outcome| {
            resolver.fire(match outcome {
                Ok(outcome) => {
                    story.end(Ok(&outcome));
                    Ok(outcome)
                }
                Err(error) => {
                    let reply = Reply::of(&error);
                    story.end(Err(&reply));
                    Err(reply.into())
                }
            });
        });
        deferred
    }
}

impl<D: Clone> Clone for Logged<D> {
    fn clone(&self) -> Self {
        Self { delivery: self.delivery.clone(), teller: self.teller.clone() }
    }
}

impl<D: fmt::Debug> fmt::Debug for Logged<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logged").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

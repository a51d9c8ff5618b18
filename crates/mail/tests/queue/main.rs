//! The queue in the simulator, with a carrier that does as a test says, on a disk that fails and crashes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod crashes;
mod faults;
mod forgetful;
mod order;
mod reports;
mod requests;
mod room;
mod smtp;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};
use trenza_core::Reactor;
use trenza_mail::{
    queue::{Carried, Carrier, Carrying, Fate, Parcel, Queue, QueueOptions, Schedule, Spool},
    smtp::{
        Code, Mail, Mailbox, Rcpt, Recipient, Reply, Status,
        server::{Message, Outcome},
    },
};
use trenza_sim::{HostHandle, Net};
use trenza_storage::Tree;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a carrier was given, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    to: String,
    text: String,
    sender: Option<String>,
    /// Since the start.
    at: Duration,
}

/// The other side: it outlives crashes.
#[derive(Clone)]
struct Others(Rc<World>);

struct World {
    /// When it began.
    start: SystemTime,
    /// What was delivered.
    got: RefCell<Vec<Got>>,
    /// All tries, delivered or not: to whom and when.
    tried: RefCell<Vec<(String, Duration)>>,
    /// How many parcels are under way, to which destination.
    under_way: RefCell<Vec<String>>,
    most: Cell<usize>,
    judge: RefCell<Judge>,
    /// Whose destination makes it panic.
    panics_at: Cell<&'static str>,
    /// The power has failed: nobody delivers anything.
    is_dark: Rc<dyn Fn() -> bool>,
}

/// What the other side says to a recipient, and how long it takes.
type Judge = Box<dyn FnMut(&str) -> (Duration, Fate)>;

impl Others {
    fn new(host: &HostHandle, judge: impl FnMut(&str) -> (Duration, Fate) + 'static) -> Self {
        Self::in_the_dark(host, || false, judge)
    }

    fn in_the_dark(
        host: &HostHandle,
        is_dark: impl Fn() -> bool + 'static,
        judge: impl FnMut(&str) -> (Duration, Fate) + 'static,
    ) -> Self {
        Self(Rc::new(World {
            start: host.reactor().wall(),
            got: RefCell::default(),
            tried: RefCell::default(),
            under_way: RefCell::default(),
            most: Cell::new(0),
            judge: RefCell::new(Box::new(judge)),
            panics_at: Cell::default(),
            is_dark: Rc::new(is_dark),
        }))
    }

    /// Who got something, in that order.
    fn got(&self) -> Vec<String> {
        self.0.got.borrow().iter().map(|got| got.to.clone()).collect()
    }

    /// How often somebody was tried, and when.
    fn tried(&self, to: &str) -> Vec<Duration> {
        let tried = self.0.tried.borrow();
        tried.iter().filter(|(other, _)| other == to).map(|(_, at)| *at).collect()
    }

    fn judge(&self, judge: impl FnMut(&str) -> (Duration, Fate) + 'static) {
        *self.0.judge.borrow_mut() = Box::new(judge);
    }
}

impl Carrier for Others {
    fn destination(&self, to: &Recipient) -> String {
        assert!(self.0.panics_at.get() != to.to_string(), "on purpose");
        to.mailbox().map_or_else(String::new, |mailbox| mailbox.host().to_string())
    }

    fn carry(&self, parcel: Parcel) -> Carrying {
        let world = self.0.clone();
        Box::pin(async move {
            world.under_way.borrow_mut().push(parcel.destination.clone());
            let under_way = UnderWay(world.clone(), parcel.destination.clone());
            world.most.set(world.most.get().max(world.under_way.borrow().len()));
            let mut text = Vec::new();
            let mut reader = parcel.message.read();
            loop {
                match reader.next().await {
                    Ok(Some(piece)) => text.extend_from_slice(&piece),
                    Ok(None) => break,
                    Err(error) => {
                        let reply = Reply::plain(Code::LOCAL_ERROR, error.to_string());
                        return vec![Carried::new(Fate::Later(reply)); parcel.recipients.len()];
                    }
                }
            }
            let text = String::from_utf8(text).unwrap();
            assert_eq!(text.len() as u64, parcel.message.size());
            let mut each = Vec::new();
            for rcpt in &parcel.recipients {
                let to = rcpt.to.to_string();
                let (takes, fate) = (world.judge.borrow_mut())(&to);
                world.tried.borrow_mut().push((to.clone(), world.elapsed()));
                Reactor::current().sleep(takes / 2).await;
                if fate.is_success() && !(world.is_dark)() {
                    let (sender, at) =
                        (parcel.mail.sender.as_ref().map(ToString::to_string), world.elapsed());
                    world.got.borrow_mut().push(Got { to, text: text.clone(), sender, at });
                }
                // The answer is on its way.
                Reactor::current().sleep(takes / 2).await;
                each.push(Carried::by(format!("mx.{}", parcel.destination), fate));
            }
            drop(under_way);
            each
        })
    }
}

impl World {
    fn elapsed(&self) -> Duration {
        Reactor::current().wall().duration_since(self.start).unwrap_or_default()
    }
}

struct UnderWay(Rc<World>, String);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut under_way = self.0.under_way.borrow_mut();
        let at = under_way.iter().position(|name| *name == self.1).unwrap();
        under_way.swap_remove(at);
    }
}

fn taken() -> (Duration, Fate) {
    let reply = Reply::new(Code::OK, Status::OK, "Taken");
    (Duration::from_millis(20), Fate::Relayed { reply, notifies: false })
}

fn refused() -> (Duration, Fate) {
    let reply = Reply::new(Code::REFUSED, Status::NO_MAILBOX, "No such user");
    (Duration::from_millis(20), Fate::Refused(reply))
}

fn later() -> (Duration, Fate) {
    let reply = Reply::new(Code::MAILBOX_BUSY, Status::FULL_NOW, "Not now");
    (Duration::from_millis(20), Fate::Later(reply))
}

fn unreachable() -> (Duration, Fate) {
    let reply = Reply::plain(Code::LOCAL_ERROR, "No connection");
    (Duration::from_millis(20), Fate::Unreachable(reply))
}

fn options() -> QueueOptions {
    // What is asked is looked for now and then only, so that five days pass quickly.
    let schedule = Schedule { look: 6 * HOUR, ..Schedule::default() };
    QueueOptions { schedule, ..QueueOptions::new("mx.example.org") }
}

fn mailbox(address: &str) -> Mailbox {
    Mailbox::parse(address).unwrap()
}

fn rcpt(address: &str) -> Rcpt {
    Rcpt::new(mailbox(address))
}

fn from(address: &str) -> Mail {
    Mail::new(Mailbox::parse(address))
}

/// A host with a queue that runs.
struct Site {
    net: Net,
    host: HostHandle,
    others: Others,
    queue: Queue,
}

impl Site {
    fn new(options: QueueOptions, judge: impl FnMut(&str) -> (Duration, Fate) + 'static) -> Self {
        let net = Net::gentle(1);
        let host = net.host("mx");
        let others = Others::new(&host, judge);
        let queue = run(&host, Arc::new(host.disk()), options, &others).unwrap();
        Self { net, host, others, queue }
    }

    /// Puts a message in, and expects that it is taken.
    #[track_caller]
    fn submit(&self, mail: Mail, to: &[Rcpt], text: &str) {
        assert_eq!(self.try_submit(mail, to, text), Ok(()));
    }

    fn try_submit(&self, mail: Mail, to: &[Rcpt], text: &str) -> Result<(), Reply> {
        let (inlet, to, text) = (self.queue.inlet(&self.host.reactor()), to.to_vec(), text.to_owned());
        let put = async move {
            let mut message = inlet.submit(mail, to).await?;
            push(&mut *message, text.as_bytes()).await?;
            message.finish().await
        };
        match self.net.block_on(&self.host, put) {
            Ok(outcome) => {
                assert_eq!(outcome, Outcome::Accepted);
                Ok(())
            }
            Err(error) => Err(error.downcast_ref::<Reply>().unwrap().clone()),
        }
    }

    fn advance(&self, time: Duration) {
        self.net.advance(time);
    }

    /// Ends the process and starts it again, without a loss of power.
    fn restart(&mut self, options: QueueOptions) {
        self.host.kill();
        self.queue = run(&self.host, Arc::new(self.host.disk()), options, &self.others).unwrap();
    }

    fn spool(&self) -> Spool {
        Spool::new(self.host.disk())
    }

    /// The names of all files of messages.
    fn files(&self) -> Vec<String> {
        let folder = self.host.disk().folder("messages").unwrap();
        folder.list().unwrap().into_iter().map(|entry| entry.name.into_string().unwrap()).collect()
    }
}

async fn push(message: &mut dyn Message, bytes: &[u8]) -> trenza_core::Result {
    for piece in bytes.chunks(4096) {
        message.push(piece);
        while message.is_full() {
            message.room().unwrap().await?;
        }
    }
    Ok(())
}

/// Opens the queue of a tree and runs it on a host.
fn run(
    host: &HostHandle,
    tree: Arc<dyn Tree>,
    options: QueueOptions,
    others: &Others,
) -> trenza_core::Result<Queue> {
    host.run(|reactor| {
        let queue = Queue::open(tree, options, reactor.wall())?;
        reactor.start(queue.carried_by(others.clone()))?;
        Ok(queue)
    })
}

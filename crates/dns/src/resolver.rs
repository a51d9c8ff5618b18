//! [`Resolver`]: looks up names.

use crate::{
    Answer, Config, Error, ErrorKind, Files, LOOK_AGAIN, Mx, Name, RData, RecordType, Result,
    cache::Cache,
    files::Stamp,
    lookup::{Lookup, absolute, text},
    server::{Servers, reason},
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    rc::{Rc, Weak},
    time::Instant,
};
use trenza_core::{Deferred, Map, Reactor, Semaphore, join, timeout};

/// Looks up names at the name servers of a [`Config`]. A cheap clone; all clones share cache and limits.
///
/// Names are what they are: nothing is appended to them, but for [`search`](Resolver::search), and a dot at their end
/// changes nothing. Letters beyond ASCII are written as IDNA says.
///
/// ```
/// use trenza_dns::{Config, Resolver, server_address};
///
/// # let net = trenza_sim::Net::gentle(1);
/// # let server = net.host("ns").datagram_probe("udp:53");
/// # let host = net.host("cli");
/// # host.run(|reactor| {
/// let resolver = Resolver::new(reactor, Config::asking([server_address("10.0.0.1")?]));
/// let mail = reactor.spawn(async move {
///     for mx in resolver.mx("example.org").await? {
///         println!("{} {}", mx.preference, mx.exchange);
///     }
///     Ok(())
/// });
/// # mail.then(|mail| assert!(mail.unwrap_err().to_string().contains("no answer in time")));
/// # Ok::<(), trenza_core::Error>(())
/// # })?;
/// # net.advance(std::time::Duration::from_secs(60));
/// # assert!(!server.received().is_empty());
/// # Ok::<(), trenza_core::Error>(())
/// ```
///
/// # Who may answer
///
/// An answer counts that comes from the server that was asked, to the port that the question came from, with its id, and
/// with its name in the same spelling. The port is a new one for each question, and it, the id and the spelling come
/// from [`Reactor::random`]. Who sends wrong ones makes the question go over TCP, where nobody can guess.
///
/// # What is kept
///
/// Answers, and that something does not exist (RFC 2308), for as long as servers say within the limits of
/// [`CacheLimits`](crate::CacheLimits). That a server has failed is not kept. Who asks for what is being looked up gets the
/// same answer; who stops waiting changes nothing for others, and when nobody waits the lookup ends.
#[derive(Clone)]
pub struct Resolver(Rc<Inner>);

pub(crate) struct Inner {
    pub(crate) reactor: Reactor,
    setup: RefCell<Rc<Setup>>,
    files: Option<Watched>,
    pub(crate) cache: RefCell<Cache>,
    under_way: RefCell<Map<Key, UnderWay>>,
    permits: Semaphore,
}

/// What it was set up with, and what is known of the servers.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) servers: Servers,
}

/// Files that are looked at again.
struct Watched {
    files: Files,
    stamp: Cell<Option<Stamp>>,
    next: Cell<Instant>,
}

type Key = (Name, RecordType);
type Outcome = Result<Rc<Answer>>;

/// A lookup, which ends when it is dropped, and those who wait for it.
struct UnderWay {
    waiting: Vec<trenza_core::Resolver<Outcome>>,
    _task: Deferred<()>,
}

impl Resolver {
    /// A resolver with this configuration.
    pub fn new(reactor: &Reactor, config: Config) -> Self {
        Self::with(reactor, config, None)
    }

    fn with(reactor: &Reactor, config: Config, files: Option<Watched>) -> Self {
        let permits = Semaphore::new(reactor, config.lookups.max(1));
        permits.set_waiters_max(config.waiting);
        Self(Rc::new(Inner {
            reactor: reactor.clone(),
            cache: RefCell::new(Cache::new(config.cache.clone())),
            under_way: RefCell::default(),
            permits,
            setup: RefCell::new(Rc::new(Setup::new(config))),
            files,
        }))
    }

    /// A resolver that asks whom the system asks.
    ///
    /// # Errors
    /// Those of [`Files::read`].
    pub async fn system(reactor: &Reactor) -> trenza_core::Result<Self> {
        Self::of_files(reactor, Files::system()).await
    }

    /// A resolver that asks whom these files say. They are read on a thread, and again when they have changed
    /// ([`LOOK_AGAIN`]); with other servers it forgets what the former ones have said.
    ///
    /// # Errors
    /// Those of [`Files::read`]. Later they leave everything as it is.
    pub async fn of_files(reactor: &Reactor, files: Files) -> trenza_core::Result<Self> {
        let read = files.clone();
        let read = reactor.in_thread(move || Ok(read.read_if_new(None)?)).await?;
        let (stamp, config) =
            read.map_or_else(|| (None, Config::default()), |(stamp, config)| (Some(stamp), config));
        let next = Cell::new(reactor.now() + LOOK_AGAIN);
        Ok(Self::with(reactor, config, Some(Watched { files, stamp: Cell::new(stamp), next })))
    }

    /// What it is set up with.
    pub fn config(&self) -> Config {
        self.0.setup().config.clone()
    }

    /// The addresses of a name, those of IPv6 first: of the hosts file, or of both types that DNS has. An address is its
    /// own answer, and `localhost` means this host (RFC 6761 section 6.3).
    ///
    /// # Errors
    /// There are none; when one type has some and the other fails, that is no error.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>> {
        if let Ok(ip) = name.parse() {
            return Ok(vec![ip]);
        }
        let asked = absolute(name).map_err(|kind| Error::new(name, None, kind))?;
        let known = self.known(&asked);
        if !known.is_empty() {
            return Ok(known);
        }
        let both = [RecordType::AAAA, RecordType::A]
            .map(|record_type| async move { Ok(self.ips(name, record_type).await) });
        let both = join(both).await.unwrap_or_default();
        let mut found = Vec::new();
        let mut failed: Option<Error> = None;
        for result in both {
            match result {
                Ok(mut ips) => found.append(&mut ips),
                // Of two errors that counts which may be gone tomorrow.
                Err(error) if failed.as_ref().is_none_or(Error::is_negative) => failed = Some(error),
                Err(_) => {}
            }
        }
        match failed {
            Some(error) if found.is_empty() => Err(Error { record_type: None, ..error }),
            _ => Ok(found),
        }
    }

    /// The IPv4 addresses of a name, as DNS has them (A).
    ///
    /// # Errors
    /// There are none, or nobody says so.
    pub async fn ipv4(&self, name: &str) -> Result<Vec<Ipv4Addr>> {
        let ips = self.ips(name, RecordType::A).await?;
        Ok(ips.into_iter().filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }).collect())
    }

    /// The IPv6 addresses of a name, as DNS has them (AAAA).
    ///
    /// # Errors
    /// There are none, or nobody says so.
    pub async fn ipv6(&self, name: &str) -> Result<Vec<Ipv6Addr>> {
        let ips = self.ips(name, RecordType::AAAA).await?;
        Ok(ips.into_iter().filter_map(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None }).collect())
    }

    async fn ips(&self, name: &str, record_type: RecordType) -> Result<Vec<IpAddr>> {
        let answer = self.lookup(name, record_type).await?;
        Ok(answer.records.iter().filter_map(|record| record.data.ip_addr()).collect())
    }

    /// The addresses of a name that may be short, as people type them: with fewer dots than [`Config::ndots`] it is first
    /// looked for in the domains of [`Config::search`], otherwise as it is. A dot at its end means that it is whole.
    ///
    /// # Errors
    /// The first one that is not "there is no such name", or that of the name as it is.
    pub async fn search(&self, name: &str) -> Result<Vec<IpAddr>> {
        let dots = name.bytes().filter(|byte| *byte == b'.').count();
        self.0.look_again();
        let setup = self.0.setup();
        let short = dots < usize::from(setup.config.ndots);
        if name.ends_with('.') || name.parse::<IpAddr>().is_ok() || setup.config.search.is_empty() {
            return self.addresses(name).await;
        }
        let longer = setup.config.search.iter().map(|domain| format!("{name}.{}", text(domain)));
        let as_it_is = std::iter::once(name.to_owned());
        let all: Vec<_> =
            if short { longer.chain(as_it_is).collect() } else { as_it_is.chain(longer).collect() };
        let mut failed = None;
        for one in all {
            match self.addresses(&one).await {
                Err(error) if error.is_negative() || matches!(error.kind, ErrorKind::BadName(_)) => {
                    if failed.is_none() || one == name {
                        failed = Some(error);
                    }
                }
                result => return result,
            }
        }
        Err(failed.unwrap_or_else(|| Error::new(name, None, ErrorKind::NoName)))
    }

    /// Who takes the mail of a domain, by preference, those who are equal in any order.
    ///
    /// # Errors
    /// There is none, or nobody says so. Then RFC 5321 section 5.1 says what a sender does.
    pub async fn mx(&self, domain: &str) -> Result<Vec<Mx>> {
        let answer = self.lookup(domain, RecordType::MX).await?;
        Ok(Mx::sorted(&answer, || {
            let mut drawn = [0; 8];
            self.0.reactor.random(&mut drawn);
            u64::from_be_bytes(drawn)
        }))
    }

    /// The texts of a name; the parts of each are put together.
    ///
    /// # Errors
    /// There are none, or nobody says so.
    pub async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>> {
        let answer = self.lookup(name, RecordType::TXT).await?;
        let texts = answer.records.iter().filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        });
        Ok(texts.collect())
    }

    /// The names of an address, without dots at their ends: that of the hosts file, or those that DNS has.
    ///
    /// # Errors
    /// There is none, or nobody says so.
    pub async fn ptr(&self, ip: IpAddr) -> Result<Vec<String>> {
        // An IPv4 client of a socket for both is still one of IPv4.
        let ip = ip.to_canonical();
        self.0.look_again();
        if let Some(name) = self.0.setup().config.hosts.name(ip) {
            return Ok(vec![text(name)]);
        }
        let answer = self.look_up(ip.into(), RecordType::PTR).await?;
        let names = answer.records.iter().filter_map(|record| match &record.data {
            RData::PTR(name) => Some(text(name)),
            _ => None,
        });
        Ok(names.collect())
    }

    /// The records of a type that a name has, at the end of its aliases.
    ///
    /// # Errors
    /// There are none, or nobody says so.
    pub async fn lookup(&self, name: &str, record_type: RecordType) -> Result<Rc<Answer>> {
        let bad = |kind| Error::new(name, Some(record_type), kind);
        self.look_up(absolute(name).map_err(bad)?, record_type).await
    }

    /// Forgets all answers.
    pub fn forget(&self) {
        self.0.cache.borrow_mut().clear();
    }

    /// How many answers are kept, and the bytes that they take, about.
    pub fn kept(&self) -> (usize, usize) {
        let cache = self.0.cache.borrow();
        (cache.len(), cache.bytes())
    }

    /// What needs no server.
    fn known(&self, name: &Name) -> Vec<IpAddr> {
        self.0.look_again();
        let setup = self.0.setup();
        let known = setup.config.hosts.addresses_of(name);
        if known.is_empty()
            && name.iter().next_back().is_some_and(|top| top.eq_ignore_ascii_case(b"localhost"))
        {
            return vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        }
        known.to_vec()
    }

    async fn look_up(&self, name: Name, record_type: RecordType) -> Outcome {
        let inner = &self.0;
        inner.look_again();
        let key = (name.to_lowercase(), record_type);
        let error = |kind| Error::new(text(&name), Some(record_type), kind);
        let known = inner.cache.borrow_mut().get(&key.0, record_type, inner.reactor.now());
        if let Some(known) = known {
            return known.map_err(|negative| error(negative.into()));
        }
        let (deferred, resolver) = inner.reactor.deferred();
        let (weak, of) = (Rc::downgrade(inner), key.clone());
        resolver.on_cancel(move || Inner::leave(&weak, &of));
        inner.join(key, resolver).map_err(error)?;
        deferred.await.map_err(|abandoned| error(reason(&abandoned)))?
    }
}

impl Setup {
    fn new(config: Config) -> Self {
        Self { servers: Servers::new(&config), config }
    }
}

impl Inner {
    pub(crate) fn setup(&self) -> Rc<Setup> {
        self.setup.borrow().clone()
    }

    /// Looks whether files have changed, if it is time; lookups do not wait for that.
    fn look_again(self: &Rc<Self>) {
        let Some(watched) = &self.files else { return };
        if self.reactor.now() < watched.next.get() {
            return;
        }
        watched.next.set(self.reactor.now() + LOOK_AGAIN);
        let (files, before, weak) = (watched.files.clone(), watched.stamp.get(), Rc::downgrade(self));
        self.reactor.in_thread(move || Ok(files.read_if_new(before)?)).then(move |read| {
            let Some(inner) = weak.upgrade() else { return };
            match read {
                Ok(Some((stamp, config))) => inner.adopt(stamp, config),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "names are looked up as before"),
            }
        });
    }

    /// Files say something else.
    fn adopt(&self, stamp: Stamp, config: Config) {
        if let Some(watched) = &self.files {
            watched.stamp.set(Some(stamp));
        }
        let former = self.setup.replace(Rc::new(Setup::new(config)));
        if former.config.servers != self.setup().config.servers {
            self.cache.borrow_mut().clear();
        }
    }

    /// Waits for a lookup, which begins if it is not under way.
    fn join(self: &Rc<Self>, key: Key, resolver: trenza_core::Resolver<Outcome>) -> Result<(), ErrorKind> {
        let Config { lookups, waiting: waiting_max, .. } = self.setup().config;
        let mut under_way = self.under_way.borrow_mut();
        if let Some(lookup) = under_way.get_mut(&key) {
            if lookup.waiting.len() >= waiting_max {
                return Err(ErrorKind::Busy);
            }
            lookup.waiting.push(resolver);
            return Ok(());
        }
        if under_way.len() >= lookups.saturating_add(waiting_max) {
            return Err(ErrorKind::Busy);
        }
        let (inner, of) = (self.clone(), key.clone());
        let task = self.reactor.spawn(async move {
            let outcome = inner.run(&of).await;
            let ended = inner.under_way.borrow_mut().remove(&of);
            for waiting in ended.into_iter().flat_map(|lookup| lookup.waiting) {
                waiting.fire(Ok(outcome.clone()));
            }
            Ok(())
        });
        under_way.insert(key, UnderWay { waiting: vec![resolver], _task: task });
        Ok(())
    }

    async fn run(&self, (name, record_type): &Key) -> Outcome {
        let lookup = async {
            let _permit = self.permits.acquire().await?;
            Ok(Lookup { inner: self, name, record_type: *record_type }.run().await)
        };
        match timeout(self.setup().config.deadline, lookup).await {
            Ok(outcome) => outcome,
            Err(error) if error.is::<trenza_core::TooManyWaiters>() => {
                Err(Error::new(text(name), Some(*record_type), ErrorKind::Busy))
            }
            Err(error) => Err(Error::new(text(name), Some(*record_type), reason(&error))),
        }
    }

    /// Somebody does not wait any more.
    fn leave(inner: &Weak<Self>, key: &Key) {
        let Some(inner) = inner.upgrade() else { return };
        let mut under_way = inner.under_way.borrow_mut();
        let Some(lookup) = under_way.get_mut(key) else { return };
        let (gone, waiting): (Vec<_>, _) =
            std::mem::take(&mut lookup.waiting).into_iter().partition(trenza_core::Resolver::is_cancelled);
        lookup.waiting = waiting;
        let ended = if lookup.waiting.is_empty() { under_way.remove(key) } else { None };
        drop(under_way);
        drop((gone, ended));
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (answers, bytes) = self.kept();
        let under_way = self.0.under_way.borrow().len();
        let setup = self.0.setup();
        let servers = &setup.config.servers;
        f.debug_struct("Resolver")
            .field("servers", servers)
            .field("answers", &answers)
            .field("bytes", &bytes)
            .field("under_way", &under_way)
            .finish()
    }
}

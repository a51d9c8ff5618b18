//! [`Remote`]: carries messages to other servers.

mod idle;
mod names;
mod resolver;
mod route;

pub use names::{Looking, Mx, NameError, Names};
pub use route::{Route, RouteError};

use super::{Cause, Client, ClientError, ClientLimits, ClientOptions, Step};
use crate::{
    queue::{Carried, Carrier, Carrying, Fate, Parcel},
    smtp::{Code, Host, Mail, Rcpt, Recipient, Reply, Status},
};
use idle::{Idle, Kept};
use std::{
    collections::VecDeque,
    fmt,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};
use trenza_core::{Endpoint, IntoEndpoint, Reactor};
use trenza_tls::ClientTls;

/// The port of SMTP between servers.
const PORT: u16 = 25;

/// How much is tried and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteLimits {
    /// What each client waits for.
    pub client: ClientLimits,
    /// Addresses of one domain that are tried for a message. 10.
    pub tries: usize,
    /// Recipients that are told to a server at once. 100, which every server takes (RFC 5321 section 4.5.3.1.8).
    pub recipients: usize,
    /// How long a connection waits for the next message to the same server. 10 s.
    pub idle: Duration,
    /// How many connections to one server wait. 20, as many as a queue has under way to one.
    pub idle_per_server: usize,
    /// How many wait in all. 50.
    pub idle_max: usize,
    /// Messages over one connection. 100.
    pub messages: u32,
}

impl Default for RemoteLimits {
    fn default() -> Self {
        Self {
            client: ClientLimits::default(),
            tries: 10,
            recipients: 100,
            idle: Duration::from_secs(10),
            idle_per_server: 20,
            idle_max: 50,
            messages: 100,
        }
    }
}

/// Carries messages to other servers: where a route leads, or to who receives mail for a domain by the DNS (RFC 5321
/// section 5.1), with TLS where the other server has it.
///
/// A host that is not reached is passed over for the next one. What a server has said of a recipient holds, and no other
/// host is asked. Connections are kept a while for the next message. A loop has its own.
///
/// A message that came as 8BITMIME, and is to go to a server without it, comes back (RFC 6152 section 3 leaves that or a
/// conversion). Postfix converts it to quoted-printable; here nothing of a message is altered on its way, since signatures
/// (DKIM, S/MIME, OpenPGP) would not hold any more, and hardly a server is left without 8BITMIME.
pub struct Remote(Rc<Shared>);

struct Shared {
    name: String,
    names: Option<Box<dyn Names>>,
    routes: Vec<Route>,
    tls: Option<ClientTls>,
    limits: RemoteLimits,
    idle: Idle,
}

/// Where a message goes.
enum Goal<'a> {
    /// The route of this number.
    Route(usize, &'a Route),
    Domain(&'a str),
    Address(IpAddr),
}

/// A server to be tried.
struct Server {
    /// As reports name it.
    name: String,
    /// By which its connections are kept.
    key: String,
    endpoint: Endpoint,
    options: ClientOptions,
}

impl Remote {
    /// From a host of this name, which its clients say where a route has no other one; by routes only: what has none is
    /// refused.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Rc::new(Shared {
            name: name.into(),
            names: None,
            routes: Vec::new(),
            tls: None,
            limits: RemoteLimits::default(),
            idle: Idle::default(),
        }))
    }

    /// Asks these for domains that have no route.
    #[must_use]
    pub fn names(self, names: impl Names) -> Self {
        self.change(|shared| shared.names = Some(Box::new(names)))
    }

    /// Mail for a domain goes this way; of several for one domain the first counts.
    #[must_use]
    pub fn route(self, route: Route) -> Self {
        self.change(|shared| shared.routes.push(route))
    }

    /// Begins TLS with the servers of domains, where they have it ([`ClientOptions::opportunistic_tls`]). Give it one that
    /// trusts anybody.
    #[must_use]
    pub fn tls(self, tls: ClientTls) -> Self {
        self.change(|shared| shared.tls = Some(tls))
    }

    /// Sets limits.
    #[must_use]
    pub fn limits(self, limits: RemoteLimits) -> Self {
        self.change(|shared| shared.limits = limits)
    }

    fn change(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        // It has been given to nobody yet: only `carry` makes clones.
        if let Some(shared) = Rc::get_mut(&mut self.0) {
            change(shared);
        }
        self
    }
}

impl Carrier for Remote {
    fn destination(&self, to: &Recipient) -> String {
        match self.0.goal(to) {
            Some(Goal::Route(number, route)) => self.0.way(number, route),
            Some(Goal::Domain(domain)) => domain.to_owned(),
            Some(Goal::Address(ip)) => Host::Address(ip).to_string(),
            None => String::new(),
        }
    }

    fn carry(&self, parcel: Parcel) -> Carrying {
        let shared = self.0.clone();
        Box::pin(async move {
            let servers = match parcel.recipients.first() {
                Some(first) => shared.servers(&first.to).await,
                None => Ok(Vec::new()),
            };
            match servers {
                Ok(servers) => shared.try_all(servers, &parcel).await,
                Err(fate) => vec![Carried::new(fate); parcel.recipients.len()],
            }
        })
    }
}

impl Shared {
    fn goal<'a>(&'a self, to: &'a Recipient) -> Option<Goal<'a>> {
        let host = to.mailbox().map(crate::smtp::Mailbox::host);
        let domain = host.and_then(Host::domain);
        let mut routes = self.routes.iter().enumerate();
        let own = domain.and_then(|domain| routes.clone().find(|(_, route)| route.is_for(domain)));
        let route = own.or_else(|| routes.find(|(_, route)| route.is_for_all()));
        match (route, host) {
            (Some((number, route)), _) => Some(Goal::Route(number, route)),
            (None, Some(Host::Domain(domain))) => self.names.is_some().then_some(Goal::Domain(domain)),
            (None, Some(Host::Address(ip))) => self.names.is_some().then_some(Goal::Address(*ip)),
            _ => None,
        }
    }

    /// What goes by a route is counted together, and shares connections. Of two to one server each is one by itself: they
    /// may ask for TLS or a login, or not.
    fn way(&self, number: usize, route: &Route) -> String {
        let to = route.endpoint.to_string();
        let before = self.routes.get(..number).unwrap_or_default();
        match before.iter().any(|other| other.endpoint.to_string() == to) {
            true => format!("{to} ({number})"),
            false => to,
        }
    }

    /// The servers to try for a recipient, the first one first.
    async fn servers(&self, to: &Recipient) -> Result<Vec<Server>, Fate> {
        match self.goal(to) {
            Some(Goal::Route(number, route)) => {
                let name = route.endpoint.to_string();
                let (key, options) = (self.way(number, route), self.named(route.options.clone()));
                Ok(vec![Server { key, name, endpoint: route.endpoint.clone(), options }])
            }
            Some(Goal::Domain(domain)) => self.receivers(domain).await,
            Some(Goal::Address(ip)) => {
                Ok(self.server(&Host::Address(ip).to_string(), ip).into_iter().collect())
            }
            None => {
                let text = format!("There is no route to {to}");
                Err(Fate::Refused(Reply::new(Code::REFUSED, Status::NO_ROUTE, text)))
            }
        }
    }

    /// The servers that receive mail for a domain.
    async fn receivers(&self, domain: &str) -> Result<Vec<Server>, Fate> {
        let Some(names) = &self.names else { return Ok(Vec::new()) };
        let unknown = |status, what: &str| {
            Fate::Refused(Reply::new(Code::REFUSED, status, format!("{what} has no host")))
        };
        let failed = |error: NameError| {
            Fate::Unreachable(Reply::new(Code::LOCAL_ERROR, Status::NO_NAMES, error.to_string()))
        };
        let records = match names.mx(domain).await {
            Ok(records) => records,
            Err(NameError::Unknown) => return Err(unknown(Status::NO_DOMAIN, domain)),
            Err(error) => return Err(failed(error)),
        };
        let reactor = Reactor::current();
        let random = || {
            let mut four = [0; 4];
            reactor.random(&mut four);
            u32::from_ne_bytes(four)
        };
        let hosts = names::hosts(domain, records, &self.name, random).map_err(Fate::Refused)?;
        let (mut servers, mut failure) = (Vec::new(), None);
        for host in hosts {
            match names.addresses(&host).await {
                Ok(ips) => servers.extend(ips.into_iter().filter_map(|ip| self.server(&host, ip))),
                Err(NameError::Unknown) => {}
                Err(error) => _ = failure.get_or_insert(error),
            }
            if servers.len() >= self.limits.tries {
                break;
            }
        }
        servers.truncate(self.limits.tries);
        match failure {
            _ if !servers.is_empty() => Ok(servers),
            Some(error) => Err(failed(error)),
            None => Err(unknown(Status::NO_ROUTE, domain)),
        }
    }

    /// A server at an address. None: no endpoint can name it.
    fn server(&self, host: &str, ip: IpAddr) -> Option<Server> {
        let endpoint = SocketAddr::new(ip, PORT).into_endpoint().ok()?;
        let mut options = self.named(ClientOptions::new().limits(self.limits.client.clone()));
        if let Some(to) =
            self.tls.as_ref().and_then(|tls| tls.to(host).or_else(|_| tls.to(&ip.to_string())).ok())
        {
            options = options.opportunistic_tls(to);
        }
        Some(Server { name: host.to_owned(), key: format!("{host} {ip}"), endpoint, options })
    }

    /// With the name of this host, if there is no other one.
    fn named(&self, options: ClientOptions) -> ClientOptions {
        match Host::parse(&self.name) {
            Some(name) if !options.has_name() => options.name(name),
            _ => options,
        }
    }

    /// Tries one server after the other until one has said something of each recipient.
    async fn try_all(&self, servers: Vec<Server>, parcel: &Parcel) -> Vec<Carried> {
        let mut carried: Vec<Option<Carried>> = vec![None; parcel.recipients.len()];
        let mut failure = Carried::new(Fate::Unreachable(Reply::new(
            Code::LOCAL_ERROR,
            Status::NO_ANSWER,
            "There is no host to try",
        )));
        for server in servers {
            let left: Vec<usize> =
                carried.iter().enumerate().filter_map(|(at, known)| known.is_none().then_some(at)).collect();
            if left.is_empty() {
                break;
            }
            let mut parts: VecDeque<Vec<usize>> =
                left.chunks(self.limits.recipients.max(1)).map(<[usize]>::to_vec).collect();
            while let Some(part) = parts.pop_front() {
                let rcpts: Vec<Rcpt> =
                    part.iter().filter_map(|at| parcel.recipients.get(*at)).cloned().collect();
                let (told, over) = self.try_one(&server, parcel, &rcpts).await;
                let some = told.iter().any(|told| matches!(told, Told::Known(fate) if fate.is_success()));
                let mut again = Vec::new();
                for (at, told) in part.into_iter().zip(told) {
                    match told {
                        Told::Known(Fate::Later(reply)) if some && is_too_many(&reply) => again.push(at),
                        Told::Known(fate) => {
                            if let Some(known) = carried.get_mut(at) {
                                *known = Some(Carried::by(server.name.clone(), fate));
                            }
                        }
                        Told::Nothing(reply) => {
                            failure = Carried::by(server.name.clone(), Fate::Unreachable(reply));
                        }
                    }
                }
                if !again.is_empty() {
                    parts.push_front(again);
                }
                if over {
                    break;
                }
            }
        }
        carried.into_iter().map(|known| known.unwrap_or_else(|| failure.clone())).collect()
    }

    /// Sends it by one server; true: the server is of no more use.
    async fn try_one(&self, server: &Server, parcel: &Parcel, rcpts: &[Rcpt]) -> (Vec<Told>, bool) {
        let reactor = Reactor::current();
        let mut kept = self.idle.take(&server.key);
        loop {
            let reused = kept.is_some();
            let mut at = match kept.take() {
                Some(kept) => kept,
                None => match Client::connect(&server.endpoint, server.options.clone()).await {
                    Ok(client) => Kept { client, messages: 0 },
                    Err(error) => return (vec![Told::Nothing(error.reply_for_now()); rcpts.len()], true),
                },
            };
            let mail = Mail { size: Some(parcel.message.size()), ..parcel.mail.clone() };
            let fates = at.client.send(&mail, rcpts, parcel.message.read()).await;
            at.messages += 1;
            let gone =
                |fate: &Result<Reply, ClientError>| fate.as_ref().is_err_and(ClientError::is_before_message);
            if reused && !fates.is_empty() && fates.iter().all(gone) {
                // It has closed a connection that waited, which says nothing of the server.
                continue;
            }
            let (notifies, delivers) = (at.client.extensions().has("DSN"), server.options.speaks_lmtp());
            let over = !at.client.is_open();
            if !over {
                self.idle.put(&reactor, &server.key, at, &self.limits);
            }
            let told = fates.into_iter().map(|fate| match Told::of(fate, notifies) {
                // LMTP is spoken to who has the mailboxes (RFC 2033 section 1).
                Told::Known(Fate::Relayed { reply, notifies: false }) if delivers => {
                    Told::Known(Fate::Delivered(reply))
                }
                told => told,
            });
            return (told.collect(), over);
        }
    }
}

/// Whether a recipient is refused because there were enough before it: it is welcome with the next message (RFC 5321
/// section 4.5.3.1.10).
fn is_too_many(reply: &Reply) -> bool {
    reply.status() == Some(Status::TOO_MANY_RECIPIENTS)
        || reply.code() == Code::NO_ROOM && reply.status().is_none()
}

/// What a server has told of a recipient.
#[derive(Clone)]
enum Told {
    /// It holds.
    Known(Fate),
    /// Nothing: another one may be asked.
    Nothing(Reply),
}

impl Told {
    fn of(fate: Result<Reply, ClientError>, notifies: bool) -> Self {
        match fate {
            Ok(reply) => Self::Known(Fate::Relayed { reply, notifies }),
            Err(error) if error.is_before_message() => Self::Nothing(error.reply_for_now()),
            Err(error) if error.is_transient() => Self::Known(Fate::Later(error.reply())),
            Err(error) => Self::Known(Fate::Refused(error.reply())),
        }
    }
}

impl ClientError {
    /// Whether it is about the connection, and the server cannot have taken the message.
    fn is_before_message(&self) -> bool {
        let by_connection = match self.cause() {
            Cause::Connection(_) | Cause::TimedOut(_) | Cause::Protocol(_) => true,
            Cause::Refused(reply) => reply.code() == Code::UNAVAILABLE,
            _ => false,
        };
        // A connection on which nothing is forgotten is of no use, and the message was not even named.
        self.step() == Step::Rset || (by_connection && self.step() != Step::Message)
    }

    /// What is said of it while it may go well later: who does not let us in, or does not greet, is to be asked again.
    fn reply_for_now(&self) -> Reply {
        let reply = self.reply();
        match reply.code().is_permanent() {
            true => Reply::new(Code::LOCAL_ERROR, Status::NOT_NOW, self.to_string()),
            false => reply,
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("name", &self.0.name)
            .field("routes", &self.0.routes)
            .finish_non_exhaustive()
    }
}

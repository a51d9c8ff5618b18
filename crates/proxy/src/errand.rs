//! [`Errand`]: what a client of a SOCKS proxy asked for.

use crate::{
    Host, Target,
    account::Account,
    pipe::{End, join},
    relay::Relay,
    server::Shared,
    socks::{Command, Reply, Request, Server},
};
use std::{
    cell::Cell,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
};
use trenza_core::{
    Addr, ConnectTo, Connecting, Deferred, Endpoint, Error, Factory, OutBuf, Port, Protocol, Resolver,
    Result, TimedOut, Transport, timeout,
};

/// What a client asked for. It ends with the client's connection, whatever it waits for.
pub(crate) struct Errand {
    pub(crate) near: Transport,
    pub(crate) codec: Server,
    pub(crate) request: Request,
    pub(crate) shared: Rc<Shared>,
    pub(crate) account: Rc<Account>,
}

impl Errand {
    pub(crate) async fn run(mut self) -> Result {
        let done = match self.request.command {
            Command::Connect => self.connect().await,
            Command::Bind => self.bind().await,
            Command::Associate => self.associate(),
        };
        if let Err(error) = done {
            let reply = Reply::to_error(&error);
            self.account.fail(error);
            self.reply(reply, None)?;
            self.near.close();
        }
        Ok(())
    }

    fn reply(&mut self, reply: Reply, bound: Option<SocketAddr>) -> Result {
        let mut out = OutBuf::new();
        self.codec.reply(reply, bound, &mut out)?;
        self.near.send(&mut out);
        Ok(())
    }

    /// Has the client's bytes go to `far`, if that is still there.
    fn join(&mut self, far: Transport, told: Option<SocketAddr>) -> Result {
        if !far.is_open() {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the target ended at once").into());
        }
        self.reply(Reply::Granted, told)?;
        join(&self.near, far, self.account.clone(), self.shared.limits.idle);
        Ok(())
    }

    // ── CONNECT ──

    async fn connect(&mut self) -> Result {
        let limit = self.shared.limits.connect;
        let far = timeout(limit, self.dial()).await.map_err(|error| in_time(error, "no connection"))?;
        let local = &far.peer().local;
        let told = local.ip().zip(local.port()).map(SocketAddr::from);
        self.join(far, told)
    }

    /// Connects to one of the addresses that the rules allow.
    async fn dial(&self) -> Result<Transport> {
        let addresses = self.allowed().await?;
        let shown = self.request.target.to_string();
        let to = Endpoint::client(shown.clone(), move |_| {
            let addresses = addresses.iter().map(|address| Addr::from(*address)).collect();
            Ok(Connecting::to(ConnectTo::Addresses(addresses), shown.clone()))
        });
        let far = End::far(self.near.clone(), self.account.clone(), self.shared.limits.idle);
        self.near.reactor().connect(to, move |_| far).await
    }

    /// The addresses that the target stands for and that the client may go to.
    async fn allowed(&self) -> Result<Vec<SocketAddr>> {
        let forbidden =
            || Error::from(io::Error::new(io::ErrorKind::PermissionDenied, "the rules do not allow it"));
        let found = self.addresses().await?;
        let any = !found.is_empty();
        let allowed: Vec<_> = found.into_iter().filter(|to| self.is_allowed(to.ip())).collect();
        if any && allowed.is_empty() { Err(forbidden()) } else { Ok(allowed) }
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        self.shared.rules.allow_address(self.near.peer().remote.ip(), &self.request.target, ip)
    }

    /// The addresses that the target stands for.
    async fn addresses(&self) -> Result<Vec<SocketAddr>> {
        let Target { host, port } = &self.request.target;
        let name = match host {
            Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, *port)]),
            Host::Name(name) => name,
        };
        if !self.shared.rules.allow_lookup(&self.request.target) {
            return Err(
                io::Error::new(io::ErrorKind::PermissionDenied, "the rules do not allow the name").into()
            );
        }
        let found = self.near.reactor().lookup(name, *port).await;
        found.map_err(|error| io::Error::new(io::ErrorKind::HostUnreachable, error).into())
    }

    // ── BIND ──

    async fn bind(&mut self) -> Result {
        let limit = self.shared.limits.bind;
        let (came, _port) = self.listen().await?;
        let far = timeout(limit, came).await.map_err(|error| in_time(error, "nobody came"))?;
        let remote = &far.peer().remote;
        let told = remote.ip().zip(remote.port()).map(SocketAddr::from);
        self.join(far, told)
    }

    /// Listens for whom the client expects, and tells it where.
    async fn listen(&mut self) -> Result<(Deferred<Transport>, Listener)> {
        let anybody = matches!(self.request.target.host, Host::Ip(ip) if ip.is_unspecified());
        let expected = if anybody { Vec::new() } else { self.addresses().await? };
        let local =
            self.near.peer().local.ip().ok_or("a client without an IP address cannot be listened for")?;
        let (came, resolver) = self.near.reactor().deferred();
        let guests = Guests {
            resolver: Cell::new(Some(resolver)),
            expected: (!anybody).then(|| expected.iter().map(|to| to.ip().to_canonical()).collect()),
            request: self.request.clone(),
            near: self.near.clone(),
            shared: self.shared.clone(),
            account: self.account.clone(),
        };
        let port = Listener(self.near.reactor().listen_with(SocketAddr::new(local, 0), guests)?);
        self.reply(Reply::Granted, port.0.addr().port().map(|port| SocketAddr::new(local, port)))?;
        Ok((came, port))
    }
}

impl Errand {
    // ── UDP ASSOCIATE ──

    fn associate(&mut self) -> Result {
        let (rules, account) = (self.shared.rules.clone(), self.account.clone());
        let idle = self.shared.limits.idle;
        let (relay, bound) = Relay::open(&self.near, &self.request, rules, account, idle)?;
        self.reply(Reply::Granted, Some(bound))?;
        self.near.switch_to(relay);
        Ok(())
    }
}

/// What a time that ran out is to the client.
fn in_time(error: Error, what: &str) -> Error {
    match error.downcast_ref::<TimedOut>() {
        Some(late) => io::Error::new(io::ErrorKind::TimedOut, format!("{what}: {late}")).into(),
        None => error,
    }
}

/// A port that is given up with whoever holds this.
struct Listener(Port);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.stop().detach();
    }
}

/// Lets in the first one who is expected.
struct Guests {
    resolver: Cell<Option<Resolver<Transport>>>,
    /// None: anybody.
    expected: Option<Vec<IpAddr>>,
    request: Request,
    near: Transport,
    shared: Rc<Shared>,
    account: Rc<Account>,
}

impl Factory for Guests {
    fn build(&mut self, far: &Transport) -> Option<Box<dyn Protocol>> {
        let ip = far.peer().remote.ip()?.to_canonical();
        let client = self.near.peer().remote.ip();
        let expected = self.expected.as_ref().is_none_or(|expected| expected.contains(&ip));
        if !expected || !self.shared.rules.allow_address(client, &self.request.target, ip) {
            return None;
        }
        let resolver = self.resolver.take()?;
        let unwanted = far.clone();
        resolver.on_cancel(move || unwanted.abort());
        resolver.fire(Ok(far.clone()));
        Some(Box::new(End::far(self.near.clone(), self.account.clone(), self.shared.limits.idle)))
    }
}

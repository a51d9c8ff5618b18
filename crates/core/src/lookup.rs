//! Names: [`Reactor::lookup`].

use crate::{Deferred, Error, Reactor, driver::PoolFull};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

impl Reactor {
    /// Looks up the addresses of a name, on a thread, in the order that the resolver prefers. An IP address is its own
    /// answer, at once. There may be no address: a name can exist without one.
    ///
    /// The system's resolver is asked, unless [`Reactor::set_resolver`] gave another one. Lookups do not wait behind
    /// [`Reactor::in_thread`]. Dropping the result drops the answer; the thread goes on.
    ///
    /// An error is an [`io::Error`] that names the name and the cause; its kind is the cause's, `QuotaExceeded` when
    /// so many lookups wait for a thread that this one was refused.
    ///
    /// ```
    /// use trenza_core::Reactor;
    ///
    /// let net = trenza_sim::Net::new(1);
    /// let [v4, v6] = net.host("srv").ips();
    /// let found = net.block_on(&net.host("cli"), async {
    ///     Reactor::current().lookup("srv", 80).await
    /// })?;
    /// assert_eq!(found, [(v4, 80).into(), (v6, 80).into()]);
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    #[track_caller]
    pub fn lookup(&self, name: &str, port: u16) -> Deferred<Vec<SocketAddr>> {
        if let Ok(ip) = name.parse::<IpAddr>() {
            return self.fired(Ok(vec![SocketAddr::new(ip, port)]));
        }
        let (resolve, name) = (self.0.resolver.borrow().clone(), name.to_owned());
        let asked = name.clone();
        let explain = move |error| unresolved(&name, error);
        self.on_thread(move || Ok(resolve(&asked, port)?), |host, job| host.run_lookup(job), explain)
    }

    /// Has names looked up by `resolve` from now on, in [`Reactor::lookup`] and in connects: a table in a test, a
    /// cache, another name service. It gets a name, which is no IP address, and the port to put into the answer. It
    /// may block: it is called on threads, several at a time.
    pub fn set_resolver(
        &self,
        resolve: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) {
        let former = self.0.resolver.replace(Arc::new(resolve));
        drop(former);
    }
}

fn unresolved(name: &str, error: Error) -> Error {
    let kind = if error.is::<PoolFull>() {
        io::ErrorKind::QuotaExceeded
    } else {
        error.downcast_ref::<io::Error>().map_or(io::ErrorKind::Other, io::Error::kind)
    };
    io::Error::new(kind, format!("cannot look up {name:?}: {error}")).into()
}

//! [`Names`]: the name table, which also other threads may ask.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

/// Which addresses a name has. Names are compared without regard to case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>);

impl Names {
    /// Sets the addresses of a name; none at all removes it.
    pub(crate) fn add(&self, name: &str, addrs: &[IpAddr]) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match addrs {
            [] => table.remove(&name.to_ascii_lowercase()),
            _ => table.insert(name.to_ascii_lowercase(), addrs.to_vec()),
        };
    }

    /// The addresses of a name, an address literal or `localhost`.
    ///
    /// # Errors
    /// `NotFound`: nobody has that name.
    pub(crate) fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let with_port = |ip: IpAddr| SocketAddr::new(ip, port);
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(vec![with_port(ip)]);
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if name == "localhost" {
            return Ok(vec![with_port(Ipv4Addr::LOCALHOST.into()), with_port(Ipv6Addr::LOCALHOST.into())]);
        }
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match table.get(&name) {
            Some(addrs) => Ok(addrs.iter().copied().map(with_port).collect()),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no host is called {name}"))),
        }
    }
}

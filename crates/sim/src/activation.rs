//! Socket activation: listening sockets that a service manager of a host has opened before the program starts.

use crate::world::{Machine, World};
use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
};
use trenza_core::{
    Addr,
    driver::{Bind, HandedOver},
};

/// The backlog of a socket that a service manager has opened.
const BACKLOG: i32 = 4096;

/// A socket that was opened for a program.
#[derive(Debug)]
pub(crate) struct Handed {
    name: String,
    /// None: it was taken.
    listener: Option<(u64, Addr)>,
}

impl World {
    /// Opens a port of all addresses for the programs of a host.
    pub(crate) fn hand_over(&mut self, host: usize, name: &str, port: u16) -> io::Result<()> {
        let addr = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port).into();
        let how = Bind { addr, dual_stack: true, mode: None, backlog: BACKLOG };
        let listener = Some(self.bind(host, &how)?);
        if let Some(machine) = self.hosts.get_mut(host) {
            machine.handed.push(Handed { name: name.into(), listener });
        }
        Ok(())
    }
}

impl Machine {
    /// The number and the address of a socket that was opened for a program.
    pub(crate) fn take_handed(&mut self, which: HandedOver<'_>) -> io::Result<(u64, Addr)> {
        let fits = |(n, one): &(usize, &mut Handed)| match which {
            HandedOver::Index(index) => *n == index,
            HandedOver::Name(name) => one.name == name,
        };
        let mut known = false;
        for (_, one) in self.handed.iter_mut().enumerate().filter(fits) {
            known = true;
            if let Some(listener) = one.listener.take() {
                return Ok(listener);
            }
        }
        let (kind, what) = match known {
            true => (io::ErrorKind::ResourceBusy, "this socket is already being listened on".into()),
            false => (
                io::ErrorKind::NotFound,
                format!("not among the {} that were handed over", self.handed.len()),
            ),
        };
        Err(io::Error::new(kind, what))
    }
}

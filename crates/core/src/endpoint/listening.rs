//! [`Listening`]: what a server's endpoint stands for.

use crate::{
    Layers, Policy,
    driver::{Bind, BindUdp, Bound, Established},
};
use std::{os::fd::OwnedFd, rc::Rc};

/// What a server's endpoint stands for: where connections come from, and what is under each.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listening {
    /// Where connections come from.
    pub on: ListenOn,
    /// What is under each connection.
    pub layers: Layers,
    /// What holds for each connection.
    pub policy: Option<Rc<Policy>>,
}

/// Where the connections of a port come from.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenOn {
    /// An address, which is bound when the port is made.
    Bind(Bind),
    /// A listening socket that somebody else bound.
    Socket(OwnedFd),
    /// A listening socket that is ready to be served.
    Bound(Bound),
    /// One connection that is there already, as standard input and output. The port has no other.
    Stream(Established),
    /// An address for datagrams: [`Reactor::udp`](crate::Reactor::udp) alone takes it.
    Datagrams(BindUdp),
}

impl Listening {
    /// Without layers and policy.
    pub fn on(on: ListenOn) -> Self {
        Self { on, layers: Layers::default(), policy: None }
    }
}

//! [`FtpFactory`]: what listens.

use super::{
    config::Config,
    session::{Session, Turned},
};
use std::{fmt, sync::Arc};
use trenza_core::{Factory, Protocol, Transport};

/// A server as what [`Reactor::listen_with`](trenza_core::Reactor::listen_with) takes. Clones are the same, for several
/// ports.
#[derive(Clone)]
pub struct FtpFactory(pub(super) Arc<Config>);

impl Factory for FtpFactory {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        let config = &self.0;
        let Some(place) = config.seats.enter(config.limits.sessions) else {
            return Some(Box::new(Turned("Too many sessions, try again later")));
        };
        let seat = transport.peer().remote.ip().map(|ip| config.addresses.enter(ip)).transpose();
        let Ok(seat) = seat else {
            return Some(Box::new(Turned("Too many sessions from your address")));
        };
        Some(Box::new(Session::new(config.clone(), transport, (place, seat))))
    }
}

impl fmt::Debug for FtpFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpFactory").field("rates", &self.0.rates).finish_non_exhaustive()
    }
}

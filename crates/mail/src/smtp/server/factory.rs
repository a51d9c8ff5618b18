//! [`SmtpFactory`]: a server on one loop.

use super::{Delivery, config::Config, session::Session};
use crate::smtp::{Code, Reply, Status};
use std::{fmt, rc::Rc, sync::Arc};
use trenza_core::{Factory, Input, Protocol, Result, Transport};

/// A server on one loop: what [`Reactor::listen_with`](trenza_core::Reactor::listen_with) takes. Clones are the same.
#[derive(Clone)]
pub struct SmtpFactory(Rc<Here>);

/// What the sessions of one loop share.
pub(super) struct Here {
    pub(super) config: Arc<Config>,
    pub(super) delivery: Box<dyn Delivery>,
}

impl SmtpFactory {
    pub(super) fn new(config: Arc<Config>, delivery: impl Delivery) -> Self {
        Self(Rc::new(Here { config, delivery: Box::new(delivery) }))
    }
}

impl Factory for SmtpFactory {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        let config = &self.0.config;
        let Some(place) = config.seats.enter(config.limits.sessions) else {
            return Some(Box::new(Turned("Too many sessions, try again later")));
        };
        let seat = transport.peer().remote.ip().map(|ip| config.addresses.enter(ip)).transpose();
        let Ok(seat) = seat else {
            return Some(Box::new(Turned("Too many sessions from your address, try again later")));
        };
        Some(Box::new(Session::new(self.0.clone(), transport, (place, seat))))
    }
}

/// A client that is turned away.
struct Turned(&'static str);

impl Protocol for Turned {
    fn connection_made(&mut self, at: &Transport) -> Result {
        at.compose(|out| Reply::new(Code::UNAVAILABLE, Status::STOPPING, self.0).write(out));
        at.close();
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
}

impl fmt::Debug for SmtpFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpFactory").field("host", &self.0.config.host).finish_non_exhaustive()
    }
}

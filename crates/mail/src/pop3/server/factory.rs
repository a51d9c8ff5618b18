//! [`Pop3Factory`]: a server on one loop.

use super::{config::Config, session::Session};
use crate::{
    maildir::Maildir,
    pop3::{Reply, ResponseCode},
};
use std::{fmt, rc::Rc, sync::Arc};
use trenza_auth::Account;
use trenza_core::{Factory, Input, Protocol, Result, Transport};

/// A server on one loop: what [`Reactor::listen_with`](trenza_core::Reactor::listen_with) takes. Clones are the same.
#[derive(Clone)]
pub struct Pop3Factory(Rc<Here>);

/// Where an account's Maildir is, or why it has none.
type Find = Box<dyn Fn(&Account) -> Result<Maildir, Reply>>;

/// What the sessions of one loop share.
pub(super) struct Here {
    pub(super) config: Arc<Config>,
    pub(super) find: Find,
}

impl Pop3Factory {
    pub(super) fn new(
        config: Arc<Config>,
        find: impl Fn(&Account) -> Result<Maildir, Reply> + 'static,
    ) -> Self {
        Self(Rc::new(Here { config, find: Box::new(find) }))
    }
}

impl Factory for Pop3Factory {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        let config = &self.0.config;
        let Some(place) = config.seats.enter(config.limits.sessions) else {
            return Some(Box::new(Turned("Too many sessions, try again later")));
        };
        let seat = transport.peer().remote.ip().map(|ip| config.addresses.enter(ip)).transpose();
        let Ok(seat) = seat else {
            return Some(Box::new(Turned("Too many sessions from your address, try again later")));
        };
        Some(Box::new(Session::new(self.0.clone(), (place, seat))))
    }
}

/// A client that is turned away.
struct Turned(&'static str);

impl Protocol for Turned {
    fn connection_made(&mut self, at: &Transport) -> Result {
        at.compose(|out| Reply::err(self.0).code(ResponseCode::SysTemp).write(out));
        at.close();
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
}

impl fmt::Debug for Pop3Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pop3Factory").field("host", &self.0.config.host).finish_non_exhaustive()
    }
}

//! [`Doorman`] and [`Waiting`]: who may come to a passive port, and who has come before it is needed.

use super::session::Session;
use std::{net::IpAddr, time::Duration};
use trenza_core::{Factory, Handle, Input, Protocol, Reason, Result, Transport};

/// Lets one connection in, from the address of the control connection.
pub(super) struct Doorman {
    session: Handle<Session>,
    number: u64,
    from: IpAddr,
    wait: Duration,
    taken: bool,
}

impl Doorman {
    pub(super) fn new(session: Handle<Session>, number: u64, from: IpAddr, wait: Duration) -> Self {
        Self { session, number, from, wait, taken: false }
    }
}

impl Factory for Doorman {
    fn build(&mut self, data: &Transport) -> Option<Box<dyn Protocol>> {
        // Others are reset, and take nothing from whom the port is for.
        if self.taken || data.peer().remote.ip() != Some(self.from) {
            return None;
        }
        self.taken = true;
        Some(Box::new(Waiting { session: self.session.clone(), number: Some(self.number), wait: self.wait }))
    }
}

/// A data connection that has nothing to do yet. What it receives, its end too, is kept for who will have it.
pub(super) struct Waiting {
    session: Handle<Session>,
    /// None: the session has asked for it.
    number: Option<u64>,
    /// How long it may have nothing to do.
    wait: Duration,
}

impl Waiting {
    /// For a session that waits for it.
    pub(super) fn active(session: Handle<Session>, wait: Duration) -> Self {
        Self { session, number: None, wait }
    }
}

impl Protocol for Waiting {
    fn connection_made(&mut self, data: &Transport) -> Result {
        data.set_deadline(Some(self.wait));
        if let Some(number) = self.number {
            let data = data.clone();
            self.session.call(move |session, at| {
                session.arrived(at, number, &data);
                Ok(())
            });
        }
        Ok(())
    }

    fn data_received(&mut self, data: &Transport, _: &mut Input<'_>) -> Result {
        data.pause();
        Ok(())
    }

    /// An upload may be empty.
    fn eof_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }

    /// The port ends as soon as its connection is there.
    fn stopping(&mut self, _: &Transport) -> Result {
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        if let (Some(number), false) = (self.number, matches!(reason, Reason::Switched)) {
            self.session.call(move |session, _| {
                session.left(number);
                Ok(())
            });
        }
    }
}

//! [`Session`]: a client of a SOCKS proxy, until it has said what it wants.

use crate::{
    account::Account,
    errand::Errand,
    pipe::Waiting,
    server::Shared,
    socks::{Auth, Event, Request, Server},
};
use std::{mem, rc::Rc};
use trenza_core::{Input, OutBuf, Protocol, Reason, Result, Transport};

/// A client, until it has said what it wants.
pub(crate) struct Session {
    shared: Rc<Shared>,
    codec: Server,
    account: Rc<Account>,
}

impl Session {
    pub(crate) fn new(shared: Rc<Shared>, account: Rc<Account>) -> Self {
        let codec = Server::new(auth(&shared));
        Self { shared, codec, account }
    }

    /// One step of the dialogue. False: it is over, or waits for more.
    fn step(&mut self, near: &Transport, input: &mut Input<'_>, out: &mut OutBuf) -> Result<bool> {
        match self.codec.next(input, out) {
            Ok(None) => return Ok(false),
            Ok(Some(Event::Credentials { user, password })) => {
                let right = self.shared.users.as_ref().is_some_and(|users| users.admit(user, password));
                self.codec.admit(right, out)?;
                if right {
                    self.account.user(String::from_utf8_lossy(user).into_owned());
                    return Ok(true);
                }
                self.account.fail("wrong user or password");
            }
            Ok(Some(Event::Request(request))) => {
                near.send(out);
                self.begin(near, request);
                return Ok(false);
            }
            // Its answer is in `out` already.
            Err(error) => self.account.fail(error),
        }
        near.send(out);
        near.close();
        Ok(false)
    }

    /// Does what the client wants, while what it sends is kept.
    fn begin(&mut self, near: &Transport, request: Request) {
        self.account.target(request.target.to_string());
        let codec = mem::replace(&mut self.codec, Server::new(auth(&self.shared)));
        let errand = Errand {
            near: near.clone(),
            codec,
            request,
            shared: self.shared.clone(),
            account: self.account.clone(),
        };
        near.set_deadline(None);
        near.switch_to(Waiting { account: self.account.clone(), early: self.shared.limits.early });
        near.spawn(errand.run());
    }
}

fn auth(shared: &Shared) -> Auth {
    if shared.users.is_some() { Auth::Password } else { Auth::None }
}

impl Protocol for Session {
    fn connection_made(&mut self, near: &Transport) -> Result {
        near.set_deadline(Some(self.shared.limits.handshake));
        Ok(())
    }

    fn data_received(&mut self, near: &Transport, input: &mut Input<'_>) -> Result {
        let mut out = OutBuf::new();
        while self.step(near, input, &mut out)? {}
        near.send(&mut out);
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        if !matches!(reason, Reason::Switched) {
            self.account.fail(format!("the client, before it asked for anything: {reason}"));
        }
    }
}

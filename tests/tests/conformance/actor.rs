//! [`Actor`]: a protocol that notes everything it hears and does what a case tells it.

use crate::{ground::Ground, log::Log};
use trenza_core::{Input, Protocol, Reason, Result, Timeout, Transport};

type Hook = Box<dyn FnMut(&Transport) -> Result>;
type InputHook = Box<dyn FnMut(&Transport, &mut Input<'_>) -> Result>;
type TimeoutHook = Box<dyn FnMut(&Transport, Timeout) -> Result>;
type LostHook = Box<dyn FnMut(&Transport, &Reason)>;

/// Notes what it hears under its name. What it was not told to do otherwise: it takes all bytes and notes them,
/// and does what protocols do by default.
pub(crate) struct Actor {
    name: &'static str,
    log: Log,
    made: Option<Hook>,
    data: Option<InputHook>,
    eof: Option<InputHook>,
    writable: Option<Hook>,
    timed_out: Option<TimeoutHook>,
    stopping: Option<Hook>,
    lost: Option<LostHook>,
}

impl Actor {
    pub(crate) fn new(ground: &Ground, name: &'static str) -> Self {
        Self {
            name,
            log: ground.log().clone(),
            made: None,
            data: None,
            eof: None,
            writable: None,
            timed_out: None,
            stopping: None,
            lost: None,
        }
    }

    pub(crate) fn made(mut self, hook: impl FnMut(&Transport) -> Result + 'static) -> Self {
        self.made = Some(Box::new(hook));
        self
    }

    pub(crate) fn data(mut self, hook: impl FnMut(&Transport, &mut Input<'_>) -> Result + 'static) -> Self {
        self.data = Some(Box::new(hook));
        self
    }

    pub(crate) fn eof(mut self, hook: impl FnMut(&Transport, &mut Input<'_>) -> Result + 'static) -> Self {
        self.eof = Some(Box::new(hook));
        self
    }

    /// It goes on when the peer's stream has ended.
    pub(crate) fn stays(self) -> Self {
        self.eof(|_, _| Ok(()))
    }

    pub(crate) fn writable(mut self, hook: impl FnMut(&Transport) -> Result + 'static) -> Self {
        self.writable = Some(Box::new(hook));
        self
    }

    pub(crate) fn timed_out(mut self, hook: impl FnMut(&Transport, Timeout) -> Result + 'static) -> Self {
        self.timed_out = Some(Box::new(hook));
        self
    }

    pub(crate) fn stopping(mut self, hook: impl FnMut(&Transport) -> Result + 'static) -> Self {
        self.stopping = Some(Box::new(hook));
        self
    }

    pub(crate) fn lost(mut self, hook: impl FnMut(&Transport, &Reason) + 'static) -> Self {
        self.lost = Some(Box::new(hook));
        self
    }

    fn note(&self, what: impl AsRef<str>) {
        self.log.note(self.name, what);
    }
}

impl Protocol for Actor {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.note("made");
        self.made.as_mut().map_or(Ok(()), |hook| hook(transport))
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        match &mut self.data {
            Some(hook) => hook(transport, input),
            None => {
                self.log.receive(self.name, input.rest());
                Ok(())
            }
        }
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.note("eof");
        match &mut self.eof {
            Some(hook) => hook(transport, input),
            None => {
                transport.close();
                Ok(())
            }
        }
    }

    fn writable(&mut self, transport: &Transport) -> Result {
        self.note("writable");
        self.writable.as_mut().map_or(Ok(()), |hook| hook(transport))
    }

    fn timed_out(&mut self, transport: &Transport, which: Timeout) -> Result {
        self.note(format!("timed out {which:?}"));
        match &mut self.timed_out {
            Some(hook) => hook(transport, which),
            // What a protocol without this method does.
            None => Plain.timed_out(transport, which),
        }
    }

    fn stopping(&mut self, transport: &Transport) -> Result {
        self.note("stopping");
        match &mut self.stopping {
            Some(hook) => hook(transport),
            None => Plain.stopping(transport),
        }
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        if let Some(hook) = &mut self.lost {
            hook(transport, reason);
        }
        self.note(format!("lost {}", told(reason)));
    }
}

/// A protocol with every default.
pub(crate) struct Plain;

impl Protocol for Plain {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// A reason as it is the same on every driver.
pub(crate) fn told(reason: &Reason) -> String {
    match reason {
        Reason::Io(error) => format!("Io({:?})", error.kind()),
        Reason::Failed(error) => format!("Failed({error})"),
        reason => format!("{reason:?}"),
    }
}

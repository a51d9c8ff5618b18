//! [`Proxy`]: two connections and what goes between them.

use crate::{ledger::End, watched::Watched};
use std::{cell::RefCell, rc::Rc};
use trenza_core::{Input, Protocol, Reason, Result, Transport};

/// The other side, once it is there.
type Other = Rc<RefCell<Option<(End, Transport)>>>;

/// One side of a proxy. Each side is throttled by the other.
pub(crate) struct Proxy {
    end: End,
    other: Other,
    /// Where the side that accepted connects to.
    upstream: Option<&'static str>,
}

impl Proxy {
    /// The side that accepted.
    pub(crate) fn new(end: &End, upstream: &'static str) -> Self {
        Self { end: end.clone(), other: Other::default(), upstream: Some(upstream) }
    }

    fn connect(&self, transport: &Transport, upstream: &'static str) {
        self.end.pause(transport);
        let (judge, near) = (self.end.judge.clone(), (self.end.clone(), transport.clone()));
        let other = self.other.clone();
        let far = transport.reactor().connect(upstream, move |transport| {
            let end = End::new(&judge, judge.pair_of(transport, true), 0, "proxy");
            *other.borrow_mut() = Some((end.clone(), transport.clone()));
            let side = Self { end: end.clone(), other: Rc::new(RefCell::new(Some(near))), upstream: None };
            Watched::new(&end, "proxy", side)
        });
        far.then_in(transport.handle::<Self>(), |me: &mut Self, transport, far| {
            match far {
                Ok(_) => me.end.resume(transport),
                Err(error) => {
                    me.end.broke(&error);
                    me.end.abort(transport);
                }
            }
            Ok(())
        });
    }

    fn pass(&self, data: &[u8]) {
        self.end.read(data);
        if let Some((end, peer)) = &*self.other.borrow() {
            end.write(peer, data);
            end.look_at_throttle(peer);
        }
    }
}

impl Protocol for Proxy {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        if let Some(upstream) = self.upstream {
            self.connect(transport, upstream);
        } else if let Some((_, near)) = &*self.other.borrow() {
            transport.throttle(near);
            near.throttle(transport);
        }
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.pass(input.rest());
        Ok(())
    }

    fn eof_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.pass(input.rest());
        self.end.ended();
        if let Some((end, peer)) = &*self.other.borrow() {
            end.close_write(peer);
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        // A side that ended with both directions done leaves the other to do the same.
        if let Some((end, peer)) = self.other.take()
            && !(matches!(reason, Reason::Closed) && self.end.is_done())
        {
            end.abort(&peer);
        }
    }
}

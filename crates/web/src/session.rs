//! [`Session`]: the protocol of one HTTP/1 connection of a server.
//!
//! ```text
//!   input ──▶ codec ──Request──▶ handler ──▶ Answer::Now ───────────┐
//!               │                   └──▶ Answer::Later ── task ──▶ respond
//!               ├──Data──▶ upload (channel) ──▶ request's Body        │
//!               │                                                   pump ◀── writable, body has more
//!   output ◀────┴──────────────────────────── head, pieces, end ◀─────┘
//! ```
//!
//! One request is in work at a time. Whatever is not wanted yet (the next request, a body that its handler does
//! not read, anything while the client does not take its responses) stays with the connection, which is paused.

use crate::{
    Answer, Body, StatusError,
    body::Piece,
    channel::Notice,
    exchange::{Exchange, notice},
    h1::{self, Event, Framing},
    pace::{Pace, Verdict},
    page::status_page,
    server::Shared,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};
use trenza_core::{Error, Limits, OutBuf, Protocol, Reason, Result, Seat, Timeout, Transport};
use trenza_wire::Input;

/// Most bytes of a request's body that are read and thrown away so that the connection persists. A longer one costs
/// less when the connection is closed.
const DRAIN_MAX: u64 = 64 * 1024;

/// Most bytes of an upload that are thrown away after it was refused. A client that only reads when it has sent
/// all would never see the answer; the time that closing may take bounds it too.
const LINGER_MAX: u64 = 256 * 1024 * 1024;

/// How long a client may keep its end open when the server stops: nobody wants to wait for it.
const STOP_LINGER: Duration = Duration::from_secs(1);

/// How many bytes are collected before they are handed to the connection.
const BATCH: usize = 64 * 1024;

/// One HTTP/1 connection of a server.
pub(crate) struct Session {
    shared: Rc<Shared>,
    /// Its place among the connections from its address.
    seat: Option<Seat>,
    codec: h1::Connection,
    /// The request in work. None between requests.
    exchange: Option<Box<Exchange>>,
    /// The request before it, while its response fills the connection.
    leaving: Option<Box<Exchange>>,
    pace: Pace,
    /// We paused the connection.
    paused: bool,
    /// The client has ended its side.
    eof: bool,
    /// The server stops.
    stopping: bool,
    /// The client may still be sending a body that nobody reads: see [`Session::cut_short`].
    cut_short: bool,
}

/// Why no more of a body is written.
enum Filled {
    /// It is enough for once.
    Batch,
    /// There is no more yet.
    Waits,
    /// That was all.
    Ended,
}

impl Session {
    pub(crate) fn new(shared: Rc<Shared>, seat: Option<Seat>) -> Self {
        Self {
            shared,
            seat,
            codec: h1::Connection::new(),
            exchange: None,
            leaving: None,
            pace: Pace::default(),
            paused: false,
            eof: false,
            stopping: false,
            cut_short: false,
        }
    }

    /// Takes what can be taken from the input.
    fn read(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        let shared = self.shared.clone();
        while self.may_read(transport) {
            if self.cut_short {
                // Whatever it is: the response is not to suffer from it.
                input.rest();
                break;
            }
            match self.codec.next(input, &shared.limits.message) {
                Ok(None) => break,
                Ok(Some(Event::Request { request, body })) => self.begin(transport, request, body)?,
                Ok(Some(Event::Data(data))) => {
                    if let Some(upload) = self.upload() {
                        upload.push(Bytes::copy_from_slice(data));
                    }
                }
                Ok(Some(Event::Trailers(trailers))) => {
                    if let Some(upload) = self.exchange.as_mut().and_then(|exchange| exchange.upload.take()) {
                        upload.trailers(trailers);
                    }
                }
                Ok(Some(Event::End)) => {
                    if let Some(upload) = self.exchange.as_mut().and_then(|exchange| exchange.upload.take()) {
                        upload.finish();
                    }
                }
                Err(h1::Error::Remote { what, reply }) => return self.refuse(transport, reply, what),
                Err(error @ h1::Error::Local(_)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What is read now has a place to go.
    fn may_read(&self, transport: &Transport) -> bool {
        if self.cut_short {
            return true;
        }
        if transport.is_full() {
            return false;
        }
        if !self.codec.is_in_body() {
            return true;
        }
        match self.upload() {
            Some(upload) if !upload.is_abandoned() => !upload.is_full(),
            _ => self.may_drain(),
        }
    }

    /// What is unread stays so for now; else it is part of a message whose rest has not come.
    fn waits(&self, transport: &Transport) -> bool {
        !self.may_read(transport) || (self.exchange.is_some() && !self.codec.is_in_body())
    }

    fn upload(&self) -> Option<&crate::BodySender> {
        self.exchange.as_ref()?.upload.as_ref()
    }

    /// The rest of the request's body is short enough to be thrown away.
    fn may_drain(&self) -> bool {
        self.codec.body_left().is_some_and(|left| left <= DRAIN_MAX)
    }

    /// Looks what is to be done after the input was read, or after a response. `left`: bytes were left.
    fn settle(&mut self, transport: &Transport, left: bool) -> Result {
        if !transport.is_open() || self.codec.is_upgraded() {
            return Ok(());
        }
        if self.codec.is_over() {
            match self.codec.is_last_of_client() && !self.cut_short && !left {
                true => transport.hang_up(),
                false => transport.close(),
            }
            return Ok(());
        }
        let left = left && self.waits(transport);
        if left && !self.paused {
            // Else the rest would be offered again with every byte that comes, and overflow in the end.
            self.paused = true;
            transport.pause();
        }
        if self.eof && !left {
            return self.ended(transport);
        }
        self.watch(transport);
        Ok(())
    }

    /// The client has ended its side, and everything that it sent was read.
    fn ended(&mut self, transport: &Transport) -> Result {
        if self.codec.is_in_body() && !self.cut_short {
            return self.refuse(transport, StatusCode::BAD_REQUEST, "the body was cut short");
        }
        if self.exchange.is_some() {
            self.codec.close_after();
        } else {
            transport.close();
        }
        Ok(())
    }

    /// Has the client's pace watched where it could hold us up.
    fn watch(&mut self, transport: &Transport) {
        let limits = &self.shared.limits;
        if self.codec.is_in_head() {
            self.pace.head(transport, limits);
        } else if transport.is_full() || self.awaits_body() {
            self.pace.rate(transport, limits);
        }
    }

    /// It is up to the client that a body goes on.
    fn awaits_body(&self) -> bool {
        self.codec.is_in_body() && !self.cut_short && !self.paused && !self.codec.expects_continue()
    }

    /// Reads again if we had paused.
    fn resume(&mut self, transport: &Transport) {
        if self.paused && !self.waits(transport) {
            self.paused = false;
            self.pace.restart(transport);
            transport.resume();
        }
    }

    /// This exchange is the last one, and nobody reads the rest of its upload. Some clients only read when they have
    /// sent all: what comes is thrown away while the response is sent, and after it.
    fn cut_short(&mut self, transport: &Transport) {
        self.codec.close_after();
        if !self.cut_short {
            self.cut_short = true;
            let limits = (*transport.limits()).clone();
            transport.set_limits(Limits { linger_bytes: LINGER_MAX, read_while_full: true, ..limits });
        }
    }

    /// A request's head is complete.
    fn begin(&mut self, transport: &Transport, request: Request<()>, framing: Framing) -> Result {
        self.pace.stop(transport);
        self.left(transport);
        let mut exchange = Exchange::begin(transport, &self.shared, &request);
        let body = match framing {
            Framing::Empty => Body::empty(),
            _ => {
                let (upload, body) = Body::channel();
                upload.on_change(Notice::Call(notice(transport)));
                exchange.upload = Some(upload);
                body
            }
        };
        self.exchange = Some(exchange);
        let request = request.map(|()| body.sent_by(transport.peer()));
        let shared = self.shared.clone();
        match catch_unwind(AssertUnwindSafe(|| shared.handler.handle(request))) {
            Ok(Answer::Now(response)) => self.respond(transport, response),
            Ok(Answer::Later(task)) => {
                let handle = transport.handle::<Self>();
                transport.reactor().spawn(task).then_in(handle, Self::answered);
                Ok(())
            }
            // What it has thrown is dropped by the loop: that may panic again, and then costs the connection.
            Err(payload) => {
                self.fail(transport, &"the handler panicked".into())?;
                transport.attach(payload);
                Ok(())
            }
        }
    }

    /// A handler's coroutine has ended. Its exchange may have been refused meanwhile; no other has begun then.
    fn answered(&mut self, transport: &Transport, result: Result<Response<Body>>) -> Result {
        if !self.codec.can_answer() || !transport.is_open() {
            return Ok(());
        }
        match result {
            Ok(response) => self.respond(transport, response)?,
            Err(error) => self.fail(transport, &error)?,
        }
        self.after_response(transport)
    }

    /// The handler failed: an error, or a panic.
    fn fail(&mut self, transport: &Transport, error: &Error) -> Result {
        if let Some(error) = error.downcast_ref::<StatusError>() {
            tracing::debug!(%error, "refused by the handler");
            return self.respond(transport, status_page(error.status()));
        }
        tracing::error!(%error, "the handler failed");
        self.codec.close_after();
        self.respond(transport, status_page(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// The client broke the protocol or was too slow: the last response says so, if there can be one.
    fn refuse(&mut self, transport: &Transport, status: StatusCode, what: &'static str) -> Result {
        tracing::debug!(%status, what, "refused");
        self.cut_short(transport);
        self.codec.refuse();
        if let Some(upload) = self.exchange.as_mut().and_then(|exchange| exchange.upload.take()) {
            upload.break_off(what);
        }
        if self.codec.can_answer() {
            let refused = self.codec.take_refused();
            self.exchange.get_or_insert_with(|| match refused {
                Some(request) => Exchange::begin(transport, &self.shared, &request),
                None => Exchange::begin_unknown(transport, &self.shared),
            });
            self.respond(transport, status_page(status))?;
        } else if self.exchange.is_some() {
            // Half a response is out: the client must see that the rest does not come.
            return Err(what.into());
        }
        self.settle(transport, false)
    }

    /// Sends a response's head, and what there is of its body.
    fn respond(&mut self, transport: &Transport, response: Response<Body>) -> Result {
        let (parts, body) = response.into_parts();
        let body = match body.into_upgrade() {
            Ok(serve) if self.codec.can_upgrade(parts.status) => {
                return self.upgrade(transport, &parts, serve);
            }
            Ok(_) => return self.fail(transport, &"an upgrade that the client did not ask for".into()),
            Err(body) if self.codec.can_upgrade(parts.status) => {
                drop(body);
                return self.refuse(transport, StatusCode::NOT_IMPLEMENTED, "a tunnel that leads nowhere");
            }
            Err(body) => body,
        };
        let unread = self.codec.is_in_body() && self.upload().is_none_or(crate::BodySender::is_abandoned);
        if unread && !self.may_drain() {
            self.cut_short(transport);
        }
        if self.stopping {
            self.codec.close_after();
        }
        let filled = transport.compose(|out| {
            self.shared.with_date(transport.reactor(), |date| {
                self.codec.send_head(parts.status, &parts.headers, body.len(), date, out)
            })?;
            h1::give(parts.headers);
            if let Some(exchange) = &mut self.exchange {
                exchange.status = Some(parts.status);
                exchange.body = if self.codec.sends_body() { body } else { Body::empty() };
            }
            Ok(self.fill(transport, out))
        });
        match filled {
            Ok(filled) => self.pump(transport, filled?),
            // Only our own page cannot fail again.
            Err(error) if parts.status == StatusCode::INTERNAL_SERVER_ERROR => Err(Error::from(error)),
            Err::<_, h1::Error>(error) => self.fail(transport, &error.into()),
        }
    }

    /// Sends what there is of the response's body, until the connection is full. `filled`: what came of it so far.
    fn pump(&mut self, transport: &Transport, mut filled: Filled) -> Result {
        loop {
            match filled {
                Filled::Batch if transport.is_full() => return Ok(()),
                Filled::Batch => {}
                Filled::Waits => {
                    if let Some(exchange) = &self.exchange {
                        exchange.body.on_change(notice(transport));
                    }
                    return Ok(());
                }
                Filled::Ended => {
                    self.finished(transport);
                    return Ok(());
                }
            }
            filled = transport.compose(|out| self.fill(transport, out))?;
        }
    }

    /// Writes what there is of the response's body, but not much more than a batch.
    fn fill(&mut self, transport: &Transport, out: &mut OutBuf) -> Result<Filled> {
        let before = out.queued();
        loop {
            let Some(exchange) = &mut self.exchange else { return Ok(Filled::Waits) };
            match exchange.body.piece() {
                Piece::Chunk(chunk) => {
                    exchange.bytes = exchange.bytes.saturating_add(chunk.len() as u64);
                    self.codec.send(chunk, out)?;
                }
                Piece::Wait => return Ok(Filled::Waits),
                Piece::End(trailers) => {
                    self.end_upload(transport);
                    self.codec.finish(trailers.as_ref(), out)?;
                    return Ok(Filled::Ended);
                }
                Piece::Broken(why) => return Err(why.into()),
            }
            if out.queued().saturating_sub(before) >= BATCH {
                return Ok(Filled::Batch);
            }
        }
    }

    /// The response is complete: what is left of the request's body is not for its handler any more.
    fn end_upload(&mut self, transport: &Transport) {
        if let Some(upload) = self.exchange.as_mut().and_then(|exchange| exchange.upload.take()) {
            upload.break_off("the response is complete");
        }
        if self.codec.is_in_body() && !self.may_drain() {
            self.cut_short(transport);
        }
    }

    /// The whole response was handed to the connection. A long one is not logged before the client has taken it, so
    /// that the log tells how long that took, and whether it did.
    fn finished(&mut self, transport: &Transport) {
        self.left(transport);
        self.leaving = self.exchange.take();
        if !transport.is_full() {
            self.left(transport);
        }
    }

    /// What filled the connection has left.
    fn left(&mut self, transport: &Transport) {
        if let Some(exchange) = self.leaving.take() {
            exchange.end(transport, &self.shared, true);
        }
    }

    /// A response, or a part of one, was sent outside of `data_received`.
    fn after_response(&mut self, transport: &Transport) -> Result {
        self.settle(transport, transport.counts().unread > 0)?;
        self.resume(transport);
        Ok(())
    }

    /// Something has changed at the other end of a body.
    pub(crate) fn body_changed(&mut self, transport: &Transport) -> Result {
        if self.codec.expects_continue() && self.upload().is_some_and(crate::BodySender::is_wanted) {
            let mut out = OutBuf::new();
            self.codec.send_continue(&mut out);
            transport.send(&mut out);
        }
        if let Some(exchange) = &self.exchange
            && let Some(upload) = &exchange.upload
        {
            upload.on_change(Notice::Call(notice(transport)));
        }
        self.go_on(transport)
    }

    /// Sends and reads what it can.
    fn go_on(&mut self, transport: &Transport) -> Result {
        if self.exchange.as_ref().is_some_and(|exchange| exchange.status.is_some()) && !transport.is_full() {
            self.pump(transport, Filled::Batch)?;
        }
        self.after_response(transport)
    }

    /// Gives the connection away.
    fn upgrade(
        &mut self,
        transport: &Transport,
        parts: &http::response::Parts,
        serve: Box<dyn FnOnce(trenza_core::Stream)>,
    ) -> Result {
        let mut out = OutBuf::new();
        self.shared.with_date(transport.reactor(), |date| {
            self.codec.send_head(parts.status, &parts.headers, None, date, &mut out)
        })?;
        transport.send(&mut out);
        if let Some(exchange) = &mut self.exchange {
            exchange.status = Some(parts.status);
        }
        self.finished(transport);
        self.left(transport);
        transport.set_deadline(None);
        transport.set_timeout(None);
        transport.attach(self.seat.take());
        let stream = transport.switch_to_stream();
        serve(stream);
        Ok(())
    }
}

impl Protocol for Session {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.set_timeout(Some(self.shared.limits.idle_time));
        self.pace.head(transport, &self.shared.limits);
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.read(transport, input)?;
        self.settle(transport, !input.is_empty())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.eof = true;
        self.read(transport, input)?;
        self.settle(transport, !input.is_empty())
    }

    fn writable(&mut self, transport: &Transport) -> Result {
        self.left(transport);
        self.go_on(transport)
    }

    fn timed_out(&mut self, transport: &Transport, which: Timeout) -> Result {
        if which == Timeout::Idle {
            match transport.counts().unsent {
                // The handler takes its time.
                _ if self.exchange.is_some() => {}
                0 => transport.close(),
                _ => transport.abort(),
            }
            return Ok(());
        }
        match self.pace.judge(transport, &self.shared.limits, self.awaits_body()) {
            Verdict::Fine => {}
            Verdict::ReadsTooSlowly => transport.abort(),
            // The last response is on its way; what the client sends does not matter any more.
            _ if !transport.is_open() => {}
            Verdict::HeadTooSlow if self.codec.is_in_head() => {
                self.refuse(transport, StatusCode::REQUEST_TIMEOUT, "the head took too long")?;
            }
            Verdict::HeadTooSlow => transport.close(),
            Verdict::SendsTooSlowly => {
                self.refuse(transport, StatusCode::REQUEST_TIMEOUT, "the body came too slowly")?;
            }
        }
        Ok(())
    }

    fn stopping(&mut self, transport: &Transport) -> Result {
        self.stopping = true;
        transport.set_limits(Limits { linger: STOP_LINGER, ..(*transport.limits()).clone() });
        self.codec.close_after();
        self.settle(transport, transport.counts().unread > 0)
    }

    fn connection_lost(&mut self, transport: &Transport, _: &Reason) {
        let unsent = transport.counts().unsent as u64;
        if let Some(mut exchange) = self.leaving.take() {
            exchange.bytes = exchange.bytes.saturating_sub(unsent);
            exchange.end(transport, &self.shared, unsent == 0);
        }
        if let Some(mut exchange) = self.exchange.take() {
            exchange.bytes = exchange.bytes.saturating_sub(unsent);
            exchange.end(transport, &self.shared, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Session>() <= 160, "{}", size_of::<Session>());
    }
}

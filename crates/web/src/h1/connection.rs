//! [`Connection`]: the server's end of one HTTP/1 connection, as a state machine.
//!
//! Two halves move on their own and meet at the end of an exchange:
//!
//! ```text
//!  reading    ┌────┐  head   ┌────┐  last byte   ┌────┐
//!         ┌──▶│Head├────────▶│Body├─────────────▶│Done├──┐
//!         │   └─┬──┘         └─┬──┘              └────┘  │ both done,
//!         │     └── error, eof ┴──────▶ Closed           │ connection persists
//!         ├──────────────────────────────────────────────┤
//!         │   ┌────┐ request ┌────┐ send_head ┌────┐ finish ┌────┐
//!         └──▶│Idle├────────▶│Head├──────────▶│Body├───────▶│Done│
//!  writing    └────┘         └────┘           └────┘        └────┘
//!                            send_continue stays in Head
//! ```
//!
//! When the connection does not persist, reading ends in `Closed` and every byte that follows is ignored.
//! The next request is not looked at before the exchange is over, so responses keep the order of requests.

use super::{
    Error, Framing, Limits,
    chunked::Piece,
    error::{bad, refuse},
    framing, head,
    reader::Reader,
    section::{Present, Scan, list},
    writer::{Head, Persistence, Writer},
};
use http::{
    HeaderMap, Method, Request, StatusCode, Version,
    header::{CONNECTION, EXPECT},
};
use trenza_wire::{Chunk, Input, OutBuf};

/// What came from the client. A message is `Request`, any number of `Data`, at most one `Trailers`, `End`; an `End`
/// that was not asked for before the response was finished is not told.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request's head.
    Request {
        /// Method, target, version and fields.
        request: Request<()>,
        /// How long the body is.
        body: Framing,
    },
    /// Bytes of the body, at least one.
    Data(&'a [u8]),
    /// Fields after a chunked body, without those that must not stand there.
    Trailers(HeaderMap),
    /// The request is complete.
    End,
}

/// The server's end of one HTTP/1 connection. It holds no bytes: what is not yet understood stays in the
/// [`Input`].
#[derive(Debug, Clone)]
pub struct Connection {
    reading: Reading,
    writing: Writing,
    /// The connection may serve another request after this one.
    persists: bool,
    /// What the present request said that matters for its response.
    asked: Asked,
    /// A request that was understood and refused all the same.
    refused: Option<Box<Request<()>>>,
}

#[derive(Debug, Clone)]
enum Reading {
    Head {
        scan: Scan,
        skipped_line: bool,
    },
    Body(Reader),
    /// The body has ended, with these trailers still to tell.
    Done,
    Closed,
}

#[derive(Debug, Clone)]
enum Writing {
    Idle,
    Head,
    Body(Writer),
    Done,
    Upgraded,
}

#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    /// HTTP/1.0.
    old: bool,
    /// HEAD: the response has no body.
    head: bool,
    /// CONNECT: a 2xx response turns the connection into a tunnel.
    connect: bool,
    /// It may be switched to another protocol: it asked for that, and has no body.
    upgrade: bool,
    /// It waits for 100 before it sends its body.
    expects: bool,
    /// The client will send no other.
    last: bool,
}

impl Default for Connection {
    fn default() -> Self {
        Self::new()
    }
}

impl Connection {
    /// A connection before its first request.
    pub fn new() -> Self {
        Self {
            reading: Reading::start(),
            writing: Writing::Idle,
            persists: true,
            asked: Asked::default(),
            refused: None,
        }
    }

    /// The next event, or None until there is one.
    ///
    /// # Errors
    /// The client broke the protocol or went over a limit. Nothing more will be read; if no head was sent yet,
    /// a response with the error's status may be sent, and then the connection is to be closed.
    pub fn next<'a>(&mut self, input: &mut Input<'a>, limits: &Limits) -> Result<Option<Event<'a>>, Error> {
        let result = self.read(input, limits);
        if result.is_err() {
            self.refuse();
        }
        result
    }

    fn read<'a>(&mut self, input: &mut Input<'a>, limits: &Limits) -> Result<Option<Event<'a>>, Error> {
        match &mut self.reading {
            Reading::Head { scan, skipped_line } => {
                if scan.is_fresh() && !*skipped_line {
                    // Some clients send an empty line after a body (RFC 9112, section 2.2).
                    match input.peek() {
                        [] | [b'\r'] => return Ok(None),
                        [b'\r', b'\n', ..] => {
                            input.skip(2);
                            *skipped_line = true;
                        }
                        _ => {}
                    }
                }
                let head = input.peek().starts_with(b"HEAD ");
                let (request, present) = match head::take(scan, input, limits) {
                    Ok(Some(head)) => head,
                    Ok(None) => return Ok(None),
                    Err(error) => {
                        // The answer to HEAD has no body, even if nothing else of the request was understood.
                        self.asked = Asked { head, ..Asked::default() };
                        self.writing = Writing::Head;
                        return Err(error);
                    }
                };
                match self.begin(&request, present, limits) {
                    Ok(body) => Ok(Some(Event::Request { request, body })),
                    Err(error) => {
                        self.refused = Some(Box::new(request));
                        Err(error)
                    }
                }
            }
            Reading::Body(reader) => match reader.next(input, limits)? {
                None => Ok(None),
                Some(Piece::Data(data)) => {
                    self.asked.expects = false;
                    Ok(Some(Event::Data(data)))
                }
                Some(Piece::End(trailers)) if trailers.is_empty() => {
                    self.reading = Reading::Done;
                    self.turn();
                    Ok(Some(Event::End))
                }
                Some(Piece::End(trailers)) => {
                    *reader = Reader::Length(0);
                    Ok(Some(Event::Trailers(trailers)))
                }
            },
            Reading::Done | Reading::Closed => Ok(None),
        }
    }

    /// The request that the last error was about, if its head was understood: for logs.
    pub fn take_refused(&mut self) -> Option<Request<()>> {
        self.refused.take().map(|request| *request)
    }

    /// Takes note of what a request asks for.
    fn begin(&mut self, request: &Request<()>, present: Present, limits: &Limits) -> Result<Framing, Error> {
        let headers = request.headers();
        let old = request.version() == Version::HTTP_10;
        let connect = *request.method() == Method::CONNECT;
        let (mut close, mut keep_alive, mut upgrade) = (false, false, false);
        let options = present.connection.then(|| list(headers, &CONNECTION));
        for option in options.into_iter().flatten() {
            close |= option.eq_ignore_ascii_case(b"close");
            keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
        upgrade &= !old && present.upgrade;
        let head = *request.method() == Method::HEAD;
        let last = close || (old && !keep_alive);
        self.asked = Asked { old, head, connect, upgrade, expects: false, last };
        self.writing = Writing::Head;
        let body = match present.framing {
            true => framing::of_request(request.version(), headers)?,
            false => Framing::Empty,
        };
        // Behind a body more may come: the rest of it if nobody reads it, or an empty line of an old client.
        self.asked.last &= body == Framing::Empty;
        // The next protocol begins behind the whole request, and who switches to it does not read a body.
        self.asked.upgrade &= body == Framing::Empty;
        self.persists &= !last;
        if connect && body != Framing::Empty {
            return Err(bad("CONNECT with a body"));
        }
        if let Framing::Length(length) = body
            && length > limits.body
        {
            return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "body too large"));
        }
        if !old && present.expect {
            if !list(headers, &EXPECT).all(|expectation| expectation.eq_ignore_ascii_case(b"100-continue")) {
                return Err(refuse(StatusCode::EXPECTATION_FAILED, "unknown expectation"));
            }
            self.asked.expects = body != Framing::Empty;
        }
        self.reading = Reading::Body(Reader::new(body));
        Ok(body)
    }

    /// Tells that the client will send no more.
    ///
    /// # Errors
    /// It stopped in the middle of a request.
    pub fn eof(&mut self) -> Result<(), Error> {
        let within = match &self.reading {
            Reading::Head { scan, .. } => !scan.is_fresh(),
            Reading::Body(_) => true,
            Reading::Done | Reading::Closed => false,
        };
        self.persists = false;
        if within {
            self.refuse();
            return Err(bad("the connection ended within a request"));
        }
        self.reading = Reading::Closed;
        Ok(())
    }

    /// Reads no more, and lets a last response be sent if none has begun: for a client that broke the protocol
    /// or was too slow.
    pub fn refuse(&mut self) {
        self.persists = false;
        self.reading = Reading::Closed;
        if matches!(self.writing, Writing::Idle) {
            self.asked = Asked::default();
            self.writing = Writing::Head;
        }
    }

    /// This exchange is the last one: its response will say so if its head is not out yet.
    pub fn close_after(&mut self) {
        self.persists = false;
        if self.is_idle() {
            self.reading = Reading::Closed;
        }
    }

    /// Nothing of a request has come, and no response is due.
    pub fn is_idle(&self) -> bool {
        matches!(&self.reading, Reading::Head { scan, .. } if scan.is_fresh())
            && matches!(self.writing, Writing::Idle)
    }

    /// A head has begun and is not complete.
    pub fn is_in_head(&self) -> bool {
        matches!(&self.reading, Reading::Head { scan, .. } if !scan.is_fresh())
    }

    /// Bytes of the request's body are to come.
    pub fn is_in_body(&self) -> bool {
        self.body_left() != Some(0)
    }

    /// How many bytes of the request's body are to come, where that is known.
    pub fn body_left(&self) -> Option<u64> {
        match &self.reading {
            Reading::Body(reader) => reader.left(),
            _ => Some(0),
        }
    }

    /// A response may be sent: its head is not out yet.
    pub fn can_answer(&self) -> bool {
        matches!(self.writing, Writing::Head)
    }

    /// The exchange is over and the connection does not persist.
    pub fn is_over(&self) -> bool {
        matches!(self.reading, Reading::Closed) && matches!(self.writing, Writing::Idle | Writing::Done)
    }

    /// The exchange is over, its request had no body, and the client said that it sends no other (RFC 9112, section 9.6).
    pub fn is_last_of_client(&self) -> bool {
        self.is_over() && self.asked.last
    }

    /// The connection was given to another protocol.
    pub fn is_upgraded(&self) -> bool {
        matches!(self.writing, Writing::Upgraded)
    }

    /// The head of a response is out, and a body is to follow.
    pub fn sends_body(&self) -> bool {
        matches!(&self.writing, Writing::Body(writer) if !matches!(writer, Writer::Empty))
    }

    /// The client waits for [`Connection::send_continue`] before it sends its body, and none of it has come.
    pub fn expects_continue(&self) -> bool {
        self.asked.expects && self.can_answer()
    }

    /// The present request may be answered by a switch to another protocol: with 101, or 2xx to CONNECT.
    pub fn can_upgrade(&self, status: StatusCode) -> bool {
        if self.asked.connect {
            return status.is_success();
        }
        self.asked.upgrade && status == StatusCode::SWITCHING_PROTOCOLS
    }

    /// Tells the client to send its body (RFC 9110, section 15.2.1). Does nothing if it does not wait.
    pub fn send_continue(&mut self, out: &mut OutBuf) {
        if self.expects_continue() {
            self.asked.expects = false;
            out.push_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Sends a response's head. `length` is the body's, None if it is not known: then the body is sent in chunks,
    /// or until the connection is closed. Framing fields in `headers` are replaced, but a Content-Length counts
    /// for a body of unknown length and for responses to HEAD. `date` is the present time in HTTP's format.
    ///
    /// # Errors
    /// Local: no response is due; the status is interim, or switches protocols unasked.
    pub fn send_head(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        length: Option<u64>,
        date: &str,
        out: &mut OutBuf,
    ) -> Result<(), Error> {
        if !self.can_answer() {
            return Err(Error::Local("no response is due"));
        }
        let tunnel = status == StatusCode::SWITCHING_PROTOCOLS || self.asked.connect && status.is_success();
        if tunnel {
            return self.send_upgrade(status, headers, date, out);
        }
        if status.is_informational() {
            return Err(Error::Local("an interim status cannot be the last one"));
        }
        let present = Present::in_section(headers);
        let declared = match present.framing {
            true => framing::content_length(headers).map_err(|_| Error::Local("malformed Content-Length"))?,
            false => None,
        };
        let (said, framing) = match length.or(declared) {
            _ if status == StatusCode::NO_CONTENT => (None, Framing::Empty),
            _ if status == StatusCode::NOT_MODIFIED => (declared, Framing::Empty),
            length if self.asked.head => (declared.or(length), Framing::Empty),
            Some(length) => (Some(length), Framing::Length(length)),
            None if self.asked.old => (None, Framing::UntilClose),
            None => (None, Framing::Chunked),
        };
        // A client that was not told to go on may send its body or not: what follows cannot be known.
        let lost = framing == Framing::UntilClose || self.asked.expects;
        let close = present.connection
            && list(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case(b"close"));
        self.persists &= !lost && !close;
        let persistence = match (self.persists, self.asked.old) {
            (false, _) => Persistence::Close,
            (true, true) => Persistence::KeepAlive,
            (true, false) => Persistence::Implied,
        };
        let chunked = framing == Framing::Chunked;
        Head { status, headers, present, length: said, chunked, persistence, date }.push(out);
        self.writing = Writing::Body(Writer::new(framing));
        Ok(())
    }

    fn send_upgrade(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        date: &str,
        out: &mut OutBuf,
    ) -> Result<(), Error> {
        if !self.can_upgrade(status) {
            return Err(Error::Local("the client did not ask for an upgrade"));
        }
        let persistence = if self.asked.connect { Persistence::Implied } else { Persistence::Upgrade };
        let present = Present::in_section(headers);
        Head { status, headers, present, length: None, chunked: false, persistence, date }.push(out);
        self.reading = Reading::Closed;
        self.writing = Writing::Upgraded;
        Ok(())
    }

    /// Sends a piece of the response's body. Where the response has none (HEAD, 204, 304), it is dropped.
    ///
    /// # Errors
    /// Local: the head is not out, or the body is longer than its head said.
    pub fn send(&mut self, data: Chunk, out: &mut OutBuf) -> Result<(), Error> {
        match &mut self.writing {
            Writing::Body(writer) => writer.data(data, out),
            _ => Err(Error::Local("body without a head")),
        }
    }

    /// Ends the response. Trailers are sent where the body is chunked, else dropped.
    ///
    /// # Errors
    /// Local: the head is not out, or the body is shorter than its head said. The connection must be aborted,
    /// so that the client sees it.
    pub fn finish(&mut self, trailers: Option<&HeaderMap>, out: &mut OutBuf) -> Result<(), Error> {
        let Writing::Body(writer) = &self.writing else {
            return Err(Error::Local("end without a head"));
        };
        writer.end(trailers, out)?;
        self.writing = Writing::Done;
        if !self.persists {
            self.reading = Reading::Closed;
        } else if !self.is_in_body() {
            self.reading = Reading::Done;
        }
        self.turn();
        Ok(())
    }

    /// Begins the next exchange when both halves of this one are done.
    fn turn(&mut self) {
        if !matches!((&self.reading, &self.writing), (Reading::Done, Writing::Done)) {
            return;
        }
        self.writing = Writing::Idle;
        self.reading = if self.persists { Reading::start() } else { Reading::Closed };
    }
}

impl Reading {
    fn start() -> Self {
        Self::Head { scan: Scan::default(), skipped_line: false }
    }
}

//! [`Exchange`]: one request and its response, while they are in work.

use crate::{Body, BodySender, Record, server::Shared, session::Session};
use http::{
    Request, StatusCode, Uri, Version,
    header::{REFERER, USER_AGENT},
};
use std::{rc::Rc, time::Duration, time::Instant};
use trenza_core::Transport;

/// One request and its response, while they are in work.
#[derive(Default)]
pub(crate) struct Exchange {
    /// Where the bytes of the request's body go, until it is complete.
    pub(crate) upload: Option<BodySender>,
    /// The response's, once its head is out.
    pub(crate) status: Option<StatusCode>,
    /// What is still to be sent of the response's body.
    pub(crate) body: Body,
    /// How many bytes of it were sent.
    pub(crate) bytes: u64,
    record: Option<Box<(Record, Instant)>>,
}

impl Exchange {
    /// The request's head has come.
    pub(crate) fn begin(transport: &Transport, shared: &Shared, request: &Request<()>) -> Box<Self> {
        let mut exchange = Self::begin_unknown(transport, shared);
        if let Some(record) = &mut exchange.record {
            let headers = request.headers();
            let record = &mut record.0;
            record.method = Some(request.method().clone());
            record.target = request.uri().clone();
            record.version = request.version();
            record.referer = headers.get(REFERER).cloned();
            record.user_agent = headers.get(USER_AGENT).cloned();
        }
        exchange
    }

    /// A request that could not be understood.
    pub(crate) fn begin_unknown(transport: &Transport, shared: &Shared) -> Box<Self> {
        let mut exchange = shared.spare.take().unwrap_or_default();
        exchange.record = shared.on_response.is_some().then(|| {
            let record = Record {
                remote: transport.peer().remote.clone(),
                time: transport.reactor().wall(),
                method: None,
                target: Uri::default(),
                version: Version::HTTP_11,
                status: None,
                bytes: 0,
                complete: false,
                duration: Duration::ZERO,
                referer: None,
                user_agent: None,
            };
            Box::new((record, transport.reactor().now()))
        });
        exchange
    }

    /// It is over: writes it down, and keeps its memory for another one.
    pub(crate) fn end(mut self: Box<Self>, transport: &Transport, shared: &Shared, complete: bool) {
        if let (Some(log), Some(record)) = (&shared.on_response, self.record.take()) {
            let (mut record, began) = *record;
            record.status = self.status;
            record.bytes = self.bytes;
            record.complete = complete;
            record.duration = transport.reactor().now().saturating_duration_since(began);
            log(&record);
        }
        // What is left of a body may be the user's: it is dropped before the server's place is touched.
        *self = Self::default();
        shared.spare.set(Some(self));
    }
}

/// What the far end of a body calls when something has changed there.
pub(crate) fn notice(transport: &Transport) -> Rc<dyn Fn()> {
    let handle = transport.handle::<Session>();
    Rc::new(move || handle.call(Session::body_changed))
}

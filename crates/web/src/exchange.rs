//! [`Exchange`]: one request and its response, while they are in work.

use crate::{Body, BodySender, Record, server::Shared, session::Session};
use http::{
    Request, StatusCode, Uri, Version,
    header::{REFERER, USER_AGENT},
};
use std::{rc::Rc, time::Duration, time::Instant};
use trenza_core::Transport;

/// One request and its response, while they are in work.
pub(crate) struct Exchange {
    /// Where the bytes of the request's body go, until it is complete.
    pub(crate) upload: Option<BodySender>,
    /// The response's, once its head is out.
    pub(crate) status: Option<StatusCode>,
    /// What is still to be sent of the response's body.
    pub(crate) body: Body,
    /// How many bytes of it were sent.
    pub(crate) bytes: u64,
    transport: Transport,
    record: Option<Box<(Record, Instant)>>,
}

impl Exchange {
    /// The request's head has come.
    pub(crate) fn new(transport: &Transport, shared: &Shared, request: &Request<()>) -> Self {
        let mut exchange = Self::unknown(transport, shared);
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
    pub(crate) fn unknown(transport: &Transport, shared: &Shared) -> Self {
        let record = shared.on_response.is_some().then(|| {
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
        Self {
            upload: None,
            status: None,
            body: Body::empty(),
            bytes: 0,
            transport: transport.clone(),
            record,
        }
    }

    /// What the far end of a body calls when something has changed there.
    pub(crate) fn notice(&self) -> Rc<dyn Fn()> {
        let handle = self.transport.handle::<Session>();
        Rc::new(move || handle.call(Session::body_changed))
    }

    /// Writes it down.
    pub(crate) fn log(self, shared: &Shared, complete: bool) {
        let (Some(log), Some(record)) = (&shared.on_response, self.record) else { return };
        let (mut record, began) = *record;
        record.status = self.status;
        record.bytes = self.bytes;
        record.complete = complete;
        record.duration = self.transport.reactor().now().saturating_duration_since(began);
        log(&record);
    }
}

//! A server for the tests against real clients: tells how much was uploaded, and refuses more than 1 MiB in the
//! middle of the upload, with a page of 200 KiB.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use trenza::{
    Result, run,
    web::{Body, Server, ServerLimits},
};

const TAKEN_MAX: usize = 1 << 20;
const PAGE: usize = 200 << 10;

fn main() -> Result {
    let page = Bytes::from(vec![b'x'; PAGE]);
    let mut limits = ServerLimits::default();
    // It is the handler that refuses.
    limits.message.body = u64::MAX;
    run(|reactor| {
        let server = Server::new(move |mut request: Request<Body>| {
            let page = page.clone();
            async move {
                let taken = request.body_mut().collect(TAKEN_MAX).await;
                Ok(taken
                    .map_or_else(|_| refuse(page), |body| Response::new(format!("{}\n", body.len()).into())))
            }
        });
        let port = reactor.listen_with("tcp:0:interface=127.0.0.1", server.limits(limits))?;
        eprintln!("http://{}/", port.addr());
        Ok(())
    })
}

fn refuse(page: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}

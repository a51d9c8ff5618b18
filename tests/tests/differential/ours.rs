//! Our side: the server in the simulator, with a probe as its client.

use crate::{
    handler::{self, Content},
    outcome::{End, Outcome},
};
use bytes::Bytes;
use http::{Request, Response};
use trenza_core::{Reactor, Result};
use trenza_sim::Net;
use trenza_web::{Body, Server, ServerLimits};

/// The longest body that the handler collects; longer ones are the server's to refuse.
const COLLECTED_MAX: usize = 1 << 20;

/// Sends the segments to our server, and tells what came.
pub(crate) fn run(net: &Net, segments: &[Vec<u8>], half_closes: bool) -> Outcome {
    let server = Server::new(serve).limits(limits());
    net.host("srv").run(|reactor| reactor.listen_with("tcp:80", server)).expect("the port is free");
    let client = net.host("cli").probe("tcp:srv:80");
    for segment in segments {
        client.send(segment);
        net.run();
    }
    if half_closes {
        client.close_write();
        net.run();
    }
    let end = match (client.was_reset(), client.eof()) {
        (true, _) => End::Reset,
        (false, true) => End::Closed,
        (false, false) => End::Open,
    };
    Outcome { bytes: client.received(), end }
}

/// The defaults, but for bodies: so that a case need not send 16 MiB.
fn limits() -> ServerLimits {
    let mut limits = ServerLimits::default();
    limits.message.body = 256 * 1024;
    limits
}

async fn serve(request: Request<Body>) -> Result<Response<Body>> {
    let (head, mut body) = request.into_parts();
    let mut upload = Ok(Default::default());
    if !handler::ignores_body(&head) {
        let data = body.collect(COLLECTED_MAX).await;
        upload = data.map(|data| (data.to_vec(), body.trailers().unwrap_or_default())).map_err(|_| ());
    }
    let response = handler::answer(&head, upload);
    let (parts, content) = response.into_parts();
    let body = match content {
        Content::Whole(text) => Body::from(text),
        Content::Streamed(text) => stream(text).await?,
        Content::Echo => Body::upgrade(|mut stream| {
            let echo = async move {
                while let Some(data) = stream.read().await? {
                    stream.write_all(&data).await?;
                }
                stream.close().await
            };
            Reactor::current().spawn(echo).detach();
        }),
    };
    Ok(Response::from_parts(parts, body))
}

async fn stream(text: String) -> Result<Body> {
    let (mut sender, body) = Body::channel();
    sender.send(Bytes::from(text)).await?;
    sender.finish();
    Ok(body)
}

//! A web server that counts what is sent to it, piece by piece, so that any size fits:
//! `cargo run -p trenza --example upload`, then `curl -T FILE http://127.0.0.1:8082/`.

use http::{Method, Request, Response, StatusCode};
use trenza::{
    prelude::*,
    web::{Body, Server, status_page},
};

async fn count(mut request: Request<Body>) -> Result<Response<Body>> {
    if request.method() != Method::PUT && request.method() != Method::POST {
        return Ok(status_page(StatusCode::METHOD_NOT_ALLOWED));
    }
    let (mut bytes, mut lines) = (0, 0);
    while let Some(piece) = request.body_mut().next().await? {
        bytes += piece.len();
        lines += piece.iter().filter(|byte| **byte == b'\n').count();
    }
    Ok(Response::new(Body::from(format!("{bytes} bytes, {lines} lines\n"))))
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:8082:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on http://{}/", reactor.listen_with(&on, Server::new(count))?.addr());
        Ok(())
    })
}

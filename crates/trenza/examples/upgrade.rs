//! A web server whose connections change over to another protocol: `cargo run -p trenza --example upgrade`, then
//! `printf 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nhello\r\n' | nc 127.0.0.1 8084`.

use http::{HeaderValue, Request, Response, StatusCode, header::UPGRADE};
use trenza::{
    prelude::*,
    web::{Body, Server},
};

async fn shout(mut stream: Stream) -> Result {
    while let Some(line) = stream.line(512).await? {
        stream.write_all(&[&line.to_ascii_uppercase()[..], b"\r\n"].concat()).await?;
    }
    stream.close().await
}

fn answer(request: Request<Body>) -> Response<Body> {
    let name = HeaderValue::from_static("shout");
    let wanted = request.headers().get(UPGRADE) == Some(&name);
    let (status, body) = if wanted {
        let upgrade = Body::upgrade(|stream| Reactor::current().spawn(shout(stream)).detach());
        (StatusCode::SWITCHING_PROTOCOLS, upgrade)
    } else {
        (StatusCode::UPGRADE_REQUIRED, Body::from("shout to me\n"))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(UPGRADE, name);
    response
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:8084:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on http://{}/", reactor.listen_with(&on, Server::new(answer))?.addr());
        Ok(())
    })
}

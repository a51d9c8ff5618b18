//! A web server that says hello: `cargo run -p trenza --example hello`, then `curl http://127.0.0.1:8081/you`.

use http::{Request, Response};
use trenza::{
    prelude::*,
    web::{Body, Server},
};

fn hello(request: Request<Body>) -> Response<Body> {
    Response::new(Body::from(format!("hello, {}\n", request.uri().path().trim_start_matches('/'))))
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:8081:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on http://{}/", reactor.listen_with(&on, Server::new(hello))?.addr());
        Ok(())
    })
}

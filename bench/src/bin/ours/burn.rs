//! HTTP with work for the processor, on one loop or several.

use http::{Request, Response};
use std::hint::black_box;
use trenza::{
    Cores,
    prelude::*,
    web::{Body, Server},
};

/// How many steps take a microsecond or so. Not measured at the start: all servers are to do the same work.
const STEPS: u64 = 1000;

/// Works for N µs or so when it is asked for `/burn/N`.
pub(crate) fn serve(port: &str, loops: usize) -> Result {
    let on = format!("tcp:{port}:interface=127.0.0.1");
    let setup = |reactor: &Reactor| reactor.listen_with(&on, Server::new(answer)).map(drop);
    if loops == 1 { run(setup) } else { Cores::new(loops).run(setup) }
}

fn answer(request: Request<Body>) -> Response<Body> {
    let number = request.uri().path().rsplit('/').next().and_then(|number| number.parse::<u64>().ok());
    black_box(burn(number.unwrap_or(0)));
    Response::new(Body::from("Hello, World!"))
}

/// Each step waits for the one before.
fn burn(microseconds: u64) -> u64 {
    (0..microseconds * STEPS).fold(microseconds, |last, step| last.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ step)
}

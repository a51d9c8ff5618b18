//! `peer-actix PORT`: says hello over HTTP.

use actix_web::{App, HttpResponse, HttpServer, web};
use std::{env, io};

fn main() -> io::Result<()> {
    let port: u16 = env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: peer-actix PORT");
    let hello = || async { HttpResponse::Ok().content_type("text/plain").body("Hello, World!") };
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || App::new().route("/", web::get().to(hello)));
        server.workers(1).bind(("127.0.0.1", port))?.run().await
    })
}

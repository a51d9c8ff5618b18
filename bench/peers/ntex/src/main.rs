//! `peer-ntex PORT`: says hello over HTTP.

use ntex::web::{self, App, HttpResponse, HttpServer};
use std::{env, io};

async fn hello() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("Hello, World!")
}

#[ntex::main]
async fn main() -> io::Result<()> {
    let port: u16 = env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: peer-ntex PORT");
    let server = HttpServer::new(|| App::new().route("/", web::get().to(hello)));
    server.workers(1).bind(("127.0.0.1", port))?.run().await
}

//! A client that a SOCKS proxy connects, which also looks up the name: `cargo run -p trenza --example socks`,
//! `cargo run -p trenza --example echo`, then `cargo run -p trenza --example through`.

use trenza::prelude::*;

fn main() -> Result {
    let through = "socks5:127.0.0.1:7028:user=ann:password=secret:tcp:localhost:7007";
    let to = std::env::args().nth(1).unwrap_or_else(|| through.into());
    block_on(async move |reactor| {
        let mut stream = reactor.open(&to).await?;
        stream.write_all(b"hello through a proxy\r\n").await?;
        let line = stream.line(512).await?.unwrap_or_default();
        println!("{}", String::from_utf8_lossy(&line));
        stream.close().await
    })
}

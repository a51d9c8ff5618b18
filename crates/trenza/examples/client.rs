//! A TCP client in ten lines: `cargo run -p trenza --example echo`, then `cargo run -p trenza --example client`.

use trenza::prelude::*;

fn main() -> Result {
    let to = std::env::args().nth(1).unwrap_or_else(|| "tcp:127.0.0.1:7007".into());
    block_on(async move |reactor| {
        let mut stream = reactor.open(&to).await?;
        stream.write_all(b"hello\r\n").await?;
        let answer = stream.line(512).await?.ok_or("no answer")?;
        println!("{}", String::from_utf8_lossy(&answer));
        stream.close().await
    })
}

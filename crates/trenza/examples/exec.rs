//! A client that does not care whether it talks to a host or to a program: it says something to an endpoint and prints
//! the answer. `cargo run -p trenza --example exec`, then with ` -- exec:tr:a-z:A-Z` behind it.

use std::env;
use trenza::prelude::*;

fn main() -> Result {
    let endpoint = env::args().nth(1).unwrap_or_else(|| "exec:sort".into());
    block_on(async move |reactor: Reactor| {
        let mut stream = reactor.open(&endpoint).await?;
        stream.write_all(b"pear\napple\n").await?;
        stream.transport().close_write();
        while let Some(piece) = stream.read().await? {
            print!("{}", String::from_utf8_lossy(&piece));
        }
        stream.close().await
    })
}

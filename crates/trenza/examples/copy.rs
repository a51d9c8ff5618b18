//! Code that is written for `futures_io` runs on streams, here a numberer of lines: `cargo run -p trenza --example copy`,
//! then `nc -N 127.0.0.1 7023 < README.md`.

use futures_util::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, copy};
use trenza::prelude::*;

/// Knows nothing of us.
async fn number(from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> std::io::Result<u64> {
    let mut from = BufReader::new(from);
    for n in 1..=3 {
        let mut line = String::new();
        from.read_line(&mut line).await?;
        to.write_all(format!("{n} {line}").as_bytes()).await?;
    }
    to.write_all(b"and the rest:\n").await?;
    let rest = copy(from, &mut to).await?;
    to.close().await?;
    Ok(rest)
}

async fn serve(stream: Stream) -> Result {
    let (reader, writer) = stream.split();
    number(reader, writer).await?;
    Ok(())
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7023:interface=127.0.0.1".into());
    run(|reactor| reactor.serve(&on, serve).map(|port| println!("listening on {}", port.addr())))
}

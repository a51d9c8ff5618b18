//! Both directions at once: counts the lines of an upload and says how far it is: `cargo run -p trenza --example halves`,
//! then `nc -N 127.0.0.1 7021 < Cargo.lock`.

use std::{cell::Cell, rc::Rc, time::Duration};
use trenza::prelude::*;

async fn count(stream: Stream) -> Result {
    let reactor = stream.transport().reactor().clone();
    let (mut reader, mut writer) = stream.split();
    let (lines, ended) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let (counter, end) = (lines.clone(), ended.clone());
    let reads = reactor.spawn(async move {
        while reader.next(|input| Ok(input.line_lf(1000)?.map(drop))).await?.is_some() {
            counter.set(counter.get() + 1);
        }
        end.set(true);
        Ok(reader)
    });
    writer.write_all(b"counting\n").await?;
    while !ended.get() {
        reactor.sleep(Duration::from_millis(50)).await;
        writer.write_all(format!("{} lines\n", lines.get()).as_bytes()).await?;
    }
    let stream = reads.await?.rejoin(writer).map_err(|_| "halves of two streams")?;
    stream.close().await
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7021:interface=127.0.0.1".into());
    run(|reactor| reactor.serve(&on, count).map(|port| println!("listening on {}", port.addr())))
}

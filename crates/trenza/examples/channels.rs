//! Many conversations over one connection; a frame is two bytes of length, one that names the channel, and text:
//! `cargo run -p trenza --example channels`, then `printf '\0\5ahi\r\n' | nc 127.0.0.1 7022`.

use trenza::{WriteHalf, prelude::*, wire::framing::Prefix};

async fn shout(mut stream: Stream) -> Result {
    let line = stream.line(80).await?.unwrap_or_default();
    stream.write_all(&line.to_ascii_uppercase()).await?;
    stream.close().await
}

/// A new channel: `shout` sees a stream like any other. What it writes goes into frames, as fast as these leave.
fn open(channel: u8, outer: &Transport) -> WriteHalf {
    let ((near, far), outer) = (outer.reactor().pair(), outer.clone());
    outer.spawn(shout(far));
    outer.throttle(near.transport());
    let (mut reader, writer) = near.split();
    writer.transport().spawn(async move {
        while let Some(text) = reader.next(|input| Ok(Some(input.up_to(1000).to_vec()))).await? {
            outer.write(&[&(text.len() as u16 + 1).to_be_bytes()[..], &[channel], &text].concat());
        }
        Ok(())
    });
    writer
}

async fn serve(mut stream: Stream) -> Result {
    let mut channels = std::collections::BTreeMap::new();
    let frame = |input: &mut Input<'_>| Ok(Prefix::U16.read(input, 1001)?.map(Vec::from));
    while let Some([channel, text @ ..]) = stream.next(frame).await?.as_deref() {
        let writer = channels.entry(*channel).or_insert_with(|| open(*channel, stream.transport()));
        writer.write_all(text).await?;
    }
    stream.close().await
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7022:interface=127.0.0.1".into());
    run(|reactor| reactor.serve(&on, serve).map(|port| println!("listening on {}", port.addr())))
}

//! Says a proverb, drawn by lot, and closes (RFC 865): `cargo run -p trenza --example qotd`, then `nc 127.0.0.1 7017`.

use trenza::prelude::*;

const PROVERBS: [&str; 4] = [
    "Many hands make light work.",
    "Look before you leap.",
    "Better late than never.",
    "Still waters run deep.",
];

async fn proverb(mut stream: Stream) -> Result {
    let mut lot = [0];
    Reactor::current().random(&mut lot);
    let proverb = PROVERBS.iter().cycle().nth(lot[0].into()).ok_or("no proverb")?;
    stream.write_all(format!("{proverb}\r\n").as_bytes()).await?;
    stream.close().await
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7017:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.serve(&on, proverb)?.addr());
        Ok(())
    })
}

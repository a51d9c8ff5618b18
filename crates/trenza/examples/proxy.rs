//! Passes connections on, no faster than the slower side reads: `cargo run -p trenza --example proxy`, then
//! `cargo run -p trenza --example echo` and `nc 127.0.0.1 7002`.

use trenza::prelude::*;

/// Ends with the connection, and the connect with it.
async fn pass(near: Stream, to: String) -> Result {
    let far = near.transport().reactor().open(&to).await?;
    near.join(far); // what has come so far goes along
    Ok(())
}

fn main() -> Result {
    let mut args = std::env::args().skip(1);
    let on = args.next().unwrap_or_else(|| "tcp:7002:interface=127.0.0.1".into());
    let to = args.next().unwrap_or_else(|| "tcp:127.0.0.1:7007".into());
    let serve = |reactor: &Reactor| reactor.serve(&on, move |near| pass(near, to.clone()));
    run(|reactor| serve(reactor).map(|port| println!("listening on {}", port.addr())))
}

//! Passes connections on, and says what became of each: `cargo run -p trenza --example forward`, then
//! `cargo run -p trenza --example echo` and `nc 127.0.0.1 7027`.

use trenza::{prelude::*, proxy::Forward};

fn main() -> Result {
    let mut args = std::env::args().skip(1);
    let on = args.next().unwrap_or_else(|| "tcp:7027:interface=127.0.0.1".into());
    let to = args.next().unwrap_or_else(|| "tcp:127.0.0.1:7007".into());
    run(|reactor| {
        let forward = Forward::new(&to)?.on_end(|record| match &record.error {
            None => println!("{} bytes there, {} back", record.sent, record.received),
            Some(error) => println!("{error}"),
        });
        let port = reactor.listen_with(&on, forward)?;
        println!("listening on {}", port.addr());
        Ok(())
    })
}

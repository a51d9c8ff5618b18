//! Another thread answers, by the name of the connection: `cargo run -p trenza --example remote`, then
//! `nc 127.0.0.1 7014` and a number, to learn its least factor.
#![allow(clippy::disallowed_methods, reason = "a thread that is not the loop's is what this shows")]
use std::{sync::mpsc, thread};
use trenza::{ConnectionId, Remote, prelude::*};

struct Factors(mpsc::SyncSender<(ConnectionId, u64)>);

impl Protocol for Factors {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line_lf(20)? {
            let number = std::str::from_utf8(line)?.parse()?;
            // The loop never waits for the thread.
            if self.0.try_send((transport.id(), number)).is_err() {
                transport.write(b"busy\n");
            }
        }
        Ok(())
    }
}

fn work(remote: &Remote, jobs: &mpsc::Receiver<(ConnectionId, u64)>) {
    for (id, number) in jobs {
        let least = (2..=number.isqrt()).find(|factor| number % factor == 0).unwrap_or(number);
        // The connection may be gone by now, and the loop too.
        remote.call(move |reactor| {
            reactor.connection(id).iter().for_each(|to| to.write(format!("{least}\n").as_bytes()));
        });
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7014:interface=127.0.0.1".into());
    run(|reactor| {
        let (remote, (sender, receiver)) = (reactor.remote(), mpsc::sync_channel(100));
        thread::spawn(move || work(&remote, &receiver));
        println!("listening on {}", reactor.listen(&on, move |_| Factors(sender.clone()))?.addr());
        Ok(())
    })
}

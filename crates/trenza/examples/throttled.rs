//! An echo at 2 kB/s for each client and 10 kB/s for all, which shows what it receives and sends:
//! `cargo run -p trenza --example throttled`, then `yes | nc 127.0.0.1 7026`.

use std::{io::stdout, time::Duration};
use trenza::{Bucket, IntoEndpoint, Policy, Printer, Rate, prelude::*};

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7026:interface=127.0.0.1".into());
    run(|reactor| {
        let all = Bucket::new(Rate::new(10_000));
        let policy = Policy::new()
            .connections(100)
            .per_address(10)
            .rate_out(Rate::new(2000).burst(1000))
            .share_out(&all)
            .idle(Duration::from_secs(60))
            .tap(|_: &Transport| Printer::new(stdout()).limit(1000));
        let port = reactor.listen(on.into_endpoint()?.policy(policy), |_| Echo)?;
        println!("listening on {}", port.addr());
        Ok(())
    })
}

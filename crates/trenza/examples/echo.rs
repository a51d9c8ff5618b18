//! Sends back what it receives: `cargo run -p trenza --example echo`, then `nc 127.0.0.1 7007`.

use trenza::prelude::*;

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7007:interface=127.0.0.1".into());
    run(|reactor| {
        let port = reactor.listen(&on, |_| Echo)?;
        println!("listening on {}", port.addr());
        Ok(())
    })
}

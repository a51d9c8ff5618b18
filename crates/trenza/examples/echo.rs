//! Sends back what it receives: `cargo run --example echo`, then `nc 127.0.0.1 7007`.

use trenza::prelude::*;

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

fn main() -> Result {
    run(|reactor| {
        let port = reactor.listen("tcp:7007:interface=127.0.0.1", |_| Echo)?;
        println!("listening on {}", port.addr());
        Ok(())
    })
}

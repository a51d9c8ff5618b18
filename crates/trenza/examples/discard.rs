//! Throws away what it receives (RFC 863): `cargo run -p trenza --example discard`, then `nc 127.0.0.1 7009`.

use trenza::prelude::*;

struct Discard;

impl Protocol for Discard {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        println!("{} bytes, then {reason}", transport.counts().received);
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7009:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, |_| Discard)?.addr());
        Ok(())
    })
}

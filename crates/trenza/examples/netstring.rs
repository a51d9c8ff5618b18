//! Sends back netstrings, and what is wrong with those that are none: `cargo run -p trenza --example netstring`, then
//! `printf '5:hello,0:,x' | nc 127.0.0.1 7006`.

use trenza::{
    prelude::*,
    wire::{OutBuf, framing},
};

struct Netstrings;

impl Protocol for Netstrings {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        let mut out = OutBuf::new();
        loop {
            match framing::netstring(input, 32 * 1024) {
                Ok(Some(string)) => framing::write_netstring(string, &mut out),
                Ok(None) => break,
                Err(error) => {
                    framing::write_netstring(error.to_string().as_bytes(), &mut out);
                    transport.send(&mut out);
                    transport.close();
                    return Ok(());
                }
            }
        }
        transport.send(&mut out);
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7006:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, |_| Netstrings)?.addr());
        Ok(())
    })
}

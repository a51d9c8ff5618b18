//! Sends characters without end, as fast as they are read (RFC 864): `cargo run -p trenza --example chargen`, then
//! `nc 127.0.0.1 7019 | less`.

use trenza::prelude::*;

/// The characters of a line, and of all lines.
const WIDTH: usize = 72;
const ALL: u8 = b'~' - b' ' + 1;

/// The next line's first character, from 0.
struct Chargen(u8);

impl Protocol for Chargen {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.writable(transport)
    }
    fn writable(&mut self, transport: &Transport) -> Result {
        while transport.is_open() && !transport.is_full() {
            let line = (self.0..ALL).chain(0..ALL).map(|number| b' ' + number).take(WIDTH);
            transport.write(&line.chain(*b"\r\n").collect::<Vec<_>>());
            self.0 = (self.0 + 1) % ALL;
        }
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7019:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, |_| Chargen(0))?.addr());
        Ok(())
    })
}

//! Changes over to a layer in mid-stream, as STARTTLS does; this one swaps upper and lower case.
//! `cargo run -p trenza --example starttls`, then `nc -C 127.0.0.1 7015` and `hello`, `SWAP`, `hello`.
use trenza::{wire::*, *};

struct Swap;
impl Layer for Swap {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        up.as_mut_vec().extend(wire.bytes().iter().map(swap));
        wire.consume(usize::MAX);
        Ok(Flow::More)
    }
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        down.push_vec(plain.take_queued().to_vec()?.iter().map(swap).collect());
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(()) // TLS has an end of its own, and would say here that it is missing
    }
}
fn swap(byte: &u8) -> u8 {
    if byte.is_ascii_alphabetic() { byte ^ 0x20 } else { *byte }
}

struct Hello;
impl Protocol for Hello {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line(512)? {
            write!(transport, "you said {}\r\n", String::from_utf8_lossy(line))?;
            if line == b"SWAP" {
                transport.push_layer(Swap); // `input` gives nothing more: the rest goes through the layer
            }
        }
        Ok(())
    }
}
fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7015:interface=127.0.0.1".into());
    let listen = |reactor: &Reactor| reactor.listen(&on, |_| Hello);
    run(|reactor| listen(reactor).map(|port| println!("listening on {}", port.addr())))
}

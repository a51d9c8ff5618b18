//! Is asked whose a connection is, and does not tell (RFC 1413): `cargo run -p trenza --example ident`, then
//! `echo 6193, 23 | nc -C 127.0.0.1 7113`.

use std::time::Duration;
use trenza::prelude::*;

struct Ident;

/// The ports of a question: this end's and the other one's.
fn ports(line: &str) -> Option<(u16, u16)> {
    let (here, there) = line.split_once(',')?;
    Some((here.trim().parse().ok()?, there.trim().parse().ok()?))
}

impl Protocol for Ident {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.set_timeout(Some(Duration::from_secs(60))); // RFC 1413 section 4: from 60 to 180 seconds
        Ok(())
    }
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line(1000)? {
            match ports(&String::from_utf8_lossy(line)) {
                Some((0, _) | (_, 0)) | None => write!(transport, "0, 0 : ERROR : INVALID-PORT\r\n")?,
                Some((here, there)) => write!(transport, "{here}, {there} : ERROR : HIDDEN-USER\r\n")?,
            }
        }
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7113:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, |_| Ident)?.addr());
        Ok(())
    })
}

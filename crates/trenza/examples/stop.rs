//! A graceful stop, where what has begun is finished: `cargo run -p trenza --example stop`, then `nc 127.0.0.1 7012`,
//! `begin`, Ctrl-C at the server, and `end`.

use trenza::prelude::*;

/// What the lines between `begin` and `end` are collected in.
#[derive(Default)]
struct Order(Option<Vec<Vec<u8>>>);

impl Protocol for Order {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line_lf(80)? {
            match (line, &mut self.0) {
                (b"begin", None) if !transport.reactor().is_stopping() => self.0 = Some(Vec::new()),
                (b"end", Some(lines)) => {
                    writeln!(transport, "{} lines", lines.len())?;
                    self.0 = None;
                }
                (line, Some(lines)) if lines.len() < 100 => lines.push(line.to_vec()),
                _ => writeln!(transport, "no: begin, at most 100 lines, end")?,
            }
        }
        if transport.reactor().is_stopping() { self.stopping(transport) } else { Ok(()) }
    }
    fn stopping(&mut self, transport: &Transport) -> Result {
        if self.0.is_none() {
            transport.close();
        }
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7012:interface=127.0.0.1".into());
    run(|reactor| {
        reactor.set_grace(std::time::Duration::from_secs(60)); // then what is open is aborted
        println!("listening on {}", reactor.listen(&on, |_| Order::default())?.addr());
        Ok(())
    })
}

//! Timers that are set, moved and cancelled: `cargo run -p trenza --example timers`, then `nc 127.0.0.1 7011` and
//! `set 3000` (milliseconds), `move 5000`, `cancel`.
use std::time::Duration;
use trenza::prelude::*;

struct Egg(Option<Timer>);

impl Protocol for Egg {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line_lf(80)? {
            let line = String::from_utf8_lossy(line);
            let (command, number) = line.split_once(' ').unwrap_or((&line, "0"));
            let delay = Duration::from_millis(number.parse()?);
            match (command, &self.0) {
                // The timer that was there is dropped, and does not ring.
                ("set", _) => self.0 = Some(transport.handle::<Self>().call_later(delay, Self::ring)),
                ("move", Some(timer)) => timer.reset(delay),
                ("cancel", Some(_)) => self.0 = None,
                _ => writeln!(transport, "no: set N, or move N or cancel after that")?,
            }
        }
        Ok(())
    }
}

impl Egg {
    fn ring(&mut self, transport: &Transport) -> Result {
        self.0 = None;
        writeln!(transport, "ring")
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7011:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, |_| Egg(None))?.addr());
        Ok(())
    })
}

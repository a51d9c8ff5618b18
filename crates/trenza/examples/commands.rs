//! A line server with commands and state: `cargo run -p trenza --example commands`, then `nc 127.0.0.1 7003` and
//! `add 2`, `add 40`, `clear`, `quit`.

use trenza::prelude::*;

/// A sum, one for each connection.
struct Sum(i64);

impl Sum {
    fn command(&mut self, transport: &Transport, line: &str) -> Result {
        let (command, number) = line.split_once(' ').unwrap_or((line, ""));
        match (command, number.parse()) {
            ("add", Ok(number)) => self.0 = self.0.saturating_add(number),
            ("add", Err(error)) => return writeln!(transport, "no: {error}"),
            ("clear", _) => self.0 = 0,
            ("quit", _) => transport.close(), // from here on nothing is read or written
            _ => return writeln!(transport, "no: add NUMBER, clear or quit"),
        }
        writeln!(transport, "{}", self.0)
    }
}

impl Protocol for Sum {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line_lf(512)? {
            self.command(transport, &String::from_utf8_lossy(line))?;
        }
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7003:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, |_| Sum(0))?.addr());
        Ok(())
    })
}

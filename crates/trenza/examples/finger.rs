//! Tells who somebody is (RFC 1288): `cargo run -p trenza --example finger`, then `echo ada | nc -C 127.0.0.1 7079`.

use trenza::prelude::*;

const USERS: [(&str, &str); 2] =
    [("ada", "Ada Lovelace, at the analytical engine"), ("grace", "Grace Hopper, at sea")];

struct Finger;

impl Protocol for Finger {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        let Some(line) = input.line(512)? else { return Ok(()) };
        let line = String::from_utf8_lossy(line);
        let asked = line.trim_start_matches("/W").trim();
        match USERS.iter().find(|(user, _)| *user == asked) {
            Some((_, who)) => write!(transport, "{who}\r\n")?,
            None if asked.is_empty() => {
                USERS.iter().try_for_each(|(user, _)| write!(transport, "{user}\r\n"))?
            }
            None => write!(transport, "{asked:?} is not known here\r\n")?,
        }
        transport.close();
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7079:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, |_| Finger)?.addr());
        Ok(())
    })
}

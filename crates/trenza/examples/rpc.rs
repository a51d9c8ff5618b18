//! Remote calls, each message behind its length in two bytes: `cargo run -p trenza --example rpc`, then
//! `printf '\0\013sum 1 2 3 4' | nc 127.0.0.1 7008 | xxd`.
use trenza::{prelude::*, wire::OutBuf, wire::framing::Prefix};

struct Calls;

fn call(message: &[u8]) -> Result<String> {
    let message = std::str::from_utf8(message)?;
    match message.split_once(' ').unwrap_or((message, "")) {
        ("sum", numbers) => {
            let numbers = numbers.split_whitespace().map(str::parse).collect::<Result<Vec<i64>, _>>()?;
            let sum = numbers.iter().try_fold(0, |sum: i64, number| sum.checked_add(*number));
            Ok(sum.ok_or("too large")?.to_string())
        }
        ("reverse", text) => Ok(text.chars().rev().collect()),
        _ => Err("no such function".into()),
    }
}

impl Protocol for Calls {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        let mut out = OutBuf::new();
        while let Some(message) = Prefix::U16.read(input, 4096)? {
            let answer = call(message).unwrap_or_else(|error| format!("error: {error}"));
            Prefix::U16.write(answer.as_bytes(), &mut out)?;
        }
        transport.send(&mut out);
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7008:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, |_| Calls)?.addr());
        Ok(())
    })
}

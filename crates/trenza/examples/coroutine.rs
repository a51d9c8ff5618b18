//! A dialogue as a coroutine, one for each connection: `cargo run -p trenza --example coroutine`, then
//! `nc -C 127.0.0.1 7004`.

use std::time::Duration;
use trenza::prelude::*;

/// Asks questions until somebody knows the answer, and gives a minute for each.
async fn ask(mut stream: Stream) -> Result {
    let mut number = [0];
    stream.transport().reactor().random(&mut number);
    stream.write_all(b"which number from 0 to 255?\r\n").await?;
    while let Some(line) = timeout(Duration::from_secs(60), stream.line(80)).await? {
        let answer = match String::from_utf8_lossy(&line).parse::<u8>() {
            Ok(guess) if guess == number[0] => break,
            Ok(guess) if guess < number[0] => "more\r\n",
            Ok(_) => "less\r\n",
            Err(_) => "that is not a number from 0 to 255\r\n",
        };
        stream.write_all(answer.as_bytes()).await?;
    }
    stream.write_all(b"bye\r\n").await?;
    stream.close().await
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7004:interface=127.0.0.1".into());
    // Who thinks when it is stopped is not waited for: `line` gives None then.
    run(|reactor| reactor.serve(&on, ask).map(|port| println!("listening on {}", port.addr())))
}

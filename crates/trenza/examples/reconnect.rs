//! A client that says a line every second, and comes back when the connection is lost:
//! `cargo run -p trenza --example reconnect`; start, end and start `cargo run -p trenza --example echo`.
use std::time::Duration;
use trenza::{Backoff, ClientService, Retry, prelude::*};

const SECOND: Duration = Duration::from_secs(1);

struct Client(Option<Timer>);

impl Client {
    fn say(&mut self, transport: &Transport) -> Result {
        self.0 = Some(transport.handle::<Self>().call_later(SECOND, Self::say));
        write!(transport, "hello\r\n")
    }
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        println!("connected to {}", transport.peer().remote);
        self.say(transport)
    }
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line(512)? {
            println!("{}", String::from_utf8_lossy(line));
        }
        Ok(())
    }
}

fn main() -> Result {
    let to = std::env::args().nth(1).unwrap_or_else(|| "tcp:127.0.0.1:7007".into());
    let mut backoff = Backoff { most: Duration::from_secs(10), ..Backoff::default() };
    let client = ClientService::new(&to, |_| Client(None)).retry(move |failures, reactor: &Reactor| {
        let pause = backoff.delay(failures, reactor)?;
        println!("failure {failures}, again in {pause:.1?}");
        Some(pause)
    });
    run(|reactor| reactor.start(client))
}

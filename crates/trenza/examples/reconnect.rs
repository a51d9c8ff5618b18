//! A client that says a line every second, and connects again when the connection is lost:
//! `cargo run -p trenza --example reconnect`; start, end and start `cargo run -p trenza --example echo`.
use std::time::Duration;
use trenza::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

struct Client(Option<Timer>);

impl Protocol for Client {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.0 = Some(transport.handle::<Self>().call_later(SECOND, Self::connection_made));
        write!(transport, "hello\r\n")
    }
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line(512)? {
            println!("{}", String::from_utf8_lossy(line));
        }
        Ok(())
    }
}

async fn forever(reactor: Reactor, to: String) -> Result {
    loop {
        // Dropped with the connection, or at once when there is none: either way the waiting ends.
        let (ended, guard) = reactor.deferred::<()>();
        let connected = reactor.connect(&to, |_| Client(None)).await.map(|client| client.attach(guard));
        println!("connected: {connected:?}");
        drop(ended.await);
        reactor.sleep(SECOND).await;
    }
}

fn main() -> Result {
    let to = std::env::args().nth(1).unwrap_or_else(|| "tcp:127.0.0.1:7007".into());
    run(|reactor| {
        reactor.spawn(forever(reactor.clone(), to)).detach();
        Ok(())
    })
}

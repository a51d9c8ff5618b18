//! Services that start in order and stop in reverse: `cargo run -p trenza --example services`, then
//! `nc 127.0.0.1 7007`; Ctrl-C closes the port first and waits for its connections.
use std::time::Duration;
use trenza::{PortService, Service, Services, TimerService, prelude::*};

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

/// A service that says what another one does.
struct Loud(PortService);

impl Service for Loud {
    fn start(&mut self, reactor: &Reactor) -> Result {
        self.0.start(reactor)?;
        println!("listening on {}", self.0.port().ok_or("it listens")?.addr());
        Ok(())
    }
    fn stop(&mut self) -> Deferred<()> {
        println!("closing");
        self.0.stop()
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7007".into());
    let count = async |_| {
        println!("{} connections", Reactor::current().connections().len());
        Ok(())
    };
    let services = Services::new()
        .with("count", TimerService::new(Duration::from_secs(1), count))
        .with("echo", Loud(PortService::new(&on, |_| Echo)));
    run(|reactor| reactor.start(services))
}

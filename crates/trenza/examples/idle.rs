//! Ends connections that say nothing for some seconds, and all after a minute: `cargo run -p trenza --example idle`,
//! then `nc 127.0.0.1 7016`.

use std::time::Duration;
use trenza::{Timeout, prelude::*};

struct Patient(Duration);

impl Protocol for Patient {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.set_timeout(Some(self.0));
        transport.set_deadline(Some(Duration::from_secs(60)));
        writeln!(transport, "I wait for {:?}", self.0)
    }
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
    fn timed_out(&mut self, transport: &Transport, which: Timeout) -> Result {
        writeln!(transport, "{which:?}: bye")?;
        transport.close();
        Ok(())
    }
}

fn main() -> Result {
    let mut args = std::env::args().skip(1);
    let on = args.next().unwrap_or_else(|| "tcp:7016:interface=127.0.0.1".into());
    let idle = Duration::try_from_secs_f64(args.next().map_or(Ok(10.0), |seconds| seconds.parse())?)?;
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, move |_| Patient(idle))?.addr());
        Ok(())
    })
}

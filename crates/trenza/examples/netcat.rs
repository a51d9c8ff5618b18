//! Standard input to a server, and what it says to standard output: `cargo run -p trenza --example echo`, then
//! `cargo run -p trenza --example netcat`, or `... netcat -- unix:/run/app.sock < question`.

use trenza::prelude::*;

/// One side; what comes goes to the other one.
struct Side(Transport);

impl Protocol for Side {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.write(input.rest());
        Ok(())
    }
    fn eof_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        self.0.close_write();
        Ok(())
    }
    fn connection_lost(&mut self, _: &Transport, _: &Reason) {
        self.0.close();
    }
}

fn main() -> Result {
    let to = std::env::args().nth(1).unwrap_or_else(|| "tcp:127.0.0.1:7007".into());
    block_on(async move |reactor| {
        let (server, user) = (reactor.open(&to).await?, reactor.open("stdio:").await?);
        let (far, near) = (server.transport().clone(), user.transport().clone());
        far.throttle(&near);
        near.throttle(&far);
        let (shown, over) = reactor.deferred::<()>();
        near.attach(over); // dropped when all was shown
        server.switch_to(Side(near));
        user.switch_to(Side(far));
        shown.await.or(Ok(()))
    })
}

//! Passes connections on, no faster than the slower side reads: `cargo run -p trenza --example proxy`, then
//! `cargo run -p trenza --example echo` and `nc 127.0.0.1 7002`.

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
    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        if reason.is_clean() { self.0.close() } else { self.0.abort() }
    }
}

/// Ends with the connection, and the connect with it.
async fn pass(near: Stream, to: String) -> Result {
    let other = near.transport().clone();
    let far = near.transport().reactor().connect(&to, |_| Side(other)).await?;
    far.throttle(near.transport());
    near.transport().throttle(&far);
    near.switch_to(Side(far)); // what has come so far goes along
    Ok(())
}

fn main() -> Result {
    let mut args = std::env::args().skip(1);
    let on = args.next().unwrap_or_else(|| "tcp:7002:interface=127.0.0.1".into());
    let to = args.next().unwrap_or_else(|| "tcp:127.0.0.1:7007".into());
    let serve = |reactor: &Reactor| reactor.serve(&on, move |near| pass(near, to.clone()));
    run(|reactor| serve(reactor).map(|port| println!("listening on {}", port.addr())))
}

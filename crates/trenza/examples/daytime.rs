//! Says what time it is and closes (RFC 867): `cargo run -p trenza --example daytime`, then `nc 127.0.0.1 7013`.

use trenza::prelude::*;

struct Daytime;

impl Protocol for Daytime {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        write!(transport, "{}\r\n", httpdate::fmt_http_date(transport.reactor().wall()))?;
        transport.close();
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7013:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, |_| Daytime)?.addr());
        Ok(())
    })
}

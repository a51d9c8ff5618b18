//! A server behind a proxy that tells whose connection it brings (PROXY protocol):
//! `cargo run -p trenza --example haproxy`, then `curl --haproxy-protocol http://127.0.0.1:7007`,
//! or haproxy with `server s 127.0.0.1:7007 send-proxy-v2`.
use trenza::prelude::*;

struct Who;

impl Protocol for Who {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        let peer = transport.peer();
        let via = peer.via.as_ref().map(|via| format!(", brought by {via}")).unwrap_or_default();
        write!(transport, "HTTP/1.0 200 OK\r\n\r\nhello {}{via}\r\n", peer.remote)?;
        transport.close();
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7007:interface=127.0.0.1".into());
    run(|reactor| {
        let port = reactor.listen(&format!("haproxy:{on}"), |_| Who)?;
        println!("listening on {}", port.addr());
        Ok(())
    })
}

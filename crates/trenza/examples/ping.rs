//! Datagrams to and fro: `cargo run -p trenza --example ping`, and elsewhere the same with `udp:127.0.0.1:7013`.
use std::time::Duration;
use trenza::prelude::*;

struct Pong;

impl DatagramProtocol for Pong {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        port.send(datagram.answer(datagram.data));
        Ok(())
    }
}

/// Sends its number until it comes back, three times.
struct Ping(u8, Option<Timer>);

impl DatagramProtocol for Ping {
    fn started(&mut self, port: &UdpPort) -> Result {
        port.write(&[self.0]);
        self.1 = Some(port.handle::<Self>().call_later(Duration::from_millis(500), Self::started));
        Ok(())
    }
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        if *datagram.data != [self.0] {
            return Ok(()); // an answer that was late
        }
        println!("pong {} from {}", self.0, datagram.from);
        self.0 += 1;
        if self.0 > 3 { Ok(port.reactor().stop()) } else { self.started(port) }
    }
}

fn main() -> Result {
    let to = std::env::args().nth(1);
    run(|reactor| match to {
        Some(to) => Ok(reactor.udp_connect(&to, Ping(1, None)).detach()),
        None => Ok(println!("listening on {}", reactor.udp("udp:7013:interface=127.0.0.1", Pong)?.addr())),
    })
}

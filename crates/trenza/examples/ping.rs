//! Datagrams to and fro: `cargo run -p trenza --example ping`, or with a peer that sends them back behind it, as
//! `udp:127.0.0.1:7`.
use trenza::prelude::*;

struct Pong;

impl DatagramProtocol for Pong {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        port.send(datagram.answer(datagram.data));
        Ok(())
    }
}

/// Sends a number each second, or as soon as there is an answer, up to 3.
struct Ping(u8, Option<Timer>);

impl DatagramProtocol for Ping {
    fn started(&mut self, port: &UdpPort) -> Result {
        port.write(&[self.0]);
        self.1 = Some(port.handle::<Self>().call_later(std::time::Duration::from_secs(1), Self::started));
        Ok(())
    }
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        println!("{:?} from {}", datagram.data, datagram.from);
        match self.0 {
            3 => port.reactor().stop(),
            _ => self.0 += 1,
        }
        self.started(port)
    }
}

fn main() -> Result {
    run(|reactor| {
        let pong = reactor.udp("udp:0:interface=127.0.0.1", Pong)?;
        let to = std::env::args().nth(1).unwrap_or_else(|| format!("udp:{}", pong.addr()));
        reactor.udp_connect(&to, Ping(1, None)).detach();
        Ok(())
    })
}

//! Everybody hears everybody: `cargo run -p trenza --example multicast` with a name, as often as you like, on this host;
//! with the address of an interface behind the name, on its network.
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use trenza::{Addr, Interface, UdpOption, prelude::*};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 7, 0, 14);

struct Member(String, Ipv4Addr, Option<Timer>);

impl Member {
    fn call(&mut self, port: &UdpPort) -> Result {
        port.send_to(&Addr::from(SocketAddr::from((GROUP, 7014))), self.0.as_bytes());
        self.2 = Some(port.handle::<Self>().call_later(Duration::from_millis(200), Self::call));
        Ok(())
    }
}

impl DatagramProtocol for Member {
    fn started(&mut self, port: &UdpPort) -> Result {
        let interface = Interface::Address(self.1);
        port.set_option(UdpOption::MulticastInterface(interface)).detach();
        port.set_option(UdpOption::Join { group: GROUP.into(), interface }).detach();
        self.call(port)
    }
    fn datagram_received(&mut self, _: &UdpPort, datagram: Datagram<'_>) -> Result {
        println!("{} is here", String::from_utf8_lossy(datagram.data));
        Ok(())
    }
}

fn main() -> Result {
    let name = std::env::args().nth(1).unwrap_or_else(|| "somebody".into());
    let interface = std::env::args().nth(2).map_or(Ok(Ipv4Addr::LOCALHOST), |ip| ip.parse())?;
    run(|reactor| {
        reactor.udp("udp:7014:interface=0.0.0.0:reuse=yes", Member(name, interface, None)).map(drop)
    })
}

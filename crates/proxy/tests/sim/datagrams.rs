//! UDP ASSOCIATE.

use super::Site;
use std::{net::SocketAddr, time::Duration};
use trenza_core::{Datagram, DatagramProtocol, Result, UdpPort};
use trenza_proxy::{ProxyLimits, Rules, SocksServer, Target, socks::udp};
use trenza_sim::{DatagramProbe, Net, Probe, for_seeds};

struct Echo;

impl DatagramProtocol for Echo {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        port.send(datagram.answer(datagram.data));
        Ok(())
    }
}

/// A client that has been told where to send its datagrams.
struct Client {
    control: Probe,
    probe: DatagramProbe,
    relay: SocketAddr,
}

fn echo(site: &Site) {
    site.net.host("srv").run(|reactor| reactor.udp("udp:7", Echo).map(drop)).unwrap();
}

/// Asks for an association that is for datagrams from `port`, 0 for any.
fn associate(site: &Site, port: u16) -> Client {
    let gate = SocketAddr::new(site.net.host("gate").ips()[0], 1080);
    let control = site.net.host("cli").probe_to(gate);
    control.send([&b"\x05\x01\0\x05\x03\0\x01\0\0\0\0"[..], &port.to_be_bytes()].concat());
    site.net.run();
    let reply = control.take_received();
    assert_eq!(reply[..6], *b"\x05\0\x05\0\0\x01", "{reply:?}");
    let ip: [u8; 4] = reply[6..10].try_into().unwrap();
    let relay = SocketAddr::from((ip, u16::from_be_bytes([reply[10], reply[11]])));
    assert_eq!(relay.ip(), gate.ip());
    Client { control, probe: site.net.host("cli").datagram_probe("udp:5000"), relay }
}

impl Client {
    fn send(&self, host: &str, port: u16, data: &[u8]) {
        self.probe.send(self.relay, wrap(host, port, data));
    }

    /// What came, from whom.
    fn heard(&self) -> Vec<(String, Vec<u8>)> {
        let told = |datagram: &[u8]| {
            let (from, data) = udp::read(datagram).unwrap();
            (from.to_string(), data.to_vec())
        };
        self.probe.take_received().iter().map(|one| told(&one.data)).collect()
    }
}

fn wrap(host: &str, port: u16, data: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    udp::write(&Target::new(host, port).unwrap(), &mut datagram);
    datagram.extend_from_slice(data);
    datagram
}

#[test]
fn there_and_back_by_address_and_by_name() {
    let site = Site::gentle();
    echo(&site);
    let client = associate(&site, 0);
    for host in [site.net.host("srv").ips()[0].to_string(), "srv".into()] {
        client.send(&host, 7, b"hello");
        site.net.run();
        let from = format!("{}:7", site.net.host("srv").ips()[0]);
        assert_eq!(client.heard(), [(from, b"hello".to_vec())], "{host}");
    }
    client.send("srv", 7, b"");
    client.send("srv", 7, b"again");
    site.net.run();
    assert_eq!(client.heard().len(), 2);
    client.control.close();
    site.advance(10);
    let record = site.log.only();
    assert_eq!((record.sent, record.received, record.error), (15, 15, None));
    let gate = site.net.host("gate");
    assert!(site.is_quiet() && gate.left().ports == 1, "{:?}", gate.leftovers());
}

#[test]
fn in_networks_of_all_kinds() {
    for_seeds(0..50, |seed| {
        let site = Site::new(Net::new(seed), SocksServer::new());
        echo(&site);
        let client = associate(&site, 0);
        // Datagrams may be lost.
        for n in 0..50_u8 {
            client.send("srv", 7, &[n]);
            site.advance(1);
        }
        let heard = client.heard();
        assert!(!heard.is_empty(), "none of 50");
        client.control.reset();
        site.advance(10);
        assert!(site.net.host("gate").left().ports == 1 && site.is_quiet());
        site.log.only();
    });
}

#[test]
fn only_the_client_is_heard() {
    let site = Site::gentle();
    echo(&site);
    let client = associate(&site, 0);
    let stranger = site.net.host("stranger").datagram_probe("udp:5000");
    stranger.send(client.relay, wrap("srv", 7, b"let me"));
    client.send("srv", 7, b"mine");
    let other = site.net.host("cli").datagram_probe("udp:5001");
    site.net.run();
    other.send(client.relay, wrap("srv", 7, b"from another port"));
    site.net.run();
    assert_eq!(client.heard().len(), 1);
    assert!(stranger.received().is_empty() && other.received().is_empty());

    // The port that was told beforehand.
    let site = Site::gentle();
    echo(&site);
    let client = associate(&site, 5001);
    client.send("srv", 7, b"from the wrong port");
    site.net.run();
    assert!(client.heard().is_empty());
}

#[test]
fn only_who_was_sent_something_is_passed_on() {
    let site = Site::gentle();
    let server = site.net.host("srv").datagram_probe("udp:7");
    let client = associate(&site, 0);
    client.send("srv", 7, b"question");
    site.net.run();
    let question = server.take_received().remove(0);
    assert_eq!(question.data, b"question");
    let far = question.from;
    site.net.host("stranger").datagram_probe("udp:7").send(far, b"spam");
    server.send(far, b"answer");
    site.net.run();
    let from = format!("{}:7", site.net.host("srv").ips()[0]);
    assert_eq!(client.heard(), [(from, b"answer".to_vec())]);
}

#[test]
fn rules_and_nonsense() {
    let rules = Rules::new().deny("*:53".parse().unwrap()).deny("*.example".parse().unwrap());
    let site = Site::new(Net::gentle(1), SocksServer::new().rules(rules));
    echo(&site);
    let dns = site.net.host("srv").datagram_probe("udp:53");
    let client = associate(&site, 0);
    client.send("srv", 53, b"denied");
    client.send("a.example", 7, b"denied");
    client.send("nobody", 7, b"unknown");
    client.send("127.0.0.1", 7, b"not for others");
    client.probe.send(client.relay, b"");
    client.probe.send(client.relay, b"\0\0\x01\x01\x0a\0\0\x02\0\x07fragment");
    client.probe.send(client.relay, b"\0\0\0\x09");
    client.control.send(vec![b'x'; 1 << 20]);
    site.net.run();
    assert!(client.heard().is_empty() && dns.received().is_empty() && !client.control.lost());
    client.send("srv", 7, b"allowed");
    site.net.run();
    assert_eq!(client.heard().len(), 1);
    client.control.close();
    site.advance(10);
    assert_eq!(site.log.only().sent, 7);
}

#[test]
fn silence_ends_it() {
    let limits = ProxyLimits { idle: Duration::from_secs(60), ..ProxyLimits::default() };
    let site = Site::new(Net::gentle(1), SocksServer::new().limits(limits));
    echo(&site);
    let client = associate(&site, 0);
    for _ in 0..4 {
        site.advance(50);
        client.send("srv", 7, b"tick");
    }
    site.advance(55);
    assert!(!client.control.lost());
    site.advance(10);
    assert!(client.control.eof());
    client.control.close();
    site.advance(10);
    assert!(site.is_quiet() && site.net.host("gate").left().ports == 1);
    assert!(site.log.error().contains("no datagram"));
}

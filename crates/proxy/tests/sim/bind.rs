//! BIND: a connection the other way round.

use super::Site;
use std::net::SocketAddr;
use trenza_core::Addr;
use trenza_proxy::SocksServer;
use trenza_sim::{Net, Probe, for_seeds};

const BIND: &[u8] = b"\x05\x01\0\x05\x02\0\x03\x03srv\0\x14";

/// A client by IPv4, so that the proxy listens on IPv4.
fn client4(site: &Site) -> Probe {
    site.net.host("cli").probe_to(SocketAddr::new(site.net.host("gate").ips()[0], 1080))
}

/// The address in a reply of version 5 that begins at `at`.
fn address(reply: &[u8]) -> SocketAddr {
    assert_eq!(reply[..4], *b"\x05\0\0\x01", "{reply:?}");
    let ip: [u8; 4] = reply[4..8].try_into().unwrap();
    (ip, u16::from_be_bytes(reply[8..10].try_into().unwrap())).into()
}

#[test]
fn who_was_asked_for_comes() {
    for_seeds(0..30, |seed| {
        let site = Site::new(Net::new(seed), SocksServer::new());
        let client = client4(&site);
        client.send(BIND);
        let server = site.net.host("srv");
        site.net.run();
        let listens = address(&client.received()[2..]);
        assert_eq!(listens.ip(), site.net.host("gate").ips()[0]);
        let other = site.net.host("other").probe_to(listens);
        site.net.run();
        assert!(other.was_reset(), "somebody else");
        let guest = server.probe_to(listens);
        guest.send("file");
        site.net.run();
        assert_eq!(Addr::from(address(&client.received()[12..])), *guest.local_addr());
        assert!(client.received().ends_with(b"file"));
        assert!(server.probe_to(listens).error().is_none());
        client.send("thanks");
        client.close();
        site.net.run();
        assert!(guest.received() == b"thanks" && guest.eof());
        drop(guest);
        site.advance(60);
        let late = server.probe_to(listens);
        site.net.run();
        assert!(late.was_reset() || late.error().is_some(), "the port is given up");
        assert!(site.is_quiet());
        assert_eq!(site.log.only().error, None);
    });
}

#[test]
fn nobody_comes() {
    let site = Site::gentle();
    site.net.host("srv");
    let client = client4(&site);
    client.send(BIND);
    site.net.run();
    let listens = address(&client.received()[2..]);
    site.advance(70);
    assert_eq!(client.received()[12..], *b"\x05\x06\0\x01\0\0\0\0\0\0");
    assert!(client.eof() && site.is_quiet());
    let late = site.net.host("srv").probe_to(listens);
    site.net.run();
    assert!(late.error().is_some());
}

#[test]
fn a_client_that_leaves_takes_its_port_along() {
    let site = Site::gentle();
    site.net.host("srv");
    let client = client4(&site);
    client.send(BIND);
    site.net.run();
    let listens = address(&client.received()[2..]);
    client.reset();
    site.net.run();
    let late = site.net.host("srv").probe_to(listens);
    site.net.run();
    assert!(late.error().is_some() && site.is_quiet());
}

#[test]
fn version_4_binds_as_well() {
    let site = Site::gentle();
    let client = client4(&site);
    client.send(b"\x04\x02\0\x14\0\0\0\0\0");
    site.net.run();
    let reply = client.received();
    assert_eq!(reply[..2], *b"\0\x5a");
    let ip: [u8; 4] = reply[4..8].try_into().unwrap();
    let guest =
        site.net.host("srv").probe_to(SocketAddr::from((ip, u16::from_be_bytes([reply[2], reply[3]]))));
    guest.send("file");
    site.net.run();
    assert!(client.received()[8..].starts_with(b"\0\x5a") && client.received().ends_with(b"file"));
}

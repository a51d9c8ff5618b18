//! What clients ask for, however it comes.

use super::{Site, connect4a, connect5};
use std::time::Duration;
use trenza_proxy::{SocksServer, Users};
use trenza_sim::{Net, Probe, for_seeds};

fn users() -> SocksServer {
    SocksServer::new().users(Users::parse("ann:secret\n").unwrap())
}

/// What a client gets that sends `bytes` and its end; of a granted request the address, which differs, is left out.
fn get(net: Net, proxy: SocksServer, send: impl FnOnce(&Probe)) -> Vec<u8> {
    let site = Site::new(net, proxy).echo();
    let client = site.client();
    send(&client);
    client.close_write();
    site.net.run();
    assert!(client.eof(), "{:?}", client.error());
    site.advance(60);
    assert!(site.is_quiet());
    let record = site.log.only();
    assert_eq!(record.sent, record.received, "{record:?}");
    client.received()
}

/// The same, however it comes: whole, cut anywhere, byte for byte, in hostile networks.
fn got(proxy: impl Fn() -> SocksServer, bytes: &[u8]) -> Vec<u8> {
    let whole = without_address(get(Net::gentle(1), proxy(), |client| client.send(bytes)));
    for at in 1..bytes.len() {
        let cut = get(Net::gentle(1), proxy(), |client| client.send_split(bytes, &[at]));
        assert_eq!(without_address(cut), whole, "cut at {at}");
    }
    let bytewise = |net| get(net, proxy(), |client| client.send_bytewise(bytes, Duration::from_micros(10)));
    assert_eq!(without_address(bytewise(Net::gentle(1))), whole, "byte for byte");
    for_seeds(0..50, |seed| {
        let hostile = get(Net::new(seed), proxy(), |client| client.send(bytes));
        assert_eq!(without_address(hostile), whole);
        assert_eq!(without_address(bytewise(Net::new(seed))), whole, "byte for byte");
    });
    whole
}

/// Blanks the address in what grants a request: it is of either family.
fn without_address(mut got: Vec<u8>) -> Vec<u8> {
    let yes5 = got.windows(4).position(|window| window == b"\x05\0\0\x01" || window == b"\x05\0\0\x04");
    if let Some(at) = yes5 {
        let length = if got[at + 3] == 1 { 6 } else { 18 };
        got.splice(at + 3..at + 4 + length, *b"!");
    } else if got.starts_with(b"\0\x5a") {
        got.splice(2..8, *b"!");
    }
    got
}

#[test]
fn version_5() {
    let ask = [connect5("srv", 7), b"hello".to_vec()].concat();
    assert_eq!(got(SocksServer::new, &ask), b"\x05\0\x05\0\0!hello");
    let by_address = b"\x05\x02\0\x02\x05\x01\0\x01\x0a\0\0\x02\0\x07hello";
    let site = Site::gentle().echo();
    assert_eq!(site.net.host("srv").ips()[0].to_string(), "10.0.0.2");
    assert_eq!(got(SocksServer::new, by_address), b"\x05\0\x05\0\0!hello");
}

#[test]
fn version_5_with_password() {
    let right = b"\x05\x02\0\x02\x01\x03ann\x06secret\x05\x01\0\x03\x03srv\0\x07hello";
    assert_eq!(got(users, right), b"\x05\x02\x01\0\x05\0\0!hello");
    let wrong = b"\x05\x02\0\x02\x01\x03ann\x06secreT\x05\x01\0\x03\x03srv\0\x07hello";
    assert_eq!(got(users, wrong), b"\x05\x02\x01\x01");
    assert_eq!(got(users, &connect5("srv", 7)), b"\x05\xff");
    assert_eq!(got(users, &connect4a("srv", 7)), b"\0\x5b\0\0\0\0\0\0");
}

#[test]
fn versions_4_and_4a() {
    let ask = [connect4a("srv", 7), b"hello".to_vec()].concat();
    assert_eq!(got(SocksServer::new, &ask), b"\0\x5a!hello");
    assert_eq!(got(SocksServer::new, b"\x04\x01\0\x07\x0a\0\0\x02ann\0hello"), b"\0\x5a!hello");
}

#[test]
fn the_reply_tells_this_ends_address() {
    let site = Site::gentle().echo();
    let client = site.client();
    client.send(connect5("srv", 7));
    site.net.run();
    let received = client.received();
    let far = site.net.host("gate").run(|reactor| reactor.connections().remove(1).peer());
    assert_eq!(received[..6], *b"\x05\0\x05\0\0\x01");
    let std::net::IpAddr::V4(ip) = far.local.ip().unwrap() else { panic!("{far:?}") };
    assert_eq!(received[6..], [&ip.octets()[..], &far.local.port().unwrap().to_be_bytes()].concat());
}

#[test]
fn the_record_says_who_where_and_how_much() {
    let site = Site::new(Net::gentle(1), users()).echo();
    let client = site.client();
    client.send(b"\x05\x01\x02\x01\x03ann\x06secret");
    client.send(b"\x05\x01\0\x03\x03srv\0\x07hello");
    client.close_write();
    site.advance(30);
    let record = site.log.only();
    assert_eq!(record.remote.to_string(), client.local_addr().to_string());
    assert_eq!(record.user.as_deref(), Some("ann"));
    assert_eq!(record.target.as_deref(), Some("srv:7"));
    assert_eq!(record.far.map(|far| far.to_string()).as_deref(), Some("10.0.0.2:7"));
    assert_eq!((record.sent, record.received, record.error), (5, 5, None));
}

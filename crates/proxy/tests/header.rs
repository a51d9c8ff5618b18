//! Servers behind a proxy and clients that are one, over the simulated network.
#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::{Input, IntoEndpoint, Left, Peer, Protocol, Reason, Result, Transport};
use trenza_proxy::{
    header::{Header, Told, Version},
    register,
};
use trenza_sim::{HostHandle, Net, for_seeds};

/// Answers with all that it received.
#[derive(Clone, Default)]
struct Echo {
    peers: Rc<RefCell<Vec<Peer>>>,
    lost: Rc<RefCell<Vec<String>>>,
}

impl Protocol for Echo {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.peers.borrow_mut().push((*transport.peer()).clone());
        Ok(())
    }
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.lost.borrow_mut().push(reason.to_string());
    }
}

fn serve(srv: &HostHandle, on: &str) -> Echo {
    let echo = Echo::default();
    let each = echo.clone();
    srv.run(|reactor| {
        register(reactor);
        reactor.listen(on, move |_| each.clone()).map(drop)
    })
    .unwrap();
    echo
}

fn headers() -> Vec<Header> {
    let told = [
        Told::Ip { source: "192.0.2.1:5000".parse().unwrap(), destination: "192.0.2.2:80".parse().unwrap() },
        Told::Ip { source: "[::1]:5000".parse().unwrap(), destination: "[::2]:80".parse().unwrap() },
        Told::Unknown,
        Told::Local,
    ];
    let versions = [Version::V1, Version::V2];
    told.iter().flat_map(|told| versions.map(|version| Header { version, told: told.clone() })).collect()
}

#[test]
fn a_header_may_come_in_any_two_pieces() {
    for header in headers() {
        let bytes = [&header.encode()[..], b"hello"].concat();
        for cut in 0..=bytes.len() {
            let net = Net::gentle(cut as u64);
            let echo = serve(&net.host("srv"), "haproxy:tcp:80");
            let proxy = net.host("proxy").probe("tcp:srv:80");
            proxy.send_split(&bytes, &[cut]);
            net.run();
            assert_eq!(proxy.received(), b"hello");
            let peer = echo.peers.borrow().first().cloned().unwrap();
            let via = proxy.local_addr().clone();
            match &header.told {
                Told::Ip { source, .. } => assert_eq!((peer.remote, peer.via), ((*source).into(), Some(via))),
                _ => assert_eq!((peer.remote, peer.via), (via, None)),
            }
        }
    }
}

#[test]
fn a_hostile_network_changes_nothing() {
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        let echo = serve(&net.host("srv"), "haproxy:tcp:80");
        let proxies: Vec<_> = headers()
            .iter()
            .map(|header| {
                let proxy = net.host("proxy").probe("tcp:srv:80");
                proxy.send([&header.encode()[..], &[b'x'; 5000]].concat());
                proxy.close_write();
                proxy
            })
            .collect();
        net.run();
        assert!(proxies.iter().all(|proxy| proxy.received() == [b'x'; 5000]));
        assert_eq!(echo.peers.borrow().len(), proxies.len());
    });
}

#[test]
fn who_does_not_begin_with_a_header_is_cut_off_at_once() {
    for_seeds(0..20, |seed| {
        for text in ["GET / HTTP/1.1\r\n", "\u{16}\u{3}\u{1}", "PROXY TCP4 x", "PROXX", "\r\n\r\nx"] {
            let net = Net::new(seed);
            let srv = net.host("srv");
            let echo = serve(&srv, "haproxy:tcp:80");
            let client = net.host("cli").probe("tcp:srv:80");
            client.send(text);
            client.send("\r\n");
            net.run();
            assert!(client.lost() || client.eof(), "{text:?}");
            client.close();
            net.advance(Duration::from_secs(10));
            assert!(echo.peers.borrow().is_empty() && client.received().is_empty());
            assert_eq!(srv.left().connections, 0);
        }
    });
}

#[test]
fn who_ends_within_the_header_or_never_sends_it_is_given_up() {
    let net = Net::gentle(1);
    let srv = net.host("srv");
    let echo = serve(&srv, "haproxy:tcp:80");
    let short = net.host("proxy").probe("tcp:srv:80");
    short.send("PROXY TCP4 192.0.2.1");
    short.close_write();
    let silent = net.host("proxy").probe("tcp:srv:80");
    let slow = net.host("proxy").probe("tcp:srv:80");
    slow.send_bytewise("PROXY UNKNOWN and what is to be ignored", Duration::from_secs(1));
    net.advance(Duration::from_secs(9));
    assert!(short.lost() || short.eof());
    assert!(!silent.lost() && !slow.lost());
    net.advance(Duration::from_secs(11));
    assert!(silent.lost() && slow.lost(), "the handshake has a limit");
    assert!(echo.peers.borrow().is_empty());
    assert_eq!(srv.left(), Left { ports: 1, ..Left::default() });
}

#[test]
fn clients_tell_their_own_address_before_anything_else() {
    for_seeds(0..30, |seed| {
        for (to, version) in
            [("haproxy:tcp:srv:80:bind=10.0.0.2", Version::V2), ("haproxy:version=1:tcp:srv:80", Version::V1)]
        {
            let net = Net::new(seed);
            let srv = net.host("srv");
            let echo = serve(&srv, "haproxy:tcp:80");
            let cli = net.host("cli");
            let answer = net
                .block_on(&cli, async move {
                    let reactor = trenza_core::Reactor::current();
                    register(&reactor);
                    let mut stream = reactor.open(to).await?;
                    stream.write_all(b"hello").await?;
                    let answer = stream.read_exact(5).await?;
                    stream.close().await?;
                    Ok(answer)
                })
                .unwrap();
            assert_eq!(answer.unwrap(), b"hello");
            let peer = echo.peers.borrow().first().cloned().unwrap();
            assert_eq!(peer.via.as_ref(), Some(&peer.remote), "{version:?}");
        }
    });
}

#[test]
fn clients_on_unix_sockets_are_told_too() {
    for (path, means) in
        [("/run/a.sock", "/run/a.sock"), ("\0abs", "@abs"), ("", "a UNIX socket without a name")]
    {
        let net = Net::gentle(1);
        let echo = serve(&net.host("srv"), "haproxy:tcp:80");
        let proxy = net.host("proxy").probe("tcp:srv:80");
        let told = Told::Unix { source: path.into(), destination: b"/run/b".to_vec() };
        proxy.send(Header { version: Version::V2, told }.encode());
        net.run();
        assert_eq!(echo.peers.borrow().first().unwrap().remote.to_string(), means);
    }
}

/// What a client sends is the header, although the server speaks first or the client never does.
#[test]
fn a_client_that_says_nothing_still_tells_who_it_is() {
    let net = Net::gentle(1);
    let servers = net.host("srv").probe_listen("tcp:80");
    net.host("cli").run(|reactor| {
        register(reactor);
        reactor.connect("haproxy:version=1:tcp:srv:80", |_| Echo::default()).detach();
    });
    net.run();
    let server = servers.accept().unwrap();
    let header = String::from_utf8(server.received()).unwrap();
    assert!(header.starts_with("PROXY TCP4 10.0.0.2 10.0.0.1 ") && header.ends_with(" 80\r\n"), "{header}");
    server.send("and you?");
    net.run();
    assert_eq!(server.received().strip_prefix(header.as_bytes()).unwrap(), b"and you?");
}

#[test]
fn headers_of_two_proxies_lie_one_behind_the_other() {
    let net = Net::gentle(1);
    let echo = serve(&net.host("srv"), "haproxy:haproxy:tcp:80");
    let proxy = net.host("proxy").probe("tcp:srv:80");
    proxy.send("PROXY TCP4 192.0.2.9 192.0.2.2 1 80\r\nPROXY TCP4 192.0.2.1 192.0.2.9 2 80\r\nhello");
    net.run();
    assert_eq!(proxy.received(), b"hello");
    let peer = echo.peers.borrow().first().cloned().unwrap();
    assert_eq!(
        (peer.remote.to_string(), peer.via.unwrap().to_string()),
        ("192.0.2.1:2".into(), "192.0.2.9:1".into())
    );
}

#[test]
fn wrong_strings_are_explained() {
    let net = Net::gentle(1);
    net.host("srv").run(|reactor| {
        register(reactor);
        for (text, part) in [
            ("haproxy", "an endpoint is missing here"),
            ("haproxy:8080", "did you mean tcp:8080?"),
            ("haproxy:version=1:tcp:80", "there are none here"),
            ("haproxy:tcp:80:interface=x", "IP address"),
        ] {
            let error = text.into_endpoint().unwrap().listening(reactor).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let error = "haproxy:version=3:tcp:h:80".into_endpoint().unwrap().connecting(reactor).unwrap_err();
        assert!(error.to_string().contains("there are 1 and 2"), "{error}");
    });
}

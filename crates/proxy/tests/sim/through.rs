//! Clients through proxies.

use super::{Echo, Site};
use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::{Input, IntoEndpoint, Protocol, Result, Transport};
use trenza_proxy::{ProxyCause, ProxyError, SocksServer, Users};
use trenza_sim::{Net, Probe, for_seeds};

/// A client that says hello and keeps what it gets.
#[derive(Clone, Default)]
struct Hello(Rc<RefCell<Vec<u8>>>);

impl Protocol for Hello {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(b"hello");
        transport.close_write();
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.borrow_mut().extend_from_slice(input.rest());
        Ok(())
    }
}

/// What a client has got, or why it could not connect.
type Got = Rc<RefCell<Option<std::result::Result<Vec<u8>, String>>>>;

/// Connects to `endpoint` from the host `cli`.
fn connect(net: &Net, endpoint: &str) -> Got {
    let got = Got::default();
    let told = got.clone();
    net.host("cli").run(|reactor| {
        trenza_proxy::register(reactor);
        let hello = Hello::default();
        let heard = hello.0.clone();
        reactor.connect(endpoint, move |_| hello).then(move |made| {
            let Ok(transport) = made else {
                *told.borrow_mut() = Some(Err(made.unwrap_err().to_string()));
                return;
            };
            transport.attach(Tell(told, heard));
        });
    });
    got
}

/// Tells what was heard when the connection has ended.
struct Tell(Got, Rc<RefCell<Vec<u8>>>);

impl Drop for Tell {
    fn drop(&mut self) {
        *self.0.borrow_mut() = Some(Ok(self.1.take()));
    }
}

fn heard(got: &Got) -> Vec<u8> {
    got.borrow().clone().expect("it has ended").expect("it has connected")
}

fn error(got: &Got) -> String {
    got.borrow().clone().expect("it has ended").expect_err("it must fail")
}

#[test]
fn our_clients_through_our_proxy() {
    for_seeds(0..40, |seed| {
        for endpoint in [
            "socks5:gate:1080:tcp:srv:7",
            "socks4a:gate:1080:user=ann:tcp:srv:7",
            "socks5:gate:1080:tcp:10.0.0.2:7",
            "socks5:gate:1080:tcp:[fd00::2]:7",
        ] {
            let site = Site::new(Net::new(seed), SocksServer::new()).echo();
            let got = connect(&site.net, endpoint);
            site.advance(30);
            assert_eq!(heard(&got), b"hello", "{endpoint}");
            assert_eq!(site.log.only().error, None);
        }
    });
}

#[test]
fn with_a_password() {
    let site =
        || Site::new(Net::gentle(1), SocksServer::new().users(Users::parse("ann:s:t").unwrap())).echo();
    let outcome = |options: &str| {
        let site = site();
        let got = connect(&site.net, &format!("socks5:gate:1080:{options}tcp:srv:7"));
        site.advance(30);
        got
    };
    assert_eq!(heard(&outcome(r"user=ann:password=s\:t:")), b"hello");
    let wrong = error(&outcome("user=ann:password=st:"));
    assert_eq!(
        wrong,
        "the SOCKS 5 proxy gate:1080 did not connect to srv:7: the proxy does not accept the user and password"
    );
    assert!(error(&outcome("")).contains("wants a user and a password"));
}

#[test]
fn from_proxy_to_proxy() {
    for_seeds(0..20, |seed| {
        let site = Site::new(Net::new(seed), SocksServer::new()).echo();
        let second = site.net.host("second");
        second.run(|reactor| reactor.listen_with("tcp:1080", SocksServer::new()).map(drop)).unwrap();
        let got = connect(&site.net, "socks5:gate:1080:socks4a:second:1080:tcp:srv:7");
        site.advance(30);
        assert_eq!(heard(&got), b"hello");
        assert_eq!(site.log.only().target.as_deref(), Some("second:1080"));
    });
}

#[test]
fn what_is_said_of_the_connection_holds_through_a_proxy() {
    for (option, ends) in [("", false), (":idle=2", true), (":deadline=2", true)] {
        let site = Site::new(Net::gentle(1), SocksServer::new());
        let _silent = site.net.host("srv").probe_listen("tcp:7");
        let got = connect(&site.net, &format!("socks5:gate:1080:tcp:srv:7{option}"));
        site.advance(3);
        assert_eq!(got.borrow().is_some(), ends, "{option}");
    }
}

#[test]
fn the_peer_is_who_was_asked_for_via_the_proxy() {
    let site = Site::gentle().echo();
    let peer = Rc::new(RefCell::new(None));
    let place = peer.clone();
    site.net.host("cli").run(|reactor| {
        trenza_proxy::register(reactor);
        let connect = reactor.connect("socks5:10.0.0.1:1080:tcp:10.0.0.2:7", move |transport| {
            *place.borrow_mut() = Some(transport.peer());
            Echo
        });
        connect.detach();
    });
    site.net.run();
    let peer = peer.take().unwrap();
    assert_eq!(peer.remote.to_string(), "10.0.0.2:7");
    assert_eq!(peer.via.as_ref().map(ToString::to_string).as_deref(), Some("10.0.0.1:1080"));
}

/// A client of a proxy that a script plays: what the client is told.
fn scripted(endpoint: &str, act: impl Fn(&Net, &Probe)) -> Got {
    let net = Net::gentle(1);
    let proxies = net.host("gate").probe_listen("tcp:1080");
    let got = connect(&net, endpoint);
    net.run();
    act(&net, &proxies.accept().unwrap());
    net.advance(Duration::from_secs(60));
    got
}

#[test]
fn an_http_proxy_at_every_cut() {
    let answer = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 gate\r\n\r\nhi";
    for cut in 0..answer.len() {
        let got = scripted("http-proxy:gate:1080:user=ann:password=secret:tcp:srv:443", |net, proxy| {
            assert_eq!(
                String::from_utf8(proxy.received()).unwrap(),
                "CONNECT srv:443 HTTP/1.1\r\nHost: srv:443\r\nProxy-Authorization: Basic YW5uOnNlY3JldA==\r\n\r\n"
            );
            proxy.send_split(answer, &[cut]);
            net.run();
            assert!(proxy.received().ends_with(b"\r\n\r\nhello"));
            proxy.close();
        });
        assert_eq!(heard(&got), b"hi", "cut at {cut}");
    }
}

#[test]
fn proxies_that_say_no_or_nonsense() {
    let socks = "socks5:gate:1080:tcp:srv:7";
    let http = "http-proxy:gate:1080:tcp:srv:7";
    for (endpoint, answer, part) in [
        (socks, &b"\x05\0\x05\x04\0\x01\0\0\0\0\0\0"[..], "host unreachable"),
        (socks, b"\x05\xff", "wants a user"),
        (socks, b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak SOCKS 5"),
        (http, b"HTTP/1.1 407 Who?\r\n\r\n", "status 407"),
        (http, b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", "does not allow it"),
        (http, b"\x05\0", "does not speak HTTP/1"),
        (http, &[b'x'; 20_000], "does not speak HTTP/1"),
        (http, &[&b"HTTP/1.1 200 "[..], &[b'x'; 20_000]].concat(), "too long"),
        (http, &b"HTTP/1.1 100 wait\r\n\r\n".repeat(100), "only say to wait"),
    ] {
        let said = error(&scripted(endpoint, |_, proxy| proxy.send(answer)));
        assert!(said.contains(part) && said.contains("gate:1080 did not connect to srv:7"), "{said}");
    }
}

#[test]
fn proxies_that_leave_or_are_silent() {
    for endpoint in ["socks5:gate:1080:tcp:srv:7", "http-proxy:gate:1080:tcp:srv:7"] {
        let said = error(&scripted(endpoint, |_, proxy| proxy.close()));
        assert!(said.contains("cut short"), "{said}");
        let said = error(&scripted(endpoint, |_, proxy| proxy.reset()));
        assert!(said.contains("reset"), "{said}");
        let said = error(&scripted(endpoint, |_, _| ()));
        assert!(said.contains("not ready within 30s"), "{said}");
    }
    // A proxy that is not there is an error of its own, which names it.
    let net = Net::gentle(1);
    net.host("gate");
    let got = connect(&net, "socks5:gate:1080:tcp:srv:7");
    net.run();
    assert!(error(&got).contains("cannot connect to gate:1080"), "{}", error(&got));
}

#[test]
fn what_a_program_can_ask_of_the_error() {
    let site = Site::gentle();
    site.net.host("srv");
    let seen = Rc::new(RefCell::new(None));
    let place = seen.clone();
    site.net.host("cli").run(|reactor| {
        trenza_proxy::register(reactor);
        reactor.connect("socks5:gate:1080:tcp:srv:9", |_| Echo).then(move |made| {
            *place.borrow_mut() = made.unwrap_err().downcast_ref::<ProxyError>().cloned();
        });
    });
    site.net.run();
    let error = seen.take().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(matches!(error.cause, ProxyCause::Socks(_)), "{error:?}");
}

#[test]
fn endpoints_that_make_no_sense_say_so() {
    let net = Net::gentle(1);
    for (endpoint, part) in [
        ("socks5:gate:1080", "an endpoint is missing"),
        ("socks5:gate:tcp:srv:7", "\"tcp\" is not a port"),
        ("socks5:gate:1080:user=ann:tcp:srv:7", "user= and password= together"),
        ("socks5:gate:1080:pass=x:tcp:srv:7", "known: user, password"),
        ("socks4a:gate:1080:tcp:[::1]:7", "no IPv6"),
        ("http-proxy:gate:1080:user=a\\:b:password=x:tcp:srv:7", "no colon"),
        ("socks5:gate:1080:tcp:a b:7", "printable ASCII"),
    ] {
        let said = error(&{
            let got = connect(&net, endpoint);
            net.run();
            got
        });
        assert!(said.contains(part), "{said}");
    }
    let hidden = "socks5:gate:1080:user=ann:password=secret:tcp:srv:x";
    let got = connect(&net, hidden);
    net.run();
    assert!(error(&got).contains("password=***") && !error(&got).contains("secret"), "{}", error(&got));
    assert!(!format!("{:?}", hidden.into_endpoint().unwrap()).contains("secret"));
}

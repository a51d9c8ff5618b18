//! What one client may cost.

use super::{Site, echo_target, ok, request, text};
use trenza_web::ServerLimits;

#[test]
fn connections_from_one_address_are_limited() {
    let limits = ServerLimits { per_address: 2, ..ServerLimits::default() };
    let site = Site::gentle(echo_target().limits(limits));
    let (one, two) = (site.client(), site.client());
    site.net.run();
    let three = site.client();
    site.net.run();
    assert!(three.lost() && !one.lost() && !two.lost());
    let elsewhere = site.net.host("elsewhere").probe("tcp:srv:80");
    elsewhere.send(request("GET /", ""));
    site.net.run();
    assert_eq!(text(&elsewhere.received()), ok("GET /"));
    drop(one);
    site.net.run();
    let four = site.client();
    four.send(request("GET /", ""));
    site.net.run();
    assert_eq!(text(&four.received()), ok("GET /"));
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let limits = ServerLimits { per_address: 1, ..ServerLimits::default() };
    let site = Site::gentle(echo_target().limits(limits));
    let to = std::net::SocketAddr::new(site.host.ips()[1], 80);
    let one = site.net.host("cli").probe_to(to);
    site.net.run();
    let other = site.net.host("neighbour").probe_to(to);
    site.net.run();
    assert!(other.lost() && !one.lost(), "they share fd00::/64");
}

#[test]
fn endless_messages_cost_no_more_than_their_limits() {
    for (start, piece, status) in [
        ("GET /", "a", 414),
        ("GET / HTTP/1.1\r\nx: ", "y", 431),
        ("GET / HTTP/1.1\r\n", "x: y\r\n", 431),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", "0", 400),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;", "x", 400),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", "y", 431),
    ] {
        let site = Site::gentle(super::echo_body());
        let client = site.client();
        client.send(start);
        let mut most = 0;
        for _ in 0..100 {
            client.send(piece.repeat(1000));
            site.net.run();
            most = most.max(site.held().0);
            if !client.received().is_empty() {
                break;
            }
        }
        assert!(text(&client.received()).starts_with(&format!("HTTP/1.1 {status} ")), "{start:?}");
        assert!(most <= 32 * 1024, "{start:?}: {most} bytes unread");
    }
}

//! Upgrades and tunnels.

use super::why;
use crate::case::{Case, REFUSED, differ, same};

/// A GET with these fields.
macro_rules! get {
    ($path:literal, $fields:literal) => {
        concat!("GET ", $path, " HTTP/1.1\r\nHost: h\r\n", $fields, "\r\n").as_bytes()
    };
}

pub(crate) const CASES: &[Case] = &[
    same(
        "an upgrade",
        get!("/upgrade", "Connection: upgrade\r\nUpgrade: echo\r\n"),
        "101 \"hello<next>\"; open",
    )
    .then(b"hello"),
    same(
        "bytes behind the request belong to the other protocol",
        get!("/upgrade", "Connection: keep-alive, Upgrade\r\nUpgrade: echo\r\n"),
        "101 \"<next>\"; open",
    ),
    same(
        "the client ends its side",
        get!("/upgrade", "Connection: upgrade\r\nUpgrade: echo\r\n"),
        "101 \"<next>\"; closed",
    )
    .half_closed(),
    same(
        "the handler does not upgrade",
        get!("/", "Connection: upgrade\r\nUpgrade: h2c, echo\r\n"),
        "200 GET / @h; next; open",
    ),
    same(
        "with a body that is read",
        b"POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\
          Content-Length: 3\r\n\r\nabc",
        "200 POST / @h \"abc\"; next; open",
    ),
    differ(
        "Upgrade without the option",
        get!("/upgrade", "Upgrade: echo\r\n"),
        "500 close; closed",
        "101 \"<next>\"; open",
        "RFC 9110, 7.8: Upgrade counts only if Connection names it",
    ),
    same("the option without Upgrade", get!("/upgrade", "Connection: upgrade\r\n"), "500 close; closed"),
    same("neither", get!("/upgrade", ""), "500 close; closed"),
    same(
        "HTTP/1.0 does not know it",
        b"GET /upgrade HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
        "500 close; closed",
    ),
    differ(
        "with a body that is not read",
        b"POST /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\
          Content-Length: 3\r\n\r\nabc",
        "500 close; closed",
        "101 \"<next>\"; open",
        "RFC 9110, 7.8: the other protocol begins behind the body; hyper drops it, or takes it for a part",
    )
    .whole_to_hyper(),
    same("a bad field beside", get!("/upgrade", "Connection: upgrade\r\nUpgrade : echo\r\n"), REFUSED),
    same("a tunnel", b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "200 \"hello<next>\"; open")
        .then(b"hello"),
    same(
        "a tunnel, and the client ends its side",
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: h\r\n\r\n",
        "200 \"<next>\"; closed",
    )
    .half_closed(),
    same(
        "a tunnel that is refused",
        b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
        "403 CONNECT h:1 @h; next; open",
    ),
    differ(
        "a tunnel with a length",
        b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        REFUSED,
        "200 \"<next>\"; open",
        why::TUNNEL_BODY,
    )
    .whole_to_hyper(),
    differ(
        "a tunnel with chunks",
        b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        REFUSED,
        "200 \"<next>\"; open",
        why::TUNNEL_BODY,
    )
    .whole_to_hyper(),
    differ(
        "a tunnel to a path",
        b"CONNECT /a HTTP/1.1\r\nHost: h\r\n\r\n",
        REFUSED,
        "200 \"<next>\"; open",
        why::TUNNEL_FORM,
    ),
    differ(
        "a tunnel without a port",
        b"CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n",
        REFUSED,
        "200 \"<next>\"; open",
        why::TUNNEL_FORM,
    ),
    differ(
        "a tunnel to a URI",
        b"CONNECT http://h:80/ HTTP/1.1\r\nHost: h\r\n\r\n",
        REFUSED,
        "200 \"<next>\"; open",
        why::TUNNEL_FORM,
    ),
    differ(
        "a tunnel without Host",
        b"CONNECT h:443 HTTP/1.1\r\n\r\n",
        REFUSED,
        "200 \"<next>\"; open",
        why::HOST,
    ),
];

//! Replies, written and read.

use super::*;
use std::cell::Cell;
use trenza_wire::Input;

fn written(reply: &Reply) -> String {
    let mut out = OutBuf::new();
    reply.write(&mut out);
    String::from_utf8(out.to_vec().unwrap()).unwrap()
}

fn read(text: &[u8]) -> Result<Option<Reply>, Error> {
    let frozen = Cell::new(false);
    Reply::read(&mut Input::new(text, &frozen, 1 << 20))
}

#[test]
fn replies_there_and_back() {
    for (line, reply) in [
        ("+OK", Reply::ok("")),
        ("+OK 2 320", Reply::ok("2 320")),
        ("-ERR No such message", Reply::err("No such message")),
        ("-ERR [LOGIN-DELAY]", Reply::err("").code(ResponseCode::LoginDelay)),
        ("-ERR [SYS/PERM] No", Reply::err("No").code(ResponseCode::SysPerm)),
        ("-ERR [X-A/B] No", Reply::err("No").code(ResponseCode::Other("X-A/B".into()))),
        ("-ERR [not one] No", Reply::err("[not one] No")),
        ("+OK [ No", Reply::ok("[ No")),
        ("+ ", Reply::challenge("")),
        ("+ dj1b", Reply::challenge("dj1b")),
    ] {
        assert_eq!(written(&reply), format!("{line}\r\n"));
        assert_eq!(read(format!("{line}\r\n").as_bytes()), Ok(Some(reply)), "{line}");
        assert_eq!(read(line.as_bytes()), Ok(None));
    }
    assert_eq!(read(b"+ok \xff\r\n"), Ok(Some(Reply::ok("\u{fffd}"))));
    assert_eq!(read(b"+\r\n"), Ok(Some(Reply::challenge(""))));
}

#[test]
fn what_is_no_reply() {
    let long = [&[b'x'; LINE_READ_MAX + 3][..], b"\r\n"].concat();
    for text in [&b"\r\n"[..], b"OK\r\n", b"+OKAY\r\n", b"220 smtp\r\n", b"+OK\n", b"+OK\rx\r\n", &long] {
        assert!(read(text).is_err(), "{}", text.escape_ascii());
    }
}

#[test]
fn a_line_is_not_broken() {
    let reply = Reply::err("a\r\nb\u{e4}");
    assert_eq!((written(&reply).as_str(), reply.to_string().as_str()), ("-ERR a??b?\r\n", "-ERR a  b\u{e4}"));
    assert_eq!(written(&Reply::ok("x".repeat(1000))).len(), LINE_MAX);
    assert_eq!(written(&Reply::challenge("x".repeat(1000))).len(), 1004);
}

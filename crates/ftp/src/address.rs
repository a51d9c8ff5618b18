//! Addresses of data connections: in PORT and 227 (RFC 959), in EPRT and 229 (RFC 2428).

use crate::time::number;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
};

/// The address family of EPSV and EPRT (RFC 2428 section 2, the numbers of RFC 1700).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// 1: IPv4.
    V4,
    /// 2: IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }
}

/// What is wrong with an argument of EPRT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extended {
    /// Its form.
    Malformed,
    /// A family that is neither IPv4 nor IPv6: to be answered with 522.
    UnknownFamily,
}

/// Reads `h1,h2,h3,h4,p1,p2` and nothing else. Spaces around it do not matter.
pub(crate) fn parse_port(text: &[u8]) -> Option<SocketAddrV4> {
    let mut parts = text.trim_ascii().split(|c| *c == b',').map(byte);
    let mut next = || parts.next().flatten();
    let numbers = [next()?, next()?, next()?, next()?, next()?, next()?];
    parts.next().is_none().then(|| of_numbers(numbers))
}

fn byte(text: &[u8]) -> Option<u8> {
    u8::try_from(number(text.trim_ascii())?).ok()
}

fn of_numbers([a, b, c, d, high, low]: [u8; 6]) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]))
}

/// An address as PORT and 227 have it.
pub(crate) struct Commas(pub(crate) SocketAddrV4);

impl fmt::Display for Commas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0.ip().octets();
        let [high, low] = self.0.port().to_be_bytes();
        write!(f, "{a},{b},{c},{d},{high},{low}")
    }
}

/// Reads EPRT's `|1|192.0.2.1|1025|`; any character may stand for the bar (RFC 2428 section 2).
pub(crate) fn parse_eprt(text: &[u8]) -> Result<SocketAddr, Extended> {
    let text = text.trim_ascii();
    let (bar, rest) = text.split_first().ok_or(Extended::Malformed)?;
    if !matches!(bar, 33..=126) {
        return Err(Extended::Malformed);
    }
    let parts: Vec<&[u8]> = rest.split(|c| c == bar).take(5).collect();
    let [family, ip, port, b""] = *parts else { return Err(Extended::Malformed) };
    let ip = std::str::from_utf8(ip).map_err(|_| Extended::Malformed)?;
    let port = port_number(port).ok_or(Extended::Malformed)?;
    let ip = match number(family) {
        Some(1) => ip.parse().map(IpAddr::V4).map_err(|_| Extended::Malformed)?,
        Some(2) => ip.parse().map(IpAddr::V6).map_err(|_| Extended::Malformed)?,
        Some(_) => return Err(Extended::UnknownFamily),
        None => return Err(Extended::Malformed),
    };
    Ok(SocketAddr::new(ip, port))
}

fn port_number(text: &[u8]) -> Option<u16> {
    u16::try_from(number(text)?).ok().filter(|port| *port != 0)
}

/// An address as EPRT has it. An IPv6 zone is left out: it means nothing at the other end.
pub(crate) struct Bars(pub(crate) SocketAddr);

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = self.0.ip();
        write!(f, "|{}|{ip}|{}|", Family::of(ip).number(), self.0.port())
    }
}

/// The address in the text of a 227, wherever it stands: servers put it in brackets, or behind an equals sign, or
/// neither (RFC 1123 section 4.1.2.6 asks clients to look for the digits).
pub fn parse_227(text: &[u8]) -> Option<SocketAddrV4> {
    (0..text.len()).find_map(|start| {
        let starts = !start.checked_sub(1).and_then(|at| text.get(at)).is_some_and(u8::is_ascii_digit);
        let numbers = text.get(start..).filter(|_| starts)?;
        six(numbers).map(of_numbers).filter(|addr| addr.port() != 0)
    })
}

/// Six numbers with commas between them that `text` begins with.
fn six(text: &[u8]) -> Option<[u8; 6]> {
    let (mut numbers, mut rest) = ([0; 6], text);
    for (at, place) in numbers.iter_mut().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(b",")?;
            rest = rest.strip_prefix(b" ").unwrap_or(rest);
        }
        let digits = rest.iter().take(4).take_while(|c| c.is_ascii_digit()).count();
        *place = byte(rest.get(..digits)?)?;
        rest = rest.get(digits..)?;
    }
    Some(numbers)
}

/// The text of a 227.
pub fn write_227(addr: SocketAddrV4) -> String {
    format!("Entering Passive Mode ({})", Commas(addr))
}

/// The port in the text of a 229: `(|||6446|)`. Family and address, which should be empty, do not count; any character
/// may stand for the bar.
pub fn parse_229(text: &[u8]) -> Option<u16> {
    let open = text.iter().position(|c| *c == b'(')?;
    let inner = text.get(open + 1..)?;
    let inner = inner.get(..inner.iter().position(|c| *c == b')')?)?;
    let (bar, rest) = inner.split_first().filter(|(bar, _)| !bar.is_ascii_digit())?;
    port_number(rest.split(|c| c == bar).nth(2)?)
}

/// The text of a 229.
pub fn write_229(port: u16) -> String {
    format!("Entering Extended Passive Mode (|||{port}|)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port() {
        let addr = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 1025);
        assert_eq!(parse_port(b"192,0,2,1,4,1"), Some(addr));
        assert_eq!(parse_port(b" 192, 0,2,1,4,1 "), Some(addr));
        assert_eq!(Commas(addr).to_string(), "192,0,2,1,4,1");
        for wrong in [
            &b""[..],
            b"192,0,2,1,4",
            b"192,0,2,1,4,1,1",
            b"192,0,2,256,4,1",
            b"192,0,2,-1,4,1",
            b"192.0.2.1,4,1",
            b"192,,2,1,4,1",
        ] {
            assert_eq!(parse_port(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn eprt() {
        for text in ["|1|192.0.2.1|1025|", "|2|2001:db8::1|65535|"] {
            let addr = parse_eprt(text.as_bytes()).expect(text);
            assert_eq!(Bars(addr).to_string(), text);
        }
        assert_eq!(parse_eprt(b"!1!192.0.2.1!1025!"), parse_eprt(b"|1|192.0.2.1|1025|"));
        assert_eq!(parse_eprt(b"|3|x|1|"), Err(Extended::UnknownFamily));
        for wrong in [
            &b""[..],
            b"|",
            b"|1|192.0.2.1|1025",
            b"|1|192.0.2.1|1025|x",
            b"|1|192.0.2.1|0|",
            b"|1|192.0.2.1|65536|",
            b"|1|2001:db8::1|1|",
            b"|2|192.0.2.1|1|",
            b"|1|example.org|1|",
            b"1|1|192.0.2.1|1|",
            b" 1 192.0.2.1 1 ",
        ] {
            assert_eq!(parse_eprt(wrong), Err(Extended::Malformed), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn passive_replies_of_all_kinds() {
        let addr = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 6446);
        for text in [
            "Entering Passive Mode (10,0,0,1,25,46)",
            "Entering Passive Mode (10,0,0,1,25,46).",
            "Entering passive mode 10,0,0,1,25,46",
            "=10,0,0,1,25,46",
            "Entering Passive Mode 2 (10, 0, 0, 1, 25, 46)",
        ] {
            assert_eq!(parse_227(text.as_bytes()), Some(addr), "{text}");
        }
        assert_eq!(parse_227(write_227(addr).as_bytes()), Some(addr));
        for wrong in ["", "(1,2,3,4,5)", "(10,0,0,1,0,0)", "(300,0,0,1,25,46)", "(10,0,0,1,25,1000)"] {
            assert_eq!(parse_227(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(parse_229(write_229(6446).as_bytes()), Some(6446));
        assert_eq!(parse_229(b"ok (!!!21!)"), Some(21));
        assert_eq!(parse_229(b"ok (|1|10.0.0.1|21|)"), Some(21));
        for wrong in ["", "(", "()", "(|||)", "(|||0|)", "(|||70000|)", "(|||x|)", "|||21|", "(111211)"] {
            assert_eq!(parse_229(wrong.as_bytes()), None, "{wrong}");
        }
    }
}

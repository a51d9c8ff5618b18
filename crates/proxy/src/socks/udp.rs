//! What stands before each datagram that a proxy passes on (RFC 1928 section 7).
//!
//! ```
//! use trenza_proxy::{Target, socks::udp};
//!
//! let target = Target::new("example.org", 53)?;
//! let mut datagram = Vec::new();
//! udp::write(&target, &mut datagram);
//! datagram.extend(b"hello");
//! assert_eq!(udp::read(&datagram)?, (target, &b"hello"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::{
    Error, fault,
    field::{Fields, put_target},
};
use crate::Target;

/// The most bytes before the data.
pub const HEADER_MAX: usize = 3 + 2 + crate::NAME_MAX + 2;

/// The target of a datagram from a client, or the sender of one to it, and the data.
///
/// # Errors
/// The peer's: no such header. Fragments are refused, which the standard allows (a datagram that does not fit is the
/// network's to cut).
pub fn read(datagram: &[u8]) -> Result<(Target, &[u8]), Error> {
    let mut fields = Fields::new(datagram);
    match fields.array() {
        Some([0, 0, 0]) => {}
        Some([0, 0, _]) => return fault("a fragment of a datagram"),
        _ => return fault("a datagram without the header of SOCKS"),
    }
    match fields.target() {
        Ok(Some(target)) => Ok((target, fields.rest())),
        Ok(None) => fault("a datagram that ends within its header"),
        Err(address) => fault(address.what()),
    }
}

/// Appends the header; the data goes behind it.
pub fn write(target: &Target, datagram: &mut Vec<u8>) {
    datagram.extend([0, 0, 0]);
    put_target(target, datagram);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_there_and_back() {
        for host in ["192.0.2.1", "2001:db8::1", "example.org", &"a".repeat(255)] {
            let target = Target::new(host, 65535).unwrap();
            let mut datagram = Vec::new();
            write(&target, &mut datagram);
            assert!(datagram.len() <= HEADER_MAX);
            for end in 0..datagram.len() {
                assert!(read(&datagram[..end]).is_err(), "{host} cut at {end}");
            }
            datagram.push(7);
            assert_eq!(read(&datagram), Ok((target, &[7][..])));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (datagram, part) in [
            (&b"\0\0\x01\x01\x7f\0\0\x01\0\x35x"[..], "fragment"),
            (b"\0\x01\0\x01\x7f\0\0\x01\0\x35x", "without the header"),
            (b"\0\0\0\x02\x7f\0\0\x01\0\x35x", "unknown kind"),
            (b"\0\0\0\x03\0\0\x35", "empty name"),
            (b"", "without the header"),
        ] {
            let error = read(datagram).unwrap_err();
            assert!(!error.is_local() && error.to_string().contains(part), "{error}");
        }
    }
}

//! Addresses of name servers as people write them.

use std::net::{IpAddr, SocketAddr};

/// The port of name servers.
pub const PORT: u16 = 53;

/// It is not the address of a name server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the address of a name server; as 192.0.2.53, 192.0.2.53:5353 and [2001:db8::53]:53 are"
)]
pub struct AddressError(String);

/// The address of a name server: an IP address, and a port unless it is 53.
///
/// ```
/// use trenza_dns::server_address;
///
/// assert_eq!(server_address("192.0.2.53")?.to_string(), "192.0.2.53:53");
/// assert_eq!(server_address("[2001:db8::53]:5353")?.port(), 5353);
/// assert!(server_address("ns.example.org").is_err());
/// # Ok::<(), trenza_dns::AddressError>(())
/// ```
///
/// # Errors
/// It is none. A name would have to be looked up first.
pub fn server_address(text: &str) -> Result<SocketAddr, AddressError> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match (bare.parse::<IpAddr>(), text.parse::<SocketAddr>()) {
        (Ok(ip), _) => Ok(SocketAddr::new(ip, PORT)),
        (_, Ok(address)) if address.port() > 0 => Ok(address),
        _ => Err(AddressError(text.into())),
    }
}

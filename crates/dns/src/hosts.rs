//! [`Hosts`]: what `/etc/hosts` says.

use crate::Name;
use std::net::IpAddr;
use trenza_core::Map;

/// How many bytes of a file are read; what follows is left out.
pub const HOSTS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The names of a file in the format of hosts(5).
///
/// ```
/// use trenza_dns::Hosts;
///
/// let hosts = Hosts::parse(b"192.0.2.7  mail.example.org mail  # the old one\n");
/// assert_eq!(hosts.addresses("MAIL"), [std::net::IpAddr::from([192, 0, 2, 7])]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    addresses: Map<Name, Vec<IpAddr>>,
    names: Map<IpAddr, Name>,
}

impl Hosts {
    /// Reads a file. What cannot be read in it is left out.
    pub fn parse(file: &[u8]) -> Self {
        let mut hosts = Self::default();
        let file = file.get(..HOSTS_BYTES_MAX).unwrap_or(file);
        for line in file.split(|byte| *byte == b'\n') {
            let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
            let line = String::from_utf8_lossy(line);
            let mut words = line.split_ascii_whitespace();
            let Some(Ok(ip)) = words.next().map(str::parse::<IpAddr>) else { continue };
            for name in words.filter_map(|word| crate::lookup::absolute(word).ok()) {
                hosts.names.entry(ip).or_insert_with(|| name.clone());
                let addresses = hosts.addresses.entry(name).or_default();
                if !addresses.contains(&ip) {
                    addresses.push(ip);
                }
            }
        }
        hosts
    }

    /// The addresses of a name, in the file's order.
    pub fn addresses(&self, name: &str) -> &[IpAddr] {
        crate::lookup::absolute(name).ok().map_or(&[], |name| self.addresses_of(&name))
    }

    pub(crate) fn addresses_of(&self, name: &Name) -> &[IpAddr] {
        self.addresses.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The first name of an address.
    pub fn name(&self, ip: IpAddr) -> Option<&Name> {
        self.names.get(&ip)
    }
}

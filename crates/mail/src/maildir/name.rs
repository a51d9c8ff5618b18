//! Names of messages in a Maildir.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use trenza_core::Reactor;

/// A name that no other message has: the time, 64 random bits and the host. Slashes and colons of the host, which mean
/// something in names, are written as others do.
pub(super) fn unique(reactor: &Reactor, host: &str) -> String {
    let since = reactor.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut random = [0; 8];
    reactor.random(&mut random);
    let mut name = format!("{}.M{}R", since.as_secs(), since.subsec_micros());
    for byte in random {
        _ = write!(name, "{byte:02x}");
    }
    name.push('.');
    for c in host.chars().take(64) {
        match c {
            '/' => name.push_str("\\057"),
            ':' => name.push_str("\\072"),
            c if c.is_ascii_graphic() && c != ',' => name.push(c),
            _ => name.push('_'),
        }
    }
    name
}

/// When a message was received, as its name tells.
pub(super) fn received(name: &str) -> Option<SystemTime> {
    let seconds: u32 = name.split('.').next()?.parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_can_be_names() {
        let net = trenza_sim::Net::gentle(1);
        let made =
            net.host("here").run(|reactor| [unique(reactor, "a/b:c,d e"), unique(reactor, "a/b:c,d e")]);
        assert_ne!(made[0], made[1]);
        for name in made {
            assert!(name.ends_with(".a\\057b\\072c_d_e"), "{name}");
            assert!(trenza_storage::Path::new(&name).is_ok());
        }
    }
}

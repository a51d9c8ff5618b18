//! [`Reply`]: what a proxy answers to a request.

use std::{fmt, io};
use trenza_core::{Error, Reason};

/// What a proxy answers to a request (RFC 1928 section 6). Version 4 knows yes and no only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    /// It is done.
    Granted,
    /// It failed, and none of the others says why.
    Failed,
    /// The proxy's rules forbid it.
    NotAllowed,
    /// No way leads to the network.
    NetworkUnreachable,
    /// No way leads to the machine, or nobody knows its name.
    HostUnreachable,
    /// The machine refused the connection.
    Refused,
    /// It took too long; literally, the packet's time to live ran out.
    Expired,
    /// The proxy does not have this command.
    CommandNotSupported,
    /// The proxy does not have this kind of address.
    AddressNotSupported,
    /// A code that is not in the standard.
    Other(u8),
}

/// The replies in the order of their codes in version 5.
const CODES: [Reply; 9] = [
    Reply::Granted,
    Reply::Failed,
    Reply::NotAllowed,
    Reply::NetworkUnreachable,
    Reply::HostUnreachable,
    Reply::Refused,
    Reply::Expired,
    Reply::CommandNotSupported,
    Reply::AddressNotSupported,
];

/// Granted, in version 4. Its other codes are 91 (failed), 92 and 93 (of the identification protocol).
const GRANTED_4: u8 = 90;
const FAILED_4: u8 = 91;

impl Reply {
    /// The reply that tells why a connect has failed: by the kind of the [`io::Error`] in it.
    ///
    /// ```
    /// use std::io::{Error, ErrorKind};
    /// use trenza_proxy::socks::Reply;
    ///
    /// assert_eq!(Reply::to_error(&Error::from(ErrorKind::ConnectionRefused).into()), Reply::Refused);
    /// ```
    pub fn to_error(error: &Error) -> Self {
        let io = error.downcast_ref::<io::Error>();
        let io = io.or_else(|| match error.downcast_ref::<Reason>() {
            Some(Reason::Io(error)) => Some(error),
            _ => None,
        });
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => Self::Refused,
            Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown) => Self::NetworkUnreachable,
            Some(
                io::ErrorKind::HostUnreachable | io::ErrorKind::NotFound | io::ErrorKind::AddrNotAvailable,
            ) => Self::HostUnreachable,
            Some(io::ErrorKind::TimedOut) => Self::Expired,
            Some(io::ErrorKind::PermissionDenied) => Self::NotAllowed,
            _ => Self::Failed,
        }
    }

    pub(super) fn code5(self) -> u8 {
        let place = CODES.iter().position(|reply| *reply == self);
        match self {
            Self::Other(code) => code,
            _ => place.and_then(|place| u8::try_from(place).ok()).unwrap_or(1),
        }
    }

    pub(super) fn of_code5(code: u8) -> Self {
        CODES.get(usize::from(code)).copied().unwrap_or(Self::Other(code))
    }

    pub(super) fn code4(self) -> u8 {
        if self == Self::Granted { GRANTED_4 } else { FAILED_4 }
    }

    pub(super) fn of_code4(code: u8) -> Self {
        match code {
            GRANTED_4 => Self::Granted,
            FAILED_4 => Self::Failed,
            code => Self::Other(code),
        }
    }

    /// The kind of [`io::Error`] that says the same.
    pub fn kind(self) -> io::ErrorKind {
        match self {
            Self::Granted | Self::Failed | Self::Other(_) => io::ErrorKind::Other,
            Self::NotAllowed => io::ErrorKind::PermissionDenied,
            Self::NetworkUnreachable => io::ErrorKind::NetworkUnreachable,
            Self::HostUnreachable => io::ErrorKind::HostUnreachable,
            Self::Refused => io::ErrorKind::ConnectionRefused,
            Self::Expired => io::ErrorKind::TimedOut,
            Self::CommandNotSupported | Self::AddressNotSupported => io::ErrorKind::Unsupported,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Granted => "granted",
            Self::Failed => "it failed, and the proxy does not say why",
            Self::NotAllowed => "the proxy does not allow it",
            Self::NetworkUnreachable => "network unreachable",
            Self::HostUnreachable => "host unreachable or its name unknown",
            Self::Refused => "connection refused",
            Self::Expired => "no answer in time",
            Self::CommandNotSupported => "the proxy does not have this command",
            Self::AddressNotSupported => "the proxy does not have this kind of address",
            Self::Other(code) => return write!(f, "reply code {code}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_there_and_back() {
        for code in 0..=u8::MAX {
            assert_eq!(Reply::of_code5(code).code5(), code);
        }
        assert_eq!((Reply::of_code4(90), Reply::of_code4(91)), (Reply::Granted, Reply::Failed));
        assert_eq!((Reply::of_code4(93), Reply::Refused.code4()), (Reply::Other(93), 91));
    }

    #[test]
    fn causes_survive_the_way_through_a_proxy() {
        for reply in CODES.into_iter().filter(|reply| reply.kind() != io::ErrorKind::Other) {
            let there = Reply::to_error(&io::Error::from(reply.kind()).into());
            if reply.kind() != io::ErrorKind::Unsupported {
                assert_eq!(there, reply);
            }
        }
        let reset = Reason::Io(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(Reply::to_error(&reset.into()), Reply::Refused);
        assert_eq!(Reply::to_error(&"what?".into()), Reply::Failed);
    }
}

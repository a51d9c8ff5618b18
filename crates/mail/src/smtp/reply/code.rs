//! [`Code`]: the three digits that a reply begins with.

use std::fmt;

/// The code of a reply (RFC 5321 section 4.2), 200 to 599.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

/// Names for codes, each with its number and meaning.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal)+) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($number);)+
        }
    };
}

codes! {
    /// 214: help.
    HELP = 214
    /// 220: the server is ready; also, to begin with TLS (RFC 3207).
    READY = 220
    /// 221: goodbye.
    GOODBYE = 221
    /// 235: logged in (RFC 4954).
    LOGGED_IN = 235
    /// 250: done.
    OK = 250
    /// 252: not verified, and mail is accepted all the same.
    NOT_VERIFIED = 252
    /// 334: a challenge; the response is to follow (RFC 4954).
    CHALLENGE = 334
    /// 354: the message is to follow.
    START_MESSAGE = 354
    /// 421: the server closes the connection.
    UNAVAILABLE = 421
    /// 450: the mailbox is not available just now.
    MAILBOX_BUSY = 450
    /// 451: the server has failed.
    LOCAL_ERROR = 451
    /// 452: there is no room, or too many recipients.
    NO_ROOM = 452
    /// 454: TLS, or logging in, does not work just now (RFC 3207, 4954).
    NOT_NOW = 454
    /// 500: the command is not known, or too long.
    UNKNOWN = 500
    /// 501: there is something wrong with the arguments.
    BAD_ARGUMENT = 501
    /// 502: the command is not implemented.
    NOT_IMPLEMENTED = 502
    /// 503: the command comes in a wrong place.
    BAD_SEQUENCE = 503
    /// 504: the argument is not implemented.
    BAD_PARAMETER = 504
    /// 530: the client must log in, or begin TLS, first (RFC 3207, 4954).
    REQUIRED = 530
    /// 535: wrong name or password (RFC 4954).
    WRONG_PASSWORD = 535
    /// 538: this way to log in needs TLS (RFC 4954).
    TLS_NEEDED = 538
    /// 550: no such mailbox, or it is against the rules.
    REFUSED = 550
    /// 552: the message is too large, or the mailbox full.
    TOO_LARGE = 552
    /// 553: the address is not allowed.
    BAD_MAILBOX = 553
    /// 554: it failed.
    FAILED = 554
    /// 555: the parameters of MAIL or RCPT are not known.
    UNKNOWN_PARAMETER = 555
    /// 556: the domain takes no mail (RFC 7504).
    TAKES_NO_MAIL = 556
}

impl Code {
    /// A code by its number; None: it is none of SMTP's.
    pub fn new(number: u16) -> Option<Self> {
        (200..600).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }

    /// 2yz: done.
    pub fn is_success(self) -> bool {
        self.0 / 100 == 2
    }

    /// 4yz: the same may succeed later.
    pub fn is_transient(self) -> bool {
        self.0 / 100 == 4
    }

    /// 5yz: it will not succeed.
    pub fn is_permanent(self) -> bool {
        self.0 / 100 == 5
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

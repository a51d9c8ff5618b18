//! [`Code`]: the three digits that a reply begins with.

use std::fmt;

/// The code of a reply (RFC 959 section 4.2), 100 to 599.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

/// What the first digit of a code says (RFC 959 section 4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grade {
    /// 1yz: it has begun, another reply will say how it ended.
    Preliminary,
    /// 2yz: done.
    Completion,
    /// 3yz: so far so good, another command is to follow.
    Intermediate,
    /// 4yz: it did not work now; the same may later.
    Transient,
    /// 5yz: it will not work.
    Permanent,
}

/// Names for codes, each with its number and meaning.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal)+) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($number);)+
        }
    };
}

codes! {
    /// 125: the data connection is open already, the transfer starts.
    TRANSFER_STARTS = 125
    /// 150: a data connection is about to be opened for the transfer.
    OPENING_DATA = 150
    /// 200: done.
    OK = 200
    /// 202: not needed here.
    SUPERFLUOUS = 202
    /// 211: status of the system, or features.
    STATUS = 211
    /// 212: status of a folder.
    FOLDER_STATUS = 212
    /// 213: status of a file.
    FILE_STATUS = 213
    /// 214: help.
    HELP = 214
    /// 215: the kind of system.
    SYSTEM = 215
    /// 220: ready for a new user.
    READY = 220
    /// 221: goodbye.
    GOODBYE = 221
    /// 225: the data connection is open, no transfer is going on.
    DATA_OPEN = 225
    /// 226: the data connection is closed, the transfer was successful.
    TRANSFER_DONE = 226
    /// 227: passive, with an IPv4 address.
    PASSIVE = 227
    /// 229: passive, with a port (RFC 2428).
    EXTENDED_PASSIVE = 229
    /// 230: logged in.
    LOGGED_IN = 230
    /// 232: logged in, as the security exchange has shown (RFC 2228).
    AUTHORIZED = 232
    /// 234: the security mechanism is accepted; the handshake follows (RFC 4217).
    SECURITY_ACCEPTED = 234
    /// 250: the file action is done.
    FILE_DONE = 250
    /// 257: a path was made, or is the current one.
    PATH = 257
    /// 331: the name is fine, the password is needed.
    PASSWORD_NEEDED = 331
    /// 332: an account is needed.
    ACCOUNT_NEEDED = 332
    /// 350: the action waits for the next command.
    PENDING = 350
    /// 421: the service is not available, the connection is closed.
    UNAVAILABLE = 421
    /// 425: no data connection could be opened.
    NO_DATA_CONNECTION = 425
    /// 426: the data connection was closed, the transfer was aborted.
    TRANSFER_ABORTED = 426
    /// 430: user or password are wrong.
    WRONG_CREDENTIALS = 430
    /// 431: a resource for security is missing (RFC 4217).
    SECURITY_UNAVAILABLE = 431
    /// 450: the file is not available now.
    FILE_BUSY = 450
    /// 451: an error here ended it.
    LOCAL_ERROR = 451
    /// 452: no space is left.
    NO_SPACE = 452
    /// 500: not understood.
    NOT_UNDERSTOOD = 500
    /// 501: an error in the argument.
    BAD_ARGUMENT = 501
    /// 502: the command is known and not implemented.
    NOT_IMPLEMENTED = 502
    /// 503: not in this order.
    BAD_SEQUENCE = 503
    /// 504: not implemented for this argument.
    BAD_PARAMETER = 504
    /// 521: data connections need protection (RFC 4217 section 9).
    PROTECTION_NEEDED = 521
    /// 522: this network protocol is not supported (RFC 2428), or the handshake of a data connection failed.
    NETWORK_PROTOCOL = 522
    /// 530: not logged in.
    NOT_LOGGED_IN = 530
    /// 532: an account is needed for storing.
    ACCOUNT_FOR_STORING = 532
    /// 533: this protection is refused (RFC 2228).
    PROTECTION_DENIED = 533
    /// 534: refused by policy (RFC 2228).
    POLICY = 534
    /// 536: this protection level is not supported (RFC 2228).
    PROTECTION_LEVEL = 536
    /// 550: not done: no such file, or no right to it.
    FILE_UNAVAILABLE = 550
    /// 551: an option has a wrong kind; the listing of its kinds is unknown.
    TYPE_UNKNOWN = 551
    /// 552: the quota is exceeded.
    QUOTA_EXCEEDED = 552
    /// 553: the name is not allowed.
    NAME_NOT_ALLOWED = 553
    /// 554: the transfer cannot begin there (RFC 3659 section 5.4).
    INVALID_RESTART = 554
}

impl Code {
    /// A code with this number, if it is one: 100 to 599.
    pub fn new(number: u16) -> Option<Self> {
        (100..=599).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }

    /// What its first digit says.
    pub fn grade(self) -> Grade {
        match self.0 / 100 {
            1 => Grade::Preliminary,
            2 => Grade::Completion,
            3 => Grade::Intermediate,
            4 => Grade::Transient,
            _ => Grade::Permanent,
        }
    }

    /// 1yz: another reply follows.
    pub fn is_preliminary(self) -> bool {
        self.grade() == Grade::Preliminary
    }

    /// 2yz: done.
    pub fn is_completion(self) -> bool {
        self.grade() == Grade::Completion
    }

    /// 3yz: another command is expected.
    pub fn is_intermediate(self) -> bool {
        self.grade() == Grade::Intermediate
    }

    /// 4yz or 5yz: it was not done.
    pub fn is_failure(self) -> bool {
        matches!(self.grade(), Grade::Transient | Grade::Permanent)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

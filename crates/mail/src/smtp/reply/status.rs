//! [`Status`]: what a reply says to programs.

use std::fmt;

/// An enhanced status code (RFC 3463), as in `5.1.1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status {
    class: u8,
    subject: u16,
    detail: u16,
}

/// Names for statuses, each with its numbers and meaning.
macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $class:literal, $subject:literal, $detail:literal)+) => {
        impl Status {
            $($(#[$doc])* pub const $name: Self = Self { class: $class, subject: $subject, detail: $detail };)+
        }
    };
}

statuses! {
    /// 2.0.0: done.
    OK = 2, 0, 0
    /// 2.1.0: the sender is fine.
    SENDER_OK = 2, 1, 0
    /// 2.1.5: the recipient is fine.
    RECIPIENT_OK = 2, 1, 5
    /// 2.5.0: the command was understood.
    COMMAND_OK = 2, 5, 0
    /// 2.7.0: logged in.
    LOGGED_IN = 2, 7, 0
    /// 4.2.2: the mailbox is full just now.
    FULL_NOW = 4, 2, 2
    /// 4.3.0: something of ours does not work just now.
    LOCAL_ERROR = 4, 3, 0
    /// 4.3.1: no room is left.
    NO_ROOM = 4, 3, 1
    /// 4.3.2: the server is stopping, or has too much to do.
    STOPPING = 4, 3, 2
    /// 4.4.1: the host does not answer.
    NO_ANSWER = 4, 4, 1
    /// 4.4.2: the connection was silent too long, or broke.
    TOO_SLOW = 4, 4, 2
    /// 4.4.7: it was tried for too long.
    EXPIRED = 4, 4, 7
    /// 4.5.3: too many recipients at once.
    TOO_MANY_RECIPIENTS = 4, 5, 3
    /// 4.4.3: the name servers do not answer.
    NO_NAMES = 4, 4, 3
    /// 4.5.0: the other end breaks the protocol.
    REMOTE_PROTOCOL = 4, 5, 0
    /// 4.7.0: it is not allowed just now.
    NOT_NOW = 4, 7, 0
    /// 5.1.1: no such mailbox.
    NO_MAILBOX = 5, 1, 1
    /// 5.1.2: no such domain.
    NO_DOMAIN = 5, 1, 2
    /// 5.1.3: this is no address of a recipient.
    BAD_RECIPIENT = 5, 1, 3
    /// 5.1.7: this is no address of a sender.
    BAD_SENDER = 5, 1, 7
    /// 5.1.10: the domain takes no mail (RFC 7505).
    NULL_MX = 5, 1, 10
    /// 5.2.2: the mailbox is full.
    FULL = 5, 2, 2
    /// 5.3.4: the message is too large.
    TOO_LARGE = 5, 3, 4
    /// 5.4.4: no way is known to get there.
    NO_ROUTE = 5, 4, 4
    /// 5.4.6: the message goes in circles.
    LOOP = 5, 4, 6
    /// 5.5.0: it breaks the protocol.
    PROTOCOL = 5, 5, 0
    /// 5.5.1: no such command, or not here.
    BAD_COMMAND = 5, 5, 1
    /// 5.5.2: it cannot be read.
    SYNTAX = 5, 5, 2
    /// 5.5.4: an argument is wrong or not known.
    BAD_ARGUMENT = 5, 5, 4
    /// 5.6.3: it would have to be converted, which is not done.
    CONVERSION = 5, 6, 3
    /// 5.6.7: an address that is not ASCII needs SMTPUTF8 (RFC 6531).
    NOT_ASCII = 5, 6, 7
    /// 5.7.0: it is not allowed.
    SECURITY = 5, 7, 0
    /// 5.7.1: nobody here may do that.
    DENIED = 5, 7, 1
    /// 5.7.8: wrong name or password (RFC 4954).
    WRONG_PASSWORD = 5, 7, 8
    /// 5.7.11: encryption is needed (RFC 4954).
    TLS_NEEDED = 5, 7, 11
}

impl Status {
    /// A status by its numbers. None: the class is not 2, 4 or 5, or another one is over 999.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Option<Self> {
        if matches!(class, 2 | 4 | 5) && subject <= 999 && detail <= 999 {
            Some(Self { class, subject, detail })
        } else {
            None
        }
    }

    /// The status that a text begins with, and what stands behind it and one space.
    pub(crate) fn split(text: &str) -> Option<(Self, &str)> {
        let (head, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut parts = head.split('.');
        let [class, subject, detail] = [parts.next()?, parts.next()?, parts.next()?];
        let number = |part: &str| {
            let plain = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            let zeros = part.len() > 1 && part.starts_with('0');
            (plain && !zeros).then(|| part.parse().ok())?
        };
        let class = u8::try_from(number(class)?).ok()?;
        let status = Self::new(class, number(subject)?, number(detail)?)?;
        parts.next().is_none().then_some((status, rest))
    }

    /// 2: done, 4: not now, 5: never.
    pub fn class(self) -> u8 {
        self.class
    }

    /// What it is about (RFC 3463 section 3): 1 addresses, 2 mailboxes, 3 the system, 4 the network, 5 the protocol, 6
    /// the content, 7 rules.
    pub fn subject(self) -> u16 {
        self.subject
    }

    /// What exactly.
    pub fn detail(self) -> u16 {
        self.detail
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! [`Mail`] and [`Rcpt`]: the arguments of MAIL and RCPT, with their parameters.

use super::super::{Mailbox, Recipient, xtext};

/// The longest ENVID in bytes, as it is written (RFC 3461 section 4.4).
pub(super) const ENVID_MAX: usize = 100;
/// The longest ORCPT in bytes, as it is written (RFC 3461 section 4.2).
pub(super) const ORCPT_MAX: usize = 500;
/// The longest AUTH in bytes, as it is written (RFC 4954 section 5).
pub(super) const AUTH_MAX: usize = 500;

/// Who a message is from, and what is known of it (RFC 5321 section 4.1.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mail {
    /// The sender; None: nobody, since it is a bounce, which is not to be bounced.
    pub sender: Option<Mailbox>,
    /// SIZE: about how many bytes it has (RFC 1870).
    pub size: Option<u64>,
    /// BODY: what its lines are made of (RFC 6152).
    pub body: Option<Body>,
    /// SMTPUTF8: addresses and header fields may have UTF-8 (RFC 6531).
    pub utf8: bool,
    /// RET: what of it a bounce brings back (RFC 3461 section 4.3).
    pub ret: Option<Return>,
    /// ENVID: by what name the sender knows it, decoded (RFC 3461 section 4.4).
    pub envid: Option<Vec<u8>>,
    /// AUTH: who has sent it in the first place (RFC 4954 section 5). `Some(None)`: it is said not to be known.
    pub auth: Option<Option<Mailbox>>,
}

/// What the lines of a message are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Body {
    /// ASCII.
    SevenBit,
    /// Any bytes in lines (RFC 6152).
    EightBit,
    /// Any bytes, not even in lines; only by BDAT (RFC 3030).
    Binary,
}

/// What of a message a bounce brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Return {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

/// Who a message goes to (RFC 5321 section 4.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rcpt {
    /// The recipient.
    pub to: Recipient,
    /// NOTIFY: what the sender wants to hear of (RFC 3461 section 4.1). None: failures, as ever.
    pub notify: Option<Notify>,
    /// ORCPT: who it was for in the first place.
    pub original: Option<OriginalRecipient>,
}

/// What a sender wants to hear of. Nothing at all: NEVER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Notify {
    /// The message has arrived.
    pub success: bool,
    /// It cannot be delivered.
    pub failure: bool,
    /// It is late.
    pub delay: bool,
}

/// Who a message was for before somebody forwarded it (RFC 3461 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// The type of the address, as in `rfc822`.
    pub kind: String,
    /// The address, decoded.
    pub address: Vec<u8>,
}

impl OriginalRecipient {
    /// An address of mail. None: it is too long to be said.
    pub(crate) fn of(address: &str) -> Option<Self> {
        let kind = if address.is_ascii() { "rfc822" } else { "utf-8" };
        let fits = kind.len() + 1 + xtext::encode(address.as_bytes()).len() <= ORCPT_MAX;
        fits.then(|| Self { kind: kind.into(), address: address.into() })
    }
}

impl Mail {
    /// A message from somebody, or from nobody.
    pub fn new(sender: Option<Mailbox>) -> Self {
        Self { sender, ..Self::default() }
    }

    /// Takes a parameter in. None: it is not known; an error: it is wrong.
    pub(super) fn set(&mut self, key: &str, value: Option<&str>) -> Option<Result<(), &'static str>> {
        let taken = match (key, value) {
            ("SIZE", Some(value)) => once(&mut self.size, number(value)),
            ("BODY", Some(value)) => once(&mut self.body, body(value)),
            ("SMTPUTF8", None) if !self.utf8 => {
                self.utf8 = true;
                true
            }
            ("RET", Some(value)) => once(&mut self.ret, ret(value)),
            ("ENVID", Some(value)) if value.len() <= ENVID_MAX => once(&mut self.envid, xtext::decode(value)),
            ("AUTH", Some(value)) if value.len() <= AUTH_MAX => once(&mut self.auth, auth(value)),
            ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _) => false,
            _ => return None,
        };
        Some(if taken { Ok(()) } else { Err("A parameter is wrong, or there twice") })
    }
}

impl Rcpt {
    /// A recipient without parameters.
    pub fn new(to: impl Into<Recipient>) -> Self {
        Self { to: to.into(), notify: None, original: None }
    }

    /// As [`Mail::set`].
    pub(super) fn set(&mut self, key: &str, value: Option<&str>) -> Option<Result<(), &'static str>> {
        let taken = match (key, value) {
            ("NOTIFY", Some(value)) => once(&mut self.notify, notify(value)),
            ("ORCPT", Some(value)) if value.len() <= ORCPT_MAX => once(&mut self.original, original(value)),
            ("NOTIFY" | "ORCPT", _) => false,
            _ => return None,
        };
        Some(if taken { Ok(()) } else { Err("A parameter is wrong, or there twice") })
    }
}

/// Sets what was not set before. False: it was, or there is no value.
fn once<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let right = field.is_none() && value.is_some();
    if right {
        *field = value;
    }
    right
}

/// Up to 20 digits (RFC 1870 section 4); what is over 64 bits is as much as can be.
pub(super) fn number(text: &str) -> Option<u64> {
    let right = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| text.parse().unwrap_or(u64::MAX))
}

fn body(text: &str) -> Option<Body> {
    match text.to_ascii_uppercase().as_str() {
        "7BIT" => Some(Body::SevenBit),
        "8BITMIME" => Some(Body::EightBit),
        "BINARYMIME" => Some(Body::Binary),
        _ => None,
    }
}

fn ret(text: &str) -> Option<Return> {
    match text.to_ascii_uppercase().as_str() {
        "FULL" => Some(Return::Full),
        "HDRS" => Some(Return::Headers),
        _ => None,
    }
}

fn auth(text: &str) -> Option<Option<Mailbox>> {
    if text == "<>" {
        return Some(None);
    }
    let decoded = String::from_utf8(xtext::decode(text)?).ok()?;
    Mailbox::parse(&decoded).map(Some)
}

fn notify(text: &str) -> Option<Notify> {
    let mut notify = Notify::default();
    if text.eq_ignore_ascii_case("NEVER") {
        return Some(notify);
    }
    for word in text.split(',') {
        let field = match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => &mut notify.success,
            "FAILURE" => &mut notify.failure,
            "DELAY" => &mut notify.delay,
            _ => return None,
        };
        if std::mem::replace(field, true) {
            return None;
        }
    }
    Some(notify)
}

/// Type and address. An address of type `utf-8` may stand there as it is (RFC 6533 section 3).
fn original(text: &str) -> Option<OriginalRecipient> {
    let (kind, address) = text.split_once(';')?;
    let right = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let address = match address.is_ascii() {
        true => xtext::decode(address)?,
        // As xtext it may be three times as long, and must still fit.
        false if kind.eq_ignore_ascii_case("utf-8") && address.len() <= ORCPT_MAX / 4 => {
            address.as_bytes().to_vec()
        }
        false => return None,
    };
    right.then(|| OriginalRecipient { kind: kind.to_ascii_lowercase(), address })
}

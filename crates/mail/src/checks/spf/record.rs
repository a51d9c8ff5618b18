//! [`Record`]: what a domain says about who may send for it (RFC 7208 sections 5 and 6).

use super::{
    SpfResult,
    macros::{Place, Spec},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A record, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<Spec>,
    pub(super) explanation: Option<Spec>,
}

/// What is said of those whom a mechanism matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) result: SpfResult,
    pub(super) mechanism: Mechanism,
}

/// Who is meant. Where a name is left out it is that of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(Spec),
    A(Option<Spec>, Prefixes),
    Mx(Option<Spec>, Prefixes),
    Ptr(Option<Spec>),
    Ip(IpAddr, u8),
    Exists(Spec),
}

/// How many bits of an address count, in IPv4 and in IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefixes(u8, u8);

impl Prefixes {
    /// Whether two addresses are of one family and network.
    pub(super) fn hold(self, one: IpAddr, other: IpAddr) -> bool {
        in_network(one, other, if one.is_ipv4() { self.0 } else { self.1 })
    }
}

pub(super) fn in_network(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            (one.to_bits() ^ other.to_bits()) & mask == 0
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            (one.to_bits() ^ other.to_bits()) & mask == 0
        }
        _ => false,
    }
}

impl Record {
    /// The text behind the version, if a record is one of SPF.
    pub(super) fn body(record: &[u8]) -> Option<&[u8]> {
        let (version, body) = record.split_at_checked(6)?;
        let ends = body.first().is_none_or(|byte| *byte == b' ');
        (version.eq_ignore_ascii_case(b"v=spf1") && ends).then_some(body)
    }

    /// Takes the text behind the version apart.
    ///
    /// # Errors
    /// The term that does not follow the grammar.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let body = std::str::from_utf8(body).map_err(|_| "it is not ASCII")?;
        let mut record = Self { directives: Vec::new(), redirect: None, explanation: None };
        for term in body.split(' ').filter(|term| !term.is_empty()) {
            record.term(term).ok_or_else(|| format!("{term:?} is not understood"))?;
        }
        Ok(record)
    }

    fn term(&mut self, term: &str) -> Option<()> {
        let is_of_name = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
        let end = term.find(|char| !is_of_name(char)).unwrap_or(term.len());
        let (name, rest) = term.split_at(end);
        match rest.strip_prefix('=') {
            Some(value) if name.starts_with(|char: char| char.is_ascii_alphabetic()) => {
                self.modifier(name, value)
            }
            Some(_) => None,
            None => {
                self.directives.push(Directive::parse(term)?);
                Some(())
            }
        }
    }

    fn modifier(&mut self, name: &str, value: &str) -> Option<()> {
        let place = match name.to_ascii_lowercase().as_str() {
            "redirect" => &mut self.redirect,
            "exp" => &mut self.explanation,
            // What others have invented is only looked at.
            _ => return Spec::parse(value, Place::Explanation).map(drop),
        };
        if place.is_some() {
            return None;
        }
        *place = Some(domain(value)?);
        Some(())
    }
}

impl Directive {
    fn parse(term: &str) -> Option<Self> {
        let (result, mechanism) = match term.split_at_checked(1)? {
            ("+", rest) => (SpfResult::Pass, rest),
            ("-", rest) => (SpfResult::Fail, rest),
            ("~", rest) => (SpfResult::SoftFail, rest),
            ("?", rest) => (SpfResult::Neutral, rest),
            _ => (SpfResult::Pass, term),
        };
        Some(Self { result, mechanism: Mechanism::parse(mechanism)? })
    }
}

impl Mechanism {
    fn parse(text: &str) -> Option<Self> {
        let end = text.find([':', '/']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let value = rest.strip_prefix(':');
        Some(match (name.to_ascii_lowercase().as_str(), value) {
            ("all", None) if rest.is_empty() => Self::All,
            ("include", Some(value)) => Self::Include(domain(value)?),
            ("exists", Some(value)) => Self::Exists(domain(value)?),
            ("ptr", None) if rest.is_empty() => Self::Ptr(None),
            ("ptr", Some(value)) => Self::Ptr(Some(domain(value)?)),
            ("ip4", Some(value)) => {
                let (ip, bits) = network(value, 32)?;
                Self::Ip(ip.parse::<Ipv4Addr>().ok()?.into(), bits)
            }
            ("ip6", Some(value)) => {
                let (ip, bits) = network(value, 128)?;
                Self::Ip(ip.parse::<Ipv6Addr>().ok()?.into(), bits)
            }
            ("a", _) => {
                let (spec, prefixes) = target(value, rest)?;
                Self::A(spec, prefixes)
            }
            ("mx", _) => {
                let (spec, prefixes) = target(value, rest)?;
                Self::Mx(spec, prefixes)
            }
            _ => return None,
        })
    }
}

fn domain(text: &str) -> Option<Spec> {
    Spec::parse(text, Place::Domain).filter(Spec::is_domain)
}

/// A name that may be left out, and lengths of prefixes that may be left out.
fn target(value: Option<&str>, rest: &str) -> Option<(Option<Spec>, Prefixes)> {
    let (text, prefixes) = prefixes(value.unwrap_or(rest))?;
    match value {
        Some(_) => Some((Some(domain(text)?), prefixes)),
        None => text.is_empty().then_some((None, prefixes)),
    }
}

/// `/24`, `//64` or `/24//64` at the end. A slash may also be part of the name.
fn prefixes(text: &str) -> Option<(&str, Prefixes)> {
    let mut prefixes = Prefixes(32, 128);
    let mut text = text;
    if let Some((before, bits)) = text.rsplit_once("//").filter(|(_, bits)| is_number(bits)) {
        prefixes.1 = length(bits, 128)?;
        text = before;
    }
    if let Some((before, bits)) = text.rsplit_once('/').filter(|(_, bits)| is_number(bits)) {
        prefixes.0 = length(bits, 32)?;
        text = before;
    }
    Some((text, prefixes))
}

fn network(text: &str, most: u8) -> Option<(&str, u8)> {
    match text.split_once('/') {
        Some((ip, bits)) => Some((ip, length(bits, most)?)),
        None => Some((text, most)),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn length(text: &str, most: u8) -> Option<u8> {
    let plain = is_number(text) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|bits| plain && *bits <= most)
}

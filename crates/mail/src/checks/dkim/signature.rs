//! [`Signature`]: the field DKIM-Signature (RFC 6376 section 3.5).

use super::{
    canonical::Form,
    tags::{Tags, bare, list},
};
use crate::checks::header::Field;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How somebody signs, over SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA, which everybody verifies (RFC 8301).
    Rsa,
    /// Ed25519, whose keys and signatures are short; not everybody verifies it (RFC 8463).
    Ed25519,
}

impl Algorithm {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }
}

/// A signature, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) algorithm: Algorithm,
    pub(super) signature: Vec<u8>,
    pub(super) body_hash: Vec<u8>,
    pub(super) header_form: Form,
    pub(super) body_form: Form,
    pub(super) domain: String,
    pub(super) selector: String,
    /// For whom the domain signs: somebody in it.
    pub(super) identity: String,
    /// Which fields are signed.
    pub(super) fields: Vec<String>,
    /// How many bytes of the body are signed; None: all.
    pub(super) length: Option<u64>,
    pub(super) expires: Option<u64>,
}

impl Signature {
    /// Takes a field's value apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(value: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(value).map_err(|_| "it is not UTF-8")?;
        let tags = Tags::parse(text).ok_or("its tags cannot be read")?;
        let get = |name| tags.get(name);
        if get("v") != Some("1") {
            return Err("it is of another version");
        }
        let algorithm = match get("a").ok_or("it names no algorithm")?.to_ascii_lowercase().as_str() {
            "rsa-sha256" => Algorithm::Rsa,
            "ed25519-sha256" => Algorithm::Ed25519,
            "rsa-sha1" => return Err("SHA-1 is not safe"),
            _ => return Err("its algorithm is not known"),
        };
        let base64 = |name, missing| {
            let value = bare(get(name).ok_or(missing)?);
            STANDARD.decode(value).map_err(|_| "its base64 cannot be read")
        };
        let (header_form, body_form) = forms(get("c").unwrap_or("simple/simple"))?;
        let domain =
            get("d").filter(|domain| !domain.is_empty()).ok_or("it names no domain")?.to_ascii_lowercase();
        let fields: Vec<String> =
            list(get("h").ok_or("it names no fields")?).map(str::to_ascii_lowercase).collect();
        if !fields.iter().any(|field| field == "from") {
            return Err("it does not sign From");
        }
        let identity = get("i").map_or_else(|| format!("@{domain}"), bare);
        let of = identity.rsplit_once('@').map_or("", |(_, of)| of).to_ascii_lowercase();
        if of != domain && !of.strip_suffix(&domain).is_some_and(|before| before.ends_with('.')) {
            return Err("its identity is of another domain");
        }
        if get("q").is_some_and(|methods| !list(methods).any(|method| method.eq_ignore_ascii_case("dns/txt")))
        {
            return Err("its key is not in DNS");
        }
        let number = |name| match get(name) {
            None => Ok(None),
            Some(text)
                if text.bytes().all(|byte| byte.is_ascii_digit()) && (1..=76).contains(&text.len()) =>
            {
                // A number that is too large is as good as the largest.
                Ok(Some(text.parse().unwrap_or(u64::MAX)))
            }
            Some(_) => Err("a number in it cannot be read"),
        };
        let (signed, expires) = (number("t")?, number("x")?);
        if signed.zip(expires).is_some_and(|(signed, expires)| expires <= signed) {
            return Err("it expires before it begins");
        }
        Ok(Self {
            algorithm,
            signature: base64("b", "it has no signature")?,
            body_hash: base64("bh", "it has no hash of the body")?,
            header_form,
            body_form,
            selector: get("s").filter(|selector| !selector.is_empty()).ok_or("it names no selector")?.into(),
            domain,
            identity,
            fields,
            length: number("l")?,
            expires,
        })
    }

    /// It does not hold any more.
    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        let end = self.expires.and_then(|expires| UNIX_EPOCH.checked_add(Duration::from_secs(expires)));
        end.is_some_and(|end| end < now)
    }

    /// What is signed: the fields that it names, in its form, and itself without its own value.
    pub(super) fn signed(&self, own: &[u8], all: &[Field<'_>]) -> Vec<u8> {
        let mut signed = Vec::new();
        // Itself is signed last, and never by name.
        let mut used: Vec<bool> = all.iter().map(|field| std::ptr::eq(field.raw, own)).collect();
        for name in &self.fields {
            // Of several the last one that was not used; a name too many stands for a field that is not there.
            let found = all.iter().zip(&mut used).rev().find(|(field, used)| !**used && field.is(name));
            if let Some((field, used)) = found {
                *used = true;
                self.header_form.field(field.raw, &mut signed);
            }
        }
        let mut itself = Vec::new();
        self.header_form.field(&without_value(own), &mut itself);
        signed.extend_from_slice(itself.strip_suffix(b"\r\n").unwrap_or(&itself));
        signed
    }
}

fn forms(text: &str) -> Result<(Form, Form), &'static str> {
    let form = |text: &str| match text.to_ascii_lowercase().as_str() {
        "simple" => Ok(Form::Simple),
        "relaxed" => Ok(Form::Relaxed),
        _ => Err("its canonical form is not known"),
    };
    let (header, body) = text.split_once('/').unwrap_or((text, "simple"));
    Ok((form(header)?, form(body)?))
}

/// The field with nothing behind `b=`.
fn without_value(raw: &[u8]) -> Vec<u8> {
    let colon = memchr::memchr(b':', raw).map_or(0, |colon| colon + 1);
    let (name, value) = raw.split_at(colon);
    let mut field = name.to_vec();
    for (at, tag) in value.split(|byte| *byte == b';').enumerate() {
        if at > 0 {
            field.push(b';');
        }
        match memchr::memchr(b'=', tag) {
            Some(equals) if tag.get(..equals).unwrap_or_default().trim_ascii() == b"b" => {
                field.extend_from_slice(tag.get(..=equals).unwrap_or_default());
            }
            _ => field.extend_from_slice(tag),
        }
    }
    field
}

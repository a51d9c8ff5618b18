//! [`DkimSigner`]: signs messages for a domain.

use super::{
    canonical::{BodyHash, Form},
    key::{PublicKey, SigningKey},
    signature::Signature,
};
use crate::checks::{Names, NoAnswer, header::Header};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What is signed where a message has it (RFC 6376 section 5.4.1).
const SIGNED: [&str; 19] = [
    "from",
    "reply-to",
    "subject",
    "date",
    "to",
    "cc",
    "message-id",
    "in-reply-to",
    "references",
    "sender",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-post",
    "list-help",
    "autocrypt",
];

/// Of these one more is signed than there are, so that nobody can add another: readers would believe it.
const NEVER_ADDED: [&str; 6] = ["from", "subject", "date", "to", "cc", "reply-to"];

/// How long a line of the field may be.
const LINE: usize = 76;

/// Signs messages for a domain. A cheap clone, for all loops.
///
/// ```
/// use trenza_mail::checks::{DkimSigner, SigningKey};
///
/// # let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
/// let signer = DkimSigner::new("example.org", "brisbane", SigningKey::from_pem(pem)?);
/// let mut signing = signer.begin();
/// signing.push(b"From: ann@example.org\r\nSubject: hello\r\n\r\nHello!\r\n");
/// let field = signing.finish(std::time::UNIX_EPOCH)?;
/// assert!(field.starts_with("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org;"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DkimSigner {
    domain: Arc<str>,
    selector: Arc<str>,
    key: Arc<SigningKey>,
    valid: Option<Duration>,
}

/// A message cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// Whose is it?
    #[error("a message without From cannot be signed")]
    NoFrom,
    /// Its first line would become part of the signature.
    #[error("a message that begins with a space cannot have a field before it")]
    Folded,
    /// More bytes than are looked at.
    #[error("the header is too long to be signed")]
    TooLong,
    /// The library's error, of which it says nothing.
    #[error("the key does not sign")]
    Failed,
}

impl DkimSigner {
    /// Signs for `domain` with the key whose record is at `SELECTOR._domainkey.DOMAIN`.
    pub fn new(domain: impl Into<String>, selector: impl Into<String>, key: SigningKey) -> Self {
        let (domain, selector): (String, String) = (domain.into(), selector.into());
        Self {
            domain: domain.to_ascii_lowercase().into(),
            selector: selector.into(),
            key: Arc::new(key),
            valid: None,
        }
    }

    /// Signatures hold for so long. Default: for ever.
    pub fn valid(self, time: Duration) -> Self {
        Self { valid: Some(time), ..self }
    }

    /// The domain that it signs for.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Where the DNS is to have the key's [record](SigningKey::record).
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// Whether the DNS has it, so that others can verify what is signed.
    ///
    /// # Errors
    /// [`NoAnswer::Failed`]: nobody says so now.
    pub async fn is_published(&self, names: &dyn Names) -> Result<bool, NoAnswer> {
        let own = PublicKey::parse(self.key.record().as_bytes());
        match names.txt(&self.record_name()).await {
            Ok(texts) => Ok(texts.iter().any(|text| match (PublicKey::parse(text), &own) {
                (Ok(there), Ok(own)) => there.is_same_key(own),
                _ => false,
            })),
            Err(NoAnswer::None) => Ok(false),
            Err(failed) => Err(failed),
        }
    }

    /// A message begins.
    pub fn begin(&self) -> Signing {
        Signing { signer: self.clone(), header: Header::default(), body: BodyHash::new(Form::Relaxed, None) }
    }
}

/// A message that is pushed to be signed.
pub struct Signing {
    signer: DkimSigner,
    header: Header,
    body: BodyHash,
}

impl Signing {
    /// Takes bytes of the message, in lines that end in CRLF.
    pub fn push(&mut self, bytes: &[u8]) {
        let body = self.header.push(bytes);
        self.body.push(body);
    }

    /// The message was pushed: the field that belongs before it, with the CRLF at its end.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn finish(self, now: SystemTime) -> Result<String, SigningError> {
        let Self { signer, header, body } = self;
        if header.is_over() {
            return Err(SigningError::TooLong);
        }
        if header.lines().first().is_some_and(|line| line.starts_with(b" ") || line.starts_with(b"\t")) {
            return Err(SigningError::Folded);
        }
        let fields = header.fields();
        if !fields.iter().any(|field| field.is("from")) {
            return Err(SigningError::NoFrom);
        }
        let mut signed: Vec<String> = Vec::new();
        for name in SIGNED {
            let there = fields.iter().filter(|field| field.is(name)).count();
            let times = there + usize::from(NEVER_ADDED.contains(&name));
            signed.extend(std::iter::repeat_n(name.to_owned(), times));
        }
        let (hash, _) = body.finish();
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signature = Signature {
            algorithm: signer.key.algorithm(),
            signature: Vec::new(),
            body_hash: hash.as_ref().to_vec(),
            header_form: Form::Relaxed,
            body_form: Form::Relaxed,
            domain: signer.domain.to_string(),
            selector: signer.selector.to_string(),
            identity: String::new(),
            fields: signed,
            length: None,
            expires: signer.valid.map(|valid| seconds(now).saturating_add(valid.as_secs())),
        };
        let mut field = write(&signature, seconds(now));
        let bytes = signature.signed(format!("{field}\r\n").as_bytes(), &fields);
        let value = signer.key.sign(&bytes).ok_or(SigningError::Failed)?;
        let value = STANDARD.encode(value);
        // What is base64 can be taken apart at every byte.
        for piece in value.as_bytes().chunks(LINE - 2) {
            field.push_str("\r\n  ");
            field.extend(piece.iter().map(|byte| char::from(*byte)));
        }
        field.push_str("\r\n");
        Ok(field)
    }
}

/// The field without its signature, folded.
fn write(signature: &Signature, now: u64) -> String {
    let Signature { algorithm, domain, selector, body_hash, expires, .. } = signature;
    let forms = format!("{}/{}", signature.header_form.as_str(), signature.body_form.as_str());
    let mut field = format!("DKIM-Signature: v=1; a={}; c={forms}; d={domain};", algorithm.as_str());
    let expires = expires.map_or_else(String::new, |expires| format!(" x={expires};"));
    field +=
        &format!("\r\n\ts={selector}; t={now};{expires}\r\n\tbh={};\r\n\th=", STANDARD.encode(body_hash));
    let mut column = "\th=".len();
    for (at, name) in signature.fields.iter().enumerate() {
        let colon = if at > 0 { ":" } else { "" };
        if column + name.len() + 2 > LINE {
            field += "\r\n\t ";
            column = 2;
        }
        field += colon;
        field += name;
        column += name.len() + 1;
    }
    field + ";\r\n\tb="
}

impl fmt::Debug for DkimSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DkimSigner").field("domain", &self.domain).field("selector", &self.selector).finish()
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signing({:?})", self.signer)
    }
}

//! What the target of checks of mail checks; a test of `trenza-mail` replays its corpus with it.

use std::{
    cell::Cell,
    future::Future,
    net::IpAddr,
    pin::pin,
    task::{Context, Poll, Waker},
};
use trenza_mail::checks::{
    Answer, Checks, DkimSigner, Names, NoAnswer, Report, SigningKey,
    spf::{LOOKUPS_MAX, NAMES_MAX},
};
use trenza_sim::Net;

/// The key of RFC 8463.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

/// How many questions one message may ask: what SPF may, each term with its names; two terms of macros; keys, DMARC.
const ASKED_MAX: usize = (LOOKUPS_MAX + 2) * (NAMES_MAX + 2) + 16;

/// DNS in which every name has the same text, and addresses have names that may be theirs.
struct Same {
    text: Vec<u8>,
    asked: Cell<usize>,
}

impl Same {
    fn ask(&self) {
        self.asked.set(self.asked.get() + 1);
        assert!(self.asked.get() <= ASKED_MAX, "a message asks without end");
    }
}

impl Names for Same {
    fn txt<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<u8>> {
        self.ask();
        Box::pin(async { Ok(vec![self.text.clone()]) })
    }

    fn ips<'a>(&'a self, name: &'a str, like: IpAddr) -> Answer<'a, IpAddr> {
        self.ask();
        // Names of odd length have none.
        Box::pin(
            async move { if name.len().is_multiple_of(2) { Ok(vec![like]) } else { Err(NoAnswer::None) } },
        )
    }

    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, String> {
        self.ask();
        Box::pin(async move { Ok(vec![format!("mx.{name}")]) })
    }

    fn ptr(&self, _: IpAddr) -> Answer<'_, String> {
        self.ask();
        Box::pin(async { Ok(vec!["host.example.org".into(), "example.org".into()]) })
    }
}

/// The first line is what DNS says of everything, the second the sender; the rest is a message, which is cut by the first
/// byte of all. No panic, and no end of questions; what is found does not depend on the cuts, is one well-formed field, and
/// what is signed verifies.
pub(crate) fn mail_checks(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (text, sender, message) = (part(), String::from_utf8_lossy(part()).into_owned(), part());
    let size = usize::from(data.first().copied().unwrap_or(1)).max(1);
    let whole = report(text, &sender, message, message.len().max(1));
    assert_eq!(report(text, &sender, message, size), whole, "in pieces of {size}");
    assert_eq!(report(text, &sender, message, 1), whole, "byte for byte");
    is_field(&whole.field);
    signed(message, size);
}

fn report(text: &[u8], sender: &str, message: &[u8], size: usize) -> Report {
    let net = Net::gentle(1);
    net.host("mx").run(|reactor| {
        let names = Same { text: text.to_vec(), asked: Cell::new(0) };
        let checks = Checks::new(reactor, names, "mx.example.com");
        let mut examination = checks.examine([192, 0, 2, 1].into(), "mail.example.org", sender);
        message.chunks(size).for_each(|piece| examination.push(piece));
        at_once(examination.finish())
    })
}

/// One field, whatever others wrote into it.
fn is_field(field: &str) {
    assert!(field.starts_with("Authentication-Results: mx.example.com;"), "{field}");
    let lines = field.strip_suffix("\r\n").expect("it ends as a field does");
    for (at, line) in lines.split("\r\n").enumerate() {
        assert!(!line.chars().any(|char| char.is_control() && char != '\t'), "{line:?}");
        assert!(
            (at > 0) == line.starts_with('\t') && line.trim_ascii().len() > 1 && line.len() < 998,
            "{line:?}"
        );
    }
}

/// What can be signed verifies, also when it came in other pieces.
fn signed(message: &[u8], size: usize) {
    let key = SigningKey::from_pem(PEM).expect("a key");
    let record = key.record();
    let mut signing = DkimSigner::new("example.org", "sel", key).begin();
    message.chunks(size).for_each(|piece| signing.push(piece));
    let Ok(field) = signing.finish(std::time::UNIX_EPOCH) else { return };
    let all = [field.as_bytes(), message].concat();
    let report = report(record.as_bytes(), "", &all, all.len());
    let first = report.dkim.first().expect("its signature");
    assert_eq!(first.result.as_str(), "pass", "{:?} of {:?}", first.problem, String::from_utf8_lossy(&all));
}

fn at_once<T>(coroutine: impl Future<Output = T>) -> T {
    match pin!(coroutine).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("these names answer at once"),
    }
}

//! dkimpy, on many ugly messages: what one signs the other verifies.

use super::{Numbers, Zone, at_once, python};
use serde_json::{Value, json};
use std::{fs, process::Command, time::UNIX_EPOCH};
use trenza::mail::checks::{DkimResult, DkimSigner, SigningKey, dkim::Verifier};

/// Verifies messages with keys by name, or signs them in all forms. A message is text whose characters are bytes.
const VERIFY: &str = "
import json, sys
import dkim
given = json.load(open(sys.argv[1]))
keys = given['keys']
def txt(name, timeout=5):
    return keys.get(name.decode().rstrip('.'), '').encode()
print(json.dumps([dkim.verify(message.encode('latin-1'), dnsfunc=txt) for message in given['messages']]))
";

const SIGN: &str = "
import json, sys
import dkim
given = json.load(open(sys.argv[1]))
forms = [b'simple', b'relaxed']
signed = []
for message in given['messages']:
    message = message.encode('latin-1')
    for algorithm, key in ((b'rsa-sha256', given['rsa']), (b'ed25519-sha256', given['ed25519'])):
        for header in forms:
            for body in forms:
                selector = algorithm.split(b'-')[0]
                field = dkim.sign(message, selector, b'example.org', key.encode(), canonicalize=(header, body),
                                  signature_algorithm=algorithm)
                signed.append((field + message).decode('latin-1'))
print(json.dumps(signed))
";

/// A private key of RSA in PEM, and the seed of one of Ed25519 in base64 with its PEM.
pub(super) struct Keys {
    pub(super) rsa: String,
    ed25519: String,
    seed: String,
}

impl Keys {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let make = |arguments: &[&str]| {
            let file = folder.path().join("key.pem");
            crate::run(Command::new("openssl").args(arguments).arg("-out").arg(&file));
            fs::read_to_string(file).unwrap()
        };
        let rsa = make(&["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"]);
        let ed25519 = make(&["genpkey", "-algorithm", "ed25519"]);
        let script = "import base64, json, sys\n\
            text = json.load(open(sys.argv[1]))\n\
            der = base64.b64decode(''.join(text.split('\\n')[1:-2]))\n\
            print(json.dumps(base64.b64encode(der[-32:]).decode()))";
        let seed = python(script, &Value::String(ed25519.clone())).as_str().unwrap().to_owned();
        Self { rsa, ed25519, seed }
    }

    fn zone(&self) -> Zone {
        let mut zone = Zone::default();
        for (selector, pem) in [("rsa", &self.rsa), ("ed25519", &self.ed25519)] {
            zone.add(
                format!("{selector}._domainkey.example.org"),
                "TXT",
                SigningKey::from_pem(pem).unwrap().record(),
            );
        }
        zone
    }
}

/// Messages with all that forms of fields and bodies are about. (Spaces before a colon it does not take.)
fn messages() -> Vec<Vec<u8>> {
    let mut numbers = Numbers(2_463_534_242);
    let message = |numbers: &mut Numbers| {
        let spaces = ["", " ", "  ", "\t", " \t ", "\r\n ", "\r\n\t", " \r\n  \r\n x"];
        let words = [
            "hello",
            "x:y",
            "=?utf-8?q?a?=",
            "\u{e9}\u{fc}",
            "a;b=c",
            "\"q\"",
            "-",
            "0123456789".repeat(12).leak(),
        ];
        let names =
            ["Subject", "To", "cc", "X-Odd_Name", "DATE", "Message-ID", "Reply-To", "References", "Subject"];
        let mut text = format!(
            "From:{}ann@example.org{}\r\n",
            numbers.one(&["", " ", "  ", "\r\n "]),
            numbers.one(&["", " ", "\t"])
        );
        for _ in 0..numbers.below(8) {
            text += numbers.one(&names);
            text += ":";
            for _ in 0..=numbers.below(4) {
                text += numbers.one(&spaces);
                text += numbers.one(&words);
            }
            text += numbers.one(&["\r\n", " \r\n", "\t\r\n"]);
        }
        text += "\r\n";
        for _ in 0..numbers.below(12) {
            for _ in 0..numbers.below(4) {
                text += numbers.one(&["", " ", "  ", "\t", " \t"]);
                text += numbers.one(&words);
            }
            text += numbers.one(&["\r\n", "\r\n", " \r\n", "\t\r\n", "\r\n\r\n", ".\r\n"]);
        }
        text.into_bytes()
    };
    (0..300).map(|_| message(&mut numbers)).collect()
}

/// Bytes as characters of JSON.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[test]
fn verifies_what_we_sign() {
    let keys = Keys::new();
    let zone = keys.zone();
    let mut all = Vec::new();
    for (selector, pem) in [("rsa", &keys.rsa), ("ed25519", &keys.ed25519)] {
        let signer = DkimSigner::new("example.org", selector, SigningKey::from_pem(pem).unwrap());
        for message in messages() {
            let mut signing = signer.begin();
            signing.push(&message);
            let field = signing.finish(UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).unwrap();
            all.push([field.into_bytes(), message].concat());
        }
    }
    let records = zone.0.iter().map(|(name, data)| (name.clone(), Value::from(data["TXT"][0].clone())));
    let shown: Vec<_> = all.iter().map(|message| latin(message)).collect();
    let said = python(VERIFY, &json!({"keys": serde_json::Map::from_iter(records), "messages": shown}));
    for (said, message) in said.as_array().unwrap().iter().zip(&shown) {
        assert_eq!(*said, true, "{message:?}");
    }
}

#[test]
fn signs_what_we_verify() {
    let keys = Keys::new();
    let zone = keys.zone();
    let shown: Vec<_> = messages().iter().map(|message| latin(message)).collect();
    let signed = python(SIGN, &json!({"rsa": keys.rsa, "ed25519": keys.seed, "messages": shown}));
    let signed = signed.as_array().unwrap();
    assert_eq!(signed.len(), 8 * shown.len());
    for message in signed {
        let bytes: Vec<u8> = message.as_str().unwrap().chars().map(|char| char as u8).collect();
        let mut verifier = Verifier::new();
        bytes.chunks(100).for_each(|piece| verifier.push(piece));
        let all = at_once(verifier.finish(&zone, UNIX_EPOCH));
        assert_eq!(all[0].result, DkimResult::Pass, "{:?} {message:?}", all[0].problem);
    }
}

//! What dkimpy signs, and what is forged; what ours signs, and dkimpy verifies.

use super::{
    super::{dkimpy::Keys, python},
    Dnsmasq, Served, message, txt,
};
use serde_json::{Value, json};
use std::{fs, process::Command};
use trenza::mail::checks::SigningKey;

/// Signs a message for a domain.
const SIGN: &str = "
import json, sys
import dkim
given = json.load(open(sys.argv[1]))
message = given['message'].encode()
field = dkim.sign(message, b's', b'example.com', given['key'].encode())
print(json.dumps((field + message).decode()))
";

/// How many signatures a message has, and whether each verifies with keys by name.
const VERIFY: &str = "
import json, sys
import dkim
given = json.load(open(sys.argv[1]))
keys = given['keys']
def txt(name, timeout=5):
    return keys.get(name.decode().rstrip('.'), '').encode()
message = given['message'].encode()
count = sum(field.lower().startswith(b'dkim-signature:') for field in message.split(b'\\r\\n\\r\\n')[0].split(b'\\r\\n'))
print(json.dumps([dkim.DKIM(message).verify(idx=which, dnsfunc=txt) for which in range(count)]))
";

fn verified(message: &str, keys: &[(String, String)]) -> Value {
    let keys: serde_json::Map<_, _> =
        keys.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect();
    python(VERIFY, &json!({"message": message, "keys": keys}))
}

/// The DNS of example.com, whose mail comes from 192.0.2.1, and what makes a message signed.
struct Others {
    dns: Dnsmasq,
    keys: Keys,
}

const KEY: &str = "s._domainkey.example.com";

impl Others {
    fn new() -> Self {
        let keys = Keys::new();
        let dns = Dnsmasq::with([
            txt("example.com", "v=spf1 ip4:192.0.2.1 -all"),
            txt("_dmarc.example.com", "v=DMARC1; p=reject"),
            txt(KEY, &SigningKey::from_pem(&keys.rsa).unwrap().record()),
        ]);
        Self { dns, keys }
    }

    fn signed(&self, message: &str) -> String {
        python(SIGN, &json!({"message": message, "key": self.keys.rsa})).as_str().unwrap().to_owned()
    }

    fn record(&self) -> (String, String) {
        (KEY.into(), SigningKey::from_pem(&self.keys.rsa).unwrap().record())
    }
}

#[test]
fn what_is_signed_is_told_from_what_is_forged() {
    let others = Others::new();
    let (own, elsewhere) = ("192.0.2.1", "198.51.100.7");
    let signed = others.signed(&message("hello"));
    let altered = signed.replace("hello\r\n", "hallo\r\n");
    for how in ["tell", "refuse"] {
        let place = tempfile::tempdir().unwrap();
        let served = Served::new(place, "example.org", &others.dns, &[&format!("--check={how}")]);
        for (ip, message, is_good, results) in [
            (own, &message("hello"), true, ["spf=pass", "dkim=none", "dmarc=pass (p=reject"]),
            (elsewhere, &signed, true, ["spf=fail", "dkim=pass", "dmarc=pass (p=reject"]),
            (elsewhere, &message("hello"), false, ["spf=fail", "dkim=none", "dmarc=fail (p=reject"]),
            (elsewhere, &altered, false, ["spf=fail", "dkim=fail", "dmarc=fail (p=reject"]),
        ] {
            let lie = format!("Authentication-Results: mx.example.org; dmarc=pass\r\n{message}");
            let said = served.receive(ip, "ann@example.org", lie.as_bytes());
            if how == "refuse" && !is_good {
                assert!(
                    said.starts_with("550 5.7.1 The domain example.com wants this message to be refused"),
                    "{said}"
                );
                continue;
            }
            assert!(said.starts_with("250 2.0.0 "), "{how} {results:?}: {said}");
            let stored = served.message("ann");
            let told: Vec<&str> = stored.split("Authentication-Results: mx.example.org;").collect();
            assert_eq!(told.len(), 2, "one field is ours: {stored}");
            for result in results {
                assert!(told[1].contains(result), "{result} is not in {stored}");
            }
            assert!(stored.ends_with(message.as_str()));
        }
        let left = fs::read_dir(served.path("mail/.waiting")).unwrap().count();
        assert_eq!((left, served.path("mail/ann/new").read_dir().unwrap().count()), (0, 0));
    }
}

#[test]
fn what_accounts_send_verifies() {
    let place = tempfile::tempdir().unwrap();
    let mut keys = Vec::new();
    for kind in ["rsa", "ed25519"] {
        let mut make = Command::new(crate::program());
        let file = place.path().join(format!("{kind}.pem"));
        make.args(["mail", "dkim", "example.org", "--selector", kind, "--key", kind, "--out"]).arg(&file);
        let printed = String::from_utf8(crate::run(&mut make).stdout).unwrap();
        // As a name server would put the strings of the record together.
        let text: String = printed.split('"').skip(1).step_by(2).collect();
        let name = printed.split(". IN TXT").next().unwrap().to_owned();
        assert_eq!(name, format!("{kind}._domainkey.example.org"));
        crate::run(Command::new("openssl").args(["pkey", "-noout", "-in"]).arg(&file));
        keys.push((name, text));
    }
    // Of the second key the DNS does not know yet.
    let dns = Dnsmasq::with([txt(&keys[0].0, &keys[0].1)]);
    let options = ["--dkim=example.org=rsa:{}/rsa.pem", "--dkim=example.org=ed25519:{}/ed25519.pem"];
    let mut served = Served::new(place, "example.org", &dns, &options);
    let warned = served.program.hear("warning: what is signed");
    assert!(warned.contains("record at ed25519._domainkey.example.org"), "{warned}");
    let large = format!("{}.dot\r\n.\r\n", "a line of many, over and over again\r\n".repeat(30_000));
    for word in ["hello", &large] {
        let text = message(word).replace("bob@example.com", "ann@example.org");
        let stuffed = text.replace("\r\n.", "\r\n..");
        assert!(served.submit("bob@example.org", stuffed.as_bytes()).starts_with("250 "));
        let stored = served.message("bob");
        assert!(stored.ends_with(&text));
        assert_eq!(verified(&stored, &keys), json!([true, true]), "{word:.20}");
        assert_eq!(
            verified(&stored.replace("Subject: hello", "Subject: hallo"), &keys),
            json!([false, false])
        );
    }
    // Others are not signed for.
    let received = served.receive("198.51.100.7", "ann@example.org", message("hello").as_bytes());
    assert!(received.starts_with("250 "), "{received}");
    assert_eq!(verified(&served.message("ann"), &keys), json!([]));
}

#[test]
fn what_is_passed_on_still_verifies() {
    let others = Others::new();
    let place = || tempfile::tempdir().unwrap();
    let there = Served::new(place(), "example.net", &others.dns, &["--check=refuse"]);
    let here = place();
    fs::write(here.path().join("aliases"), "away: ann, ann@example.net\n").unwrap();
    // It wants to be told who its clients are.
    let route = format!("--route=example.net=haproxy:tcp:{}", there.reception);
    let options = ["--check=refuse", "--aliases={}/aliases", "--queue={}/queue", &route];
    let served = Served::new(here, "example.org", &others.dns, &options);
    let signed = others.signed(&message("hello"));
    let said = served.receive("192.0.2.1", "away@example.org", signed.as_bytes());
    assert!(said.starts_with("250 "), "{said}");
    for stored in [served.message("ann"), there.message("ann")] {
        assert!(stored.contains("Authentication-Results: mx.example.org;\r\n\tspf=pass"), "{stored}");
        assert!(stored.ends_with(&signed));
        assert_eq!(verified(&stored, &[others.record()]), json!([true]));
    }
    let forged = served.receive("198.51.100.7", "away@example.org", message("hello").as_bytes());
    assert!(forged.starts_with("550 5.7.1 "), "{forged}");
}

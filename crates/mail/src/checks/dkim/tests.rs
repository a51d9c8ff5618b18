//! DKIM with the vectors of the RFCs, and messages that were changed in many ways.

use super::{
    DkimResult, DkimSigner, SIGNATURES_MAX, SigningKey, Verifier,
    canonical::{BodyHash, Form},
};
use crate::checks::{
    Dkim,
    tests::{Table, at_once},
};
use aws_lc_rs::digest::{SHA256, digest};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The message of RFC 8463 appendix A.3, signed with both algorithms.
const MESSAGE: &str = "\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r
 d=football.example.com; i=@football.example.com;\r
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r
 subject : date : message-id : from : subject : date;\r
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r
 d=football.example.com; i=@football.example.com;\r
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r
 date : message-id : from : subject : date;\r
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r
From: Joe SixPack <joe@football.example.com>\r
To: Suzie Q <suzie@shopping.example.net>\r
Subject: Is dinner ready?\r
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r
Message-ID: <20030712040037.46341.5F8J@football.example.com>\r
\r
Hi.\r
\r
We lost the game.  Are you hungry yet?\r
\r
Joe.\r
";

/// The keys of RFC 8463 appendix A.2.
const KEYS: &str = "\
brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
test._domainkey.football.example.com TXT v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
";

/// The private key of appendix A.2 as PKCS #8.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_528_637_909)
}

fn verify_at(message: &[u8], keys: &str, now: SystemTime) -> Vec<Dkim> {
    let mut verifier = Verifier::new();
    verifier.push(message);
    at_once(verifier.finish(&Table::new(keys), now))
}

fn verify(message: &str, keys: &str) -> Vec<DkimResult> {
    verify_at(message.as_bytes(), keys, now()).into_iter().map(|one| one.result).collect()
}

#[test]
fn the_vectors_of_rfc_8463_verify() {
    let all = verify_at(MESSAGE.as_bytes(), KEYS, now());
    let seen: Vec<_> = all.iter().map(|one| (one.result, one.algorithm, one.selector.as_str())).collect();
    let expected =
        [(DkimResult::Pass, "ed25519-sha256", "brisbane"), (DkimResult::Pass, "rsa-sha256", "test")];
    assert_eq!(seen, expected, "{all:?}");
    assert_eq!((all[0].domain.as_str(), all[0].tail.as_str()), ("football.example.com", "/gCrinpc"));
}

#[test]
fn a_message_may_come_in_any_pieces() {
    for size in [1, 2, 3, 7, 100] {
        let mut verifier = Verifier::new();
        MESSAGE.as_bytes().chunks(size).for_each(|piece| verifier.push(piece));
        let all = at_once(verifier.finish(&Table::new(KEYS), now()));
        assert!(all.len() == 2 && all.iter().all(|one| one.result == DkimResult::Pass), "{size}: {all:?}");
    }
    for cut in 0..MESSAGE.len() {
        let (one, other) = MESSAGE.as_bytes().split_at(cut);
        let mut verifier = Verifier::new();
        verifier.push(one);
        verifier.push(other);
        let all = at_once(verifier.finish(&Table::new(KEYS), now()));
        assert!(all.len() == 2 && all.iter().all(|one| one.result == DkimResult::Pass), "cut at {cut}");
    }
}

#[test]
fn what_means_nothing_may_change() {
    for (from, to) in [
        ("Subject: Is dinner ready?", "SUBJECT :  Is\r\n\tdinner   ready?  "),
        ("We lost the game.  Are", "We lost the game. \t Are"),
        ("Joe.\r\n", "Joe.  \r\n\r\n \t\r\n\r\n"),
        ("From: Joe", "Received: from elsewhere\r\nFrom: Joe"),
        ("Message-ID:", "X-New: field\r\nMessage-ID:"),
    ] {
        let changed = MESSAGE.replace(from, to);
        assert_ne!(changed, MESSAGE);
        assert_eq!(verify(&changed, KEYS), [DkimResult::Pass; 2], "{to:?}");
    }
}

#[test]
fn what_means_something_may_not() {
    for (from, to) in [
        ("dinner", "supper"),
        ("From: Joe SixPack", "From: Joe Sixpack"),
        ("Hi.\r\n", "Hi!\r\n"),
        ("Hi.\r\n\r\n", "Hi.\r\n"),
        ("Joe.\r\n", "Joe.\r\nP. S.: Pay at once.\r\n"),
        ("Joe.\r\n", " Joe.\r\n"),
        // From and Subject were signed once more than there are.
        ("From: Joe", "From: Eve <eve@example.org>\r\nFrom: Joe"),
        ("Message-ID:", "Subject: another\r\nMessage-ID:"),
        ("i=@football.example.com", "i=joe@football.example.com"),
    ] {
        let changed = MESSAGE.replace(from, to);
        assert_ne!(changed, MESSAGE);
        assert_eq!(verify(&changed, KEYS), [DkimResult::Fail; 2], "{to:?}");
    }
}

#[test]
fn keys_that_do_not_do() {
    let good = KEYS.lines().next().unwrap().split_once("TXT ").unwrap().1;
    let with =
        |record: &str| verify(MESSAGE, &format!("brisbane._domainkey.football.example.com TXT {record}"))[0];
    for right in [
        good,
        "k=ed25519;p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=;",
        &format!("{good}; s=*:x; h=sha1:sha256; t=s; n=note"),
    ] {
        assert_eq!(with(right), DkimResult::Pass, "{right}");
    }
    for wrong in [
        "v=DKIM1; k=ed25519; p=",
        "v=DKIM1; k=ed25519",
        "v=DKIM1; k=ed25519; p=!",
        "v=DKIM2; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "k=ed25519; v=DKIM1; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "v=DKIM1; k=rsa; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "v=DKIM1; k=dsa; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        &format!("{good}; h=sha1"),
        &format!("{good}; s=web"),
        &format!("{good}; p=x"),
        &format!("{good}; n={}", "x".repeat(9000)),
        "nonsense",
        "\u{e4}",
    ] {
        assert_eq!(with(wrong), DkimResult::PermError, "{wrong}");
    }
    let other = "v=DKIM1; k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert!(matches!(with(other), DkimResult::Fail | DkimResult::PermError));
    assert_eq!(verify(MESSAGE, "")[0], DkimResult::PermError);
    let fails = "brisbane._domainkey.football.example.com FAIL";
    assert_eq!(verify(MESSAGE, fails)[0], DkimResult::TempError);
    let tested = format!("brisbane._domainkey.football.example.com TXT {good}; t=y");
    assert!(verify_at(MESSAGE.as_bytes(), &tested, now())[0].is_test);
}

#[test]
fn signatures_that_cannot_be_read() {
    let only = MESSAGE.split_once("DKIM-Signature: v=1; a=rsa").map(|(one, _)| one).unwrap();
    let rest = MESSAGE.split_once("DhCVl").unwrap().1.split_once("8=\r\n").unwrap().1;
    for (from, to) in [
        ("v=1;", "v=2;"),
        ("v=1;", ""),
        ("v=1;", "v=1; v=1;"),
        ("a=ed25519-sha256", "a=rsa-sha1"),
        ("a=ed25519-sha256", "a=none"),
        ("relaxed/relaxed", "relaxed/x"),
        ("d=football.example.com;", ""),
        ("d=football.example.com;", "d=;"),
        ("i=@football", "i=@notfootball"),
        ("i=@football.example.com", "i=@example.com"),
        ("s=brisbane;", ""),
        ("q=dns/txt", "q=web"),
        ("t=1528637909", "t=x"),
        ("t=1528637909", "t=1528637909; x=1528637909"),
        ("from :", "sender :"),
        ("bh=2", "bh=?"),
        ("bh=", "nothing="),
        ("message-id : from :", "message-id :"),
    ] {
        let changed = format!("{}{rest}", only.replace(from, to));
        let result = verify(&changed, KEYS)[0];
        let expected = if to == "message-id :" { DkimResult::Fail } else { DkimResult::Neutral };
        assert_eq!(result, expected, "{from:?} as {to:?}");
    }
}

#[test]
fn what_we_sign_verifies() {
    let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap().serialize_pem();
    for pem in [PEM, &rsa] {
        let key = SigningKey::from_pem(pem).unwrap();
        let keys = format!("sel._domainkey.example.org TXT {}", key.record());
        let signer = DkimSigner::new("Example.org", "sel", key).valid(Duration::from_secs(3600));
        for message in [
            "From: ann@example.org\r\n\r\n",
            "From: ann@example.org\r\n",
            "Subject: a long\r\n\tone\r\nFrom: ann@example.org\r\nTo: a@b, \r\n c@d\r\nX-Other: no\r\n\r\nHello\r\n\r\n\r\n",
            "from: ann@example.org\r\nfrom: two\r\n\r\n.\r\n..\r\nno end of line",
        ] {
            let mut signing = signer.begin();
            message.as_bytes().chunks(3).for_each(|piece| signing.push(piece));
            let field = signing.finish(now()).unwrap();
            assert!(field.ends_with("\r\n") && field.lines().all(|line| line.len() <= 78), "{field}");
            let signed = format!("{field}{message}");
            let all = verify_at(signed.as_bytes(), &keys, now());
            assert_eq!(all[0].result, DkimResult::Pass, "{all:?}\n{signed}");
            assert_eq!(all[0].domain, "example.org");
            let later = now() + Duration::from_secs(3601);
            assert_eq!(verify_at(signed.as_bytes(), &keys, later)[0].result, DkimResult::Fail);
            let second = format!("{field}From: eve@example.org\r\n{message}");
            assert_eq!(verify(&second, &keys)[0], DkimResult::Fail, "somebody added an author");
            let changed = signed.replacen("ann@", "eve@", 1);
            assert_eq!(verify(&changed, &keys)[0], DkimResult::Fail);
        }
    }
}

#[test]
fn what_cannot_be_signed_is_said() {
    let signer = DkimSigner::new("example.org", "sel", SigningKey::from_pem(PEM).unwrap());
    let mut signing = signer.begin();
    signing.push(b"Subject: nobody's\r\n\r\n");
    assert_eq!(signing.finish(now()).unwrap_err(), super::SigningError::NoFrom);
    let mut signing = signer.begin();
    signing.push(&vec![b'x'; 600_000]);
    assert_eq!(signing.finish(now()).unwrap_err(), super::SigningError::TooLong);
    let mut signing = signer.begin();
    signing.push(b" folded\r\nFrom: ann@example.org\r\n\r\n");
    assert_eq!(signing.finish(now()).unwrap_err(), super::SigningError::Folded);
    for wrong in [
        "",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA",
    ] {
        assert!(SigningKey::from_pem(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_key_of_rfc_8463_has_the_record_of_rfc_8463() {
    let record = SigningKey::from_pem(PEM).unwrap().record();
    assert_eq!(record, "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
}

#[test]
fn what_stands_behind_a_signed_length_is_not_signed() {
    // Signed by hand: with a length, which our signer never gives.
    let key = SigningKey::from_pem(PEM).unwrap();
    let keys = format!("sel._domainkey.example.org TXT {}", key.record());
    let body = "Hello\r\n";
    let field = |length: usize| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let hash = STANDARD.encode(digest(&SHA256, &body.as_bytes()[..length.min(body.len())]));
        let start = format!(
            "DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d=example.org; s=sel; l={length}; h=from; bh={hash}; b="
        );
        let signed = format!("From: ann@example.org\r\n{start}");
        format!(
            "{start}{}\r\nFrom: ann@example.org\r\n\r\n",
            STANDARD.encode(key.sign(signed.as_bytes()).unwrap())
        )
    };
    assert_eq!(verify(&format!("{}{body}", field(7)), &keys), [DkimResult::Pass]);
    assert_eq!(verify(&format!("{}{body}Pay!\r\n", field(7)), &keys), [DkimResult::Policy]);
    assert_eq!(verify(&format!("{}{body}", field(3)), &keys), [DkimResult::Policy]);
    assert_eq!(verify(&format!("{}{body}", field(8)), &keys), [DkimResult::Fail]);
}

#[test]
fn of_several_fields_the_last_are_signed() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let key = SigningKey::from_pem(PEM).unwrap();
    let keys = format!("sel._domainkey.example.org TXT {}", key.record());
    let hash = STANDARD.encode(digest(&SHA256, b"\r\n"));
    let start = format!(
        "DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d=example.org; s=sel; h=from:x:x; bh={hash}; b="
    );
    let field = |signed: &str| {
        let signed = format!("From: a\r\n{signed}{start}");
        format!("{start}{}\r\n", STANDARD.encode(key.sign(signed.as_bytes()).unwrap()))
    };
    let right = field("X: 3\r\nX: 2\r\n");
    assert_eq!(verify(&format!("{right}X: 1\r\nX: 2\r\nFrom: a\r\nX: 3\r\n\r\n"), &keys), [DkimResult::Pass]);
    let wrong = field("X: 1\r\nX: 2\r\n");
    assert_eq!(verify(&format!("{wrong}X: 1\r\nX: 2\r\nFrom: a\r\nX: 3\r\n\r\n"), &keys), [DkimResult::Fail]);
}

#[test]
fn a_signature_does_not_sign_itself_by_name() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let key = SigningKey::from_pem(PEM).unwrap();
    let keys = format!("sel._domainkey.example.org TXT {}", key.record());
    let hash = STANDARD.encode(digest(&SHA256, b"\r\n"));
    let start = format!(
        "DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d=example.org; s=sel; h=from:dkim-signature; bh={hash}; b="
    );
    let older = "DKIM-Signature: of somebody else\r\n";
    for former in ["", older] {
        let signed = format!("From: a\r\n{former}{start}");
        let signature = STANDARD.encode(key.sign(signed.as_bytes()).unwrap());
        let message = format!("{start}{signature}\r\n{former}From: a\r\n\r\n");
        assert_eq!(verify(&message, &keys)[0], DkimResult::Pass, "{message}");
    }
}

#[test]
fn only_so_many_signatures_are_checked() {
    let field = MESSAGE.split_once("DKIM-Signature: v=1; a=rsa").map(|(one, _)| one).unwrap();
    let many = field.repeat(50) + MESSAGE;
    let table = Table::new(KEYS);
    let mut verifier = Verifier::new();
    verifier.push(many.as_bytes());
    assert_eq!(at_once(verifier.finish(&table, now())).len(), SIGNATURES_MAX);
    assert!(table.asked.borrow().len() <= SIGNATURES_MAX);
}

#[test]
fn the_canonical_bodies_of_rfc_6376() {
    // Section 3.4.5, and the empty bodies of sections 3.4.3 and 3.4.4.
    let cases: [(&str, Form, &str); 12] = [
        (" C \r\nD \t E\r\n\r\n\r\n", Form::Relaxed, " C\r\nD E\r\n"),
        (" C \r\nD \t E\r\n\r\n\r\n", Form::Simple, " C \r\nD \t E\r\n"),
        ("", Form::Simple, "\r\n"),
        ("", Form::Relaxed, ""),
        ("\r\n\r\n", Form::Simple, "\r\n"),
        ("\r\n\r\n", Form::Relaxed, ""),
        (" \t\r\n \r\n", Form::Relaxed, ""),
        ("no end", Form::Simple, "no end\r\n"),
        ("no end  ", Form::Relaxed, "no end\r\n"),
        ("\r\n\r\na\r\n", Form::Simple, "\r\n\r\na\r\n"),
        ("a\rb \r\n", Form::Relaxed, "a\rb\r\n"),
        ("a \r b\r\r\n", Form::Relaxed, "a \r b\r\r\n"),
    ];
    for (body, form, canonical) in cases {
        for size in 1..=body.len().max(1) {
            let mut hash = BodyHash::new(form, None);
            body.as_bytes().chunks(size).for_each(|piece| hash.push(piece));
            let (hash, length) = hash.finish();
            assert_eq!(
                hash.as_ref(),
                digest(&SHA256, canonical.as_bytes()).as_ref(),
                "{body:?} {form:?} by {size}"
            );
            assert_eq!(length, canonical.len() as u64, "{body:?}");
        }
    }
    let mut header = Vec::new();
    Form::Relaxed.field(b"A: X\r\n", &mut header);
    Form::Relaxed.field(b"B : Y\t\r\n\tZ  \r\n", &mut header);
    assert_eq!(header, b"a:X\r\nb:Y Z\r\n");
}

#[test]
fn whether_a_key_is_published() {
    let pem = SigningKey::generate(super::Algorithm::Ed25519).unwrap();
    let key = || SigningKey::from_pem(&pem).unwrap();
    let (own, name) = (key().record(), "sel._domainkey.example.org");
    let other =
        SigningKey::from_pem(&SigningKey::generate(super::Algorithm::Ed25519).unwrap()).unwrap().record();
    let signer = DkimSigner::new("Example.org", "sel", key());
    assert_eq!(signer.record_name(), name);
    for (records, published) in [
        (format!("{name} TXT {own}"), Some(true)),
        (format!("{name} TXT {}", own.replacen("; ", "; t=y; ", 1)), Some(true)),
        (format!("{name} TXT {other}"), Some(false)),
        (format!("{name} TXT {other}\n{name} TXT {own}"), Some(true)),
        (format!("{name} TXT v=DKIM1; p="), Some(false)),
        (String::new(), Some(false)),
        (format!("{name} FAIL"), None),
    ] {
        assert_eq!(at_once(signer.is_published(&Table::new(&records))).ok(), published, "{records}");
    }
}

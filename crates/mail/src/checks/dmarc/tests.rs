//! DMARC without a network.

use super::{Dmarc, DmarcResult, Policy, authors, check, organisation};
use crate::checks::{
    Dkim, DkimResult, DkimSigner, SigningKey, Spf, SpfResult,
    dkim::Verifier,
    tests::{Table, at_once},
};

fn spf(result: SpfResult, domain: &str) -> Spf {
    Spf { result, domain: domain.into(), is_helo: false, explanation: None, problem: None }
}

/// A signature of a domain, which verifies unless it is to have another result.
fn signed(domain: &str, result: DkimResult) -> Dkim {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----";
    let key = SigningKey::from_pem(pem).unwrap();
    let table = Table::new(&format!("s._domainkey.{domain} TXT {}", key.record()));
    let mut signing = DkimSigner::new(domain, "s", key).begin();
    signing.push(b"From: x\r\n\r\n");
    let message = signing.finish(std::time::UNIX_EPOCH).unwrap() + "From: x\r\n\r\n";
    let mut verifier = Verifier::new();
    verifier.push(message.as_bytes());
    let verified = at_once(verifier.finish(&table, std::time::UNIX_EPOCH)).remove(0);
    assert_eq!(verified.result, DkimResult::Pass);
    Dkim { result, ..verified }
}

fn dmarc(records: &str, from: &str, spf: &Spf, dkim: &[Dkim]) -> Dmarc {
    at_once(check(&Table::new(records), &[from.to_owned()], spf, dkim, 50))
}

#[test]
fn who_vouches_must_be_of_the_domain() {
    let relaxed = "_dmarc.example.org TXT v=DMARC1; p=reject";
    let strict = "_dmarc.example.org TXT v=DMARC1; p=reject; aspf=s; adkim=s";
    let nobody = spf(SpfResult::None, "example.org");
    for (records, vouching, result) in [
        (relaxed, "example.org", DmarcResult::Pass),
        (relaxed, "News.Example.ORG", DmarcResult::Pass),
        (relaxed, "example.com", DmarcResult::Fail),
        (relaxed, "badexample.org", DmarcResult::Fail),
        (relaxed, "org", DmarcResult::Fail),
        (strict, "example.org", DmarcResult::Pass),
        (strict, "news.example.org", DmarcResult::Fail),
    ] {
        let by_spf = dmarc(records, "example.org", &spf(SpfResult::Pass, vouching), &[]);
        assert_eq!(by_spf.result, result, "{records} {vouching}");
        if vouching != "org" {
            let by_dkim = dmarc(records, "example.org", &nobody, &[signed(vouching, DkimResult::Pass)]);
            assert_eq!(by_dkim.result, result, "{records} {vouching}");
        }
    }
    for result in [DkimResult::Fail, DkimResult::Policy, DkimResult::Neutral, DkimResult::PermError] {
        let not = dmarc(relaxed, "example.org", &nobody, &[signed("example.org", result)]);
        assert_eq!((not.result, not.disposition), (DmarcResult::Fail, Policy::Reject));
    }
}

#[test]
fn what_could_not_be_found_out_is_no_failure() {
    let records = "_dmarc.example.org TXT v=DMARC1; p=reject";
    let by_spf = dmarc(records, "example.org", &spf(SpfResult::TempError, "example.org"), &[]);
    assert_eq!((by_spf.result, by_spf.disposition), (DmarcResult::TempError, Policy::None));
    let other = dmarc(records, "example.org", &spf(SpfResult::TempError, "example.com"), &[]);
    assert_eq!(other.result, DmarcResult::Fail);
    let dkim = [signed("example.org", DkimResult::TempError)];
    let by_dkim = dmarc(records, "example.org", &spf(SpfResult::Fail, "example.org"), &dkim);
    assert_eq!(by_dkim.result, DmarcResult::TempError);
    let fails = dmarc("_dmarc.example.org FAIL", "example.org", &spf(SpfResult::Pass, "example.org"), &[]);
    assert_eq!(fails.result, DmarcResult::TempError);
}

#[test]
fn the_policy_is_the_domains_or_its_organisations() {
    let none = spf(SpfResult::None, "x.example");
    let policy = |records: &str, from: &str| {
        let dmarc = dmarc(records, from, &none, &[]);
        (dmarc.result, dmarc.policy)
    };
    let records = "_dmarc.example.org TXT v=DMARC1; p=reject; sp=quarantine\n_dmarc.own.example.org TXT v=DMARC1; p=none; sp=reject";
    assert_eq!(policy(records, "example.org"), (DmarcResult::Fail, Some(Policy::Reject)));
    assert_eq!(policy(records, "a.b.example.org"), (DmarcResult::Fail, Some(Policy::Quarantine)));
    assert_eq!(policy(records, "own.example.org"), (DmarcResult::Fail, Some(Policy::None)));
    // Not of a domain between, which is neither.
    assert_eq!(policy(records, "sub.own.example.org"), (DmarcResult::Fail, Some(Policy::Quarantine)));
    assert_eq!(policy(records, "example.com"), (DmarcResult::None, None));
    assert_eq!(policy("_dmarc.co.uk TXT v=DMARC1; p=reject", "example.co.uk"), (DmarcResult::None, None));
    assert_eq!(
        policy("_dmarc.example.co.uk TXT v=DMARC1; p=reject", "a.example.co.uk").1,
        Some(Policy::Reject)
    );
}

#[test]
fn records_that_are_wrong() {
    let none = spf(SpfResult::None, "x.example");
    let read = |records: &str| {
        let dmarc = dmarc(records, "example.org", &none, &[]);
        (dmarc.result, dmarc.policy)
    };
    let one = |record: &str| read(&format!("_dmarc.example.org TXT {record}"));
    assert_eq!(one("v=DMARC1;p=reject;"), (DmarcResult::Fail, Some(Policy::Reject)));
    assert_eq!(
        one("v = DMARC1 ; p = Quarantine ; pct=x; unknown=1"),
        (DmarcResult::Fail, Some(Policy::Quarantine))
    );
    assert_eq!(
        one("v=DMARC1; p=nonsense; rua=mailto:a@example.org"),
        (DmarcResult::Fail, Some(Policy::None))
    );
    for nothing in
        ["v=DMARC1", "v=DMARC1; p=nonsense", "p=reject; v=DMARC1", "v=DMARC2; p=reject", "hello", ""]
    {
        assert_eq!(one(nothing), (DmarcResult::None, None), "{nothing}");
    }
    assert_eq!(one("v=DMARC1; p=reject; p=none").0, DmarcResult::PermError);
    assert_eq!(one("v=DMARC1; nonsense").0, DmarcResult::PermError);
    let two = "_dmarc.example.org TXT v=DMARC1; p=reject\n_dmarc.example.org TXT v=DMARC1; p=none";
    assert_eq!(read(two), (DmarcResult::None, None));
    let beside = "_dmarc.example.org TXT v=DMARC1; p=reject\n_dmarc.example.org TXT something else";
    assert_eq!(read(beside).1, Some(Policy::Reject));
}

#[test]
fn a_policy_may_be_for_some_only() {
    let none = spf(SpfResult::None, "x.example");
    let drawn = |record: &str, draw| {
        let table = Table::new(&format!("_dmarc.example.org TXT {record}"));
        at_once(check(&table, &["example.org".into()], &none, &[], draw)).disposition
    };
    assert_eq!(drawn("v=DMARC1; p=reject; pct=30", 29), Policy::Reject);
    assert_eq!(drawn("v=DMARC1; p=reject; pct=30", 30), Policy::Quarantine);
    assert_eq!(drawn("v=DMARC1; p=quarantine; pct=0", 0), Policy::None);
    assert_eq!(drawn("v=DMARC1; p=reject; pct=101", 99), Policy::Reject);
}

#[test]
fn there_is_one_author() {
    let all = |values: &[&str]| authors(values.iter().map(|value| value.as_bytes()));
    for (value, domain) in [
        (" ann@example.org\r\n", "example.org"),
        (" Ann <ann@Example.ORG>", "example.org"),
        (" \"Eve <eve@evil.example>, x\" <ann@example.org>", "example.org"),
        (" \"a \\\" <eve@evil.example>\" <ann@example.org>", "example.org"),
        (" Ann (eve@evil.example, (\\)) ) <ann@example.org> (b@c)", "example.org"),
        (" eve@evil.example <ann@example.org>", "example.org"),
        (" \"eve@evil.example\"@example.org", "example.org"),
        (" ann@example.org.", "example.org"),
        (" ann\r\n @ example.org", "example.org"),
        (" Team: ann@example.org, <bob@example.org>;", "example.org"),
        (" ann@b\u{fc}cher.example", "xn--bcher-kva.example"),
        (" =?utf-8?q?a@b?= <ann@example.org>", "example.org"),
        (" <@relay.example,@other.example:ann@example.org>", "example.org"),
    ] {
        assert_eq!(all(&[value]), [domain], "{value:?}");
    }
    for nobody in ["", " ", " undisclosed:;", " Ann", " ann@[192.0.2.1]", " <>", " @", "\"", "(", "<", "\\"] {
        assert!(all(&[nobody]).is_empty(), "{nobody:?}");
    }
    assert_eq!(all(&[" a@example.org, b@example.com"]).len(), 2);
    assert_eq!(all(&[" a@example.org", " b@example.com"]).len(), 2);
    // Readers may show any of them.
    for two in [
        " <a@example.org> <b@example.com>",
        " A <a@example.org> B <b@example.com>",
        " <a@example.org>b@x<c@example.com>",
    ] {
        assert_eq!(all(&[two]).len(), 2, "{two}");
    }
    assert_eq!(all(&[" a@example.org", " b@EXAMPLE.org"]).len(), 1);
    let none = spf(SpfResult::Pass, "example.org");
    let table = Table::new("_dmarc.example.org TXT v=DMARC1; p=reject");
    for wrong in [vec![], vec!["example.org".to_owned(), "example.com".to_owned()]] {
        assert_eq!(at_once(check(&table, &wrong, &none, &[], 0)).result, DmarcResult::PermError);
    }
}

#[test]
fn of_several_authors_the_strictest_policy_counts() {
    let table = Table::new(
        "_dmarc.example.org TXT v=DMARC1; p=reject\n_dmarc.example.com TXT v=DMARC1; p=quarantine",
    );
    let disposition = |vouched: &str, from: &[&str]| {
        let from: Vec<_> = from.iter().map(ToString::to_string).collect();
        let dmarc = at_once(check(&table, &from, &spf(SpfResult::Pass, vouched), &[], 0));
        assert_eq!(dmarc.result, DmarcResult::PermError);
        dmarc.disposition
    };
    assert_eq!(disposition("example.org", &["example.org", "example.net"]), Policy::None);
    assert_eq!(disposition("example.org", &["example.org", "example.com"]), Policy::Quarantine);
    assert_eq!(disposition("example.com", &["example.com", "example.org"]), Policy::Reject);
    let many: Vec<_> = (0..9).map(|number| format!("a{number}.example.net")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(disposition("example.net", &many[..8]), Policy::None);
    assert_eq!(disposition("example.net", &many), Policy::Reject);
}

#[test]
fn organisations_are_what_the_list_says() {
    for (domain, of) in [
        ("example.org", "example.org"),
        ("a.b.example.org", "example.org"),
        ("a.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("org", "org"),
        ("a.b.unknown-top", "b.unknown-top"),
    ] {
        assert_eq!(organisation(domain), of);
    }
}

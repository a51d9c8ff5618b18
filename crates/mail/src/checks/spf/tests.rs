//! SPF without a network: the examples of RFC 7208, and what is wrong in many ways.

use super::{
    SpfQuery, SpfResult, check,
    macros::{Place, Spec, Values},
    record::Record,
};
use crate::checks::tests::{Table, at_once};
use std::{
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

/// The zones of RFC 7208 appendix A.
const ZONES: &str = "\
    example.com MX mail-a.example.com\n example.com MX mail-b.example.com\n\
    example.com A 192.0.2.10\n example.com A 192.0.2.11\n\
    amy.example.com A 192.0.2.65\n bob.example.com A 192.0.2.66\n\
    mail-a.example.com A 192.0.2.129\n mail-b.example.com A 192.0.2.130\n\
    www.example.com A 192.0.2.10\n www.example.com A 192.0.2.11\n\
    example.org MX mail-c.example.org\n mail-c.example.org A 192.0.2.140\n\
    192.0.2.10 PTR example.com\n 192.0.2.11 PTR example.com\n 192.0.2.65 PTR amy.example.com\n\
    192.0.2.66 PTR bob.example.com\n 192.0.2.129 PTR mail-a.example.com\n 192.0.2.130 PTR mail-b.example.com\n\
    192.0.2.140 PTR mail-c.example.org\n 10.0.0.4 PTR bob.example.com\n";

fn spf(table: &Table, ip: &str, sender: &str) -> super::Spf {
    let query = SpfQuery {
        ip: ip.parse().unwrap(),
        helo: "helo.example.net",
        sender,
        receiver: "mx.example.net",
        now: UNIX_EPOCH + Duration::from_secs(1000),
    };
    at_once(check(table, &query))
}

/// What a record of example.com says to an address, with other records beside it.
fn says(record: &str, ip: &str, others: &str) -> SpfResult {
    let table = Table::new(&format!("{ZONES}{others}\nexample.com TXT {record}"));
    spf(&table, ip, "strong-bad@example.com").result
}

#[test]
fn the_examples_of_appendix_a() {
    let all = [
        "192.0.2.10",
        "192.0.2.11",
        "192.0.2.65",
        "192.0.2.66",
        "192.0.2.129",
        "192.0.2.130",
        "192.0.2.131",
        "192.0.2.140",
        "192.0.2.143",
        "10.0.0.4",
    ];
    for (record, pass) in [
        ("v=spf1 +all", &all[..]),
        ("v=spf1 a -all", &all[..2]),
        ("v=spf1 a:example.org -all", &[]),
        ("v=spf1 mx -all", &all[4..6]),
        ("v=spf1 mx:example.org -all", &all[7..8]),
        ("v=spf1 mx mx:example.org -all", &["192.0.2.129", "192.0.2.130", "192.0.2.140"]),
        (
            "v=spf1 mx/30 mx:example.org/30 -all",
            &["192.0.2.129", "192.0.2.130", "192.0.2.131", "192.0.2.140", "192.0.2.143"],
        ),
        ("v=spf1 ptr -all", &all[..6]),
        ("v=spf1 ip4:192.0.2.128/28 -all", &all[4..9]),
    ] {
        // Of the last network 192.0.2.131 is one, and 192.0.2.10 is none.
        for ip in all {
            let expected = if pass.contains(&ip) { SpfResult::Pass } else { SpfResult::Fail };
            let expected =
                if record.contains("ptr") && ip == "192.0.2.131" { SpfResult::Fail } else { expected };
            assert_eq!(says(record, ip, ""), expected, "{record} {ip}");
        }
    }
}

#[test]
fn records_of_several_domains() {
    // Appendix A.2: one domain's record in terms of others'.
    let others = "example.org TXT v=spf1 include:example.com include:example.net -all\n\
        example.net TXT v=spf1 ip4:198.51.100.0/24 -all\nla.example.org TXT v=spf1 redirect=example.org\n";
    let table = Table::new(&format!("{ZONES}{others}example.com TXT v=spf1 mx -all"));
    for (ip, result) in
        [("192.0.2.129", SpfResult::Pass), ("198.51.100.7", SpfResult::Pass), ("192.0.2.1", SpfResult::Fail)]
    {
        for sender in ["a@example.org", "b@la.example.org"] {
            assert_eq!(spf(&table, ip, sender).result, result, "{ip} {sender}");
        }
    }
    // Appendix A.3: a list in DNS.
    let others =
        "mary.mobile-users._spf.example.com A 127.0.0.2\n15.2.0.192.in-addr._spf.example.com A 127.0.0.2\n";
    let record = "v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all";
    let lists = "mobile-users._spf.example.com TXT v=spf1 exists:%{l1r+}.%{d}\n\
        remote-users._spf.example.com TXT v=spf1 exists:%{ir}.%{v}._spf.example.com\n";
    let table = Table::new(&format!("{ZONES}{others}{lists}example.com TXT {record}"));
    assert_eq!(spf(&table, "203.0.113.1", "mary@example.com").result, SpfResult::Pass);
    assert_eq!(spf(&table, "203.0.113.1", "fred@example.com").result, SpfResult::Fail);
    assert_eq!(spf(&table, "192.0.2.15", "fred@example.com").result, SpfResult::Pass);
}

#[test]
fn the_macros_of_section_7_4() {
    let v4: IpAddr = [192, 0, 2, 3].into();
    let v6: IpAddr = "2001:db8::cb01".parse().unwrap();
    for (text, ip, expected) in [
        ("%{s}", v4, "strong-bad@email.example.com"),
        ("%{o}", v4, "email.example.com"),
        ("%{d}", v4, "email.example.com"),
        ("%{d4}", v4, "email.example.com"),
        ("%{d3}", v4, "email.example.com"),
        ("%{d2}", v4, "example.com"),
        ("%{d1}", v4, "com"),
        ("%{dr}", v4, "com.example.email"),
        ("%{d2r}", v4, "example.email"),
        ("%{l}", v4, "strong-bad"),
        ("%{l-}", v4, "strong.bad"),
        ("%{lr}", v4, "strong-bad"),
        ("%{lr-}", v4, "bad.strong"),
        ("%{l1r-}", v4, "strong"),
        ("%{ir}.%{v}._spf.%{d2}", v4, "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", v4, "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", v4, "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", v4, "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", v4, "example.com.trusted-domains.example.net"),
        (
            "%{ir}.%{v}._spf.%{d2}",
            v6,
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com",
        ),
        ("%{h}.%{p}.%%%_%-x", v4, "helo.name.% %20x"),
        ("%{S}", v4, "strong-bad%40email.example.com"),
        ("%{c} %{r} %{t}", v6, "2001:db8::cb01 mx 7"),
    ] {
        let values = Values {
            local: "strong-bad",
            sender_domain: "email.example.com",
            domain: "email.example.com",
            ip,
            helo: "helo",
            receiver: "mx",
            now: UNIX_EPOCH + Duration::from_secs(7),
            validated: "name",
        };
        let spec = Spec::parse(text, Place::Explanation).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(spec.expand(&values), expected, "{text}");
    }
}

#[test]
fn long_names_lose_their_first_labels() {
    let values = Values {
        local: &"x".repeat(63),
        sender_domain: "",
        domain: "example.com",
        ip: [0, 0, 0, 0].into(),
        helo: "",
        receiver: "",
        now: UNIX_EPOCH,
        validated: "",
    };
    let name = Spec::parse("%{l}.%{l}.%{l}.%{l}.%{d}", Place::Domain).unwrap().name(&values);
    assert!(name.len() <= 253 && name.ends_with(".example.com") && name.len() > 190, "{name}");
}

#[test]
fn records_that_are_wrong() {
    for wrong in [
        "all:x",
        "all/8",
        "include",
        "include:",
        "include:x",
        "exists",
        "exists:/24",
        "a:",
        "a:museum",
        "a:museum.-",
        "a:x.123",
        "a/33",
        "a/032",
        "a//129",
        "a/-1",
        "a/",
        "a/24/",
        "mx//",
        "ip4",
        "ip4:",
        "ip4:192.0.2",
        "ip4:192.0.2.1/33",
        "ip4:192.0.2.1/",
        "ip4:192.0.2.1/024",
        "ip4:2001:db8::1",
        "ip6:192.0.2.1",
        "ip6:::1/129",
        "ptr:",
        "ptr/24",
        "nonsense",
        "+-all",
        "*all",
        "redirect=",
        "redirect=x",
        "redirect=a.example redirect=b.example",
        "exp=a.example exp=a.example",
        "a:%{x}.example.com",
        "a:%{d",
        "a:%d.example.com",
        "a:%{d0}.example.com",
        "a:%{dx}.example.com",
        "a:%{c}.example.com",
        "a:%.example.com",
        "a:example.com%",
        "unknown=%{",
        "1x=2",
        "a:ex\u{e4}mple.com",
        "\u{e4}",
    ] {
        assert!(Record::parse(format!(" {wrong} -all").as_bytes()).is_err(), "{wrong}");
        assert_eq!(says(&format!("v=spf1 {wrong} -all"), "203.0.113.1", ""), SpfResult::PermError, "{wrong}");
        // The whole record is wrong, wherever it is.
        assert_eq!(says(&format!("v=spf1 +all {wrong}"), "203.0.113.1", ""), SpfResult::PermError, "{wrong}");
    }
}

#[test]
fn records_that_are_right() {
    for right in [
        "",
        "ALL",
        "~All",
        "a/0",
        "A//0",
        "a/24//64",
        "a:x.example/24//64",
        "MX/32//128",
        "ip4:192.0.2.1/32",
        "IP6:2001:db8::/32",
        "ip6:::ffff:192.0.2.1/128",
        "a:example.com.",
        "a:%{d}",
        "a:x.%{d}",
        "exists:%{i}.x/y.example",
        "exists:%{d2r.-+,/_=}.x.example",
        "moo=cow",
        "moo.cow-far_out=man:dog/cat",
        "ptr:example.com",
        "redirect=%{d}",
        "exp=x.%{d}.example",
        "?exists:%{L}.example",
    ] {
        assert!(
            Record::parse(format!(" {right}").as_bytes()).is_ok(),
            "{right}: {:?}",
            Record::parse(right.as_bytes())
        );
    }
}

#[test]
fn one_record_counts_and_only_one() {
    let none = Table::new("example.com TXT v=spf10 -all\nexample.com TXT hello\nexample.com TXT v=spf1-all");
    assert_eq!(spf(&none, "192.0.2.1", "a@example.com").result, SpfResult::None);
    let two = Table::new("example.com TXT v=spf1 -all\nexample.com TXT V=SPF1");
    assert_eq!(spf(&two, "192.0.2.1", "a@example.com").result, SpfResult::PermError);
    let bare = Table::new("example.com TXT v=spf1");
    assert_eq!(spf(&bare, "192.0.2.1", "a@example.com").result, SpfResult::Neutral);
    let fails = Table::new("example.com FAIL");
    assert_eq!(spf(&fails, "192.0.2.1", "a@example.com").result, SpfResult::TempError);
    for domain in [
        "localhost",
        "a..example.com",
        ".example.com",
        "[192.0.2.1]",
        &format!("{}.example.com", "x".repeat(64)),
    ] {
        assert_eq!(spf(&bare, "192.0.2.1", &format!("a@{domain}")).result, SpfResult::None, "{domain}");
    }
}

#[test]
fn a_bounce_is_of_the_name_in_ehlo() {
    let table = Table::new(
        "helo.example.net TXT v=spf1 exists:%{l}.%{o}.%{h} -all\n\
        postmaster.helo.example.net.helo.example.net A 127.0.0.2",
    );
    let bounce = spf(&table, "192.0.2.1", "");
    assert_eq!(
        (bounce.result, bounce.domain.as_str(), bounce.is_helo),
        (SpfResult::Pass, "helo.example.net", true)
    );
}

#[test]
fn qualifiers_say_the_result() {
    for (all, result) in [
        ("all", SpfResult::Pass),
        ("-all", SpfResult::Fail),
        ("~all", SpfResult::SoftFail),
        ("?all", SpfResult::Neutral),
        ("ip4:10.0.0.1", SpfResult::Neutral),
    ] {
        assert_eq!(says(&format!("v=spf1 {all}"), "203.0.113.1", ""), result);
    }
}

#[test]
fn addresses_match_within_their_family() {
    let others = "six.example.com AAAA 2001:db8::1\n";
    assert_eq!(says("v=spf1 a:six.example.com//64 -all", "2001:db8::2", others), SpfResult::Pass);
    assert_eq!(says("v=spf1 a:six.example.com -all", "2001:db8::2", others), SpfResult::Fail);
    assert_eq!(says("v=spf1 ip6:2001:db8::/32 -all", "2001:db8:ffff::1", ""), SpfResult::Pass);
    assert_eq!(says("v=spf1 ip6:::/0 -all", "192.0.2.1", ""), SpfResult::Fail);
    assert_eq!(says("v=spf1 ip4:0.0.0.0/0 -all", "2001:db8::1", ""), SpfResult::Fail);
    // An IPv4 client that came to an IPv6 socket.
    assert_eq!(says("v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1", ""), SpfResult::Pass);
    // exists asks for A in any case.
    assert_eq!(says("v=spf1 exists:bob.example.com -all", "2001:db8::1", ""), SpfResult::Pass);
}

#[test]
fn includes_pass_on_what_they_must() {
    let inner =
        |inner: &str, record: &str| says(record, "203.0.113.1", &format!("inner.example TXT {inner}\n"));
    let record = "v=spf1 include:inner.example ?all";
    assert_eq!(inner("v=spf1 +all", record), SpfResult::Pass);
    for no in ["v=spf1 -all", "v=spf1 ~all", "v=spf1 ?all", "v=spf1"] {
        assert_eq!(inner(no, record), SpfResult::Neutral, "{no}");
    }
    assert_eq!(inner("v=spf1 +all", "v=spf1 -include:inner.example +all"), SpfResult::Fail);
    assert_eq!(inner("none", record), SpfResult::PermError);
    assert_eq!(inner("v=spf1 nonsense", record), SpfResult::PermError);
    assert_eq!(says(record, "203.0.113.1", "inner.example FAIL\n"), SpfResult::TempError);
    assert_eq!(inner("none", "v=spf1 redirect=inner.example"), SpfResult::PermError);
    assert_eq!(inner("v=spf1 ~all", "v=spf1 redirect=inner.example"), SpfResult::SoftFail);
    assert_eq!(inner("v=spf1 ~all", "v=spf1 redirect=inner.example -all"), SpfResult::Fail);
}

#[test]
fn who_goes_in_circles_is_stopped() {
    for record in ["v=spf1 include:example.com", "v=spf1 redirect=example.com"] {
        let table = Table::new(&format!("example.com TXT {record}"));
        assert_eq!(spf(&table, "192.0.2.1", "a@example.com").result, SpfResult::PermError);
        assert!(table.asked.borrow().len() <= 11);
    }
}

#[test]
fn lookups_have_a_limit() {
    let a = |count: usize| format!("v=spf1{} -all", " a:www.example.com".repeat(count));
    assert_eq!(says(&a(10), "203.0.113.1", ""), SpfResult::Fail);
    assert_eq!(says(&a(11), "203.0.113.1", ""), SpfResult::PermError);
    let void = |count: usize| {
        let terms: String = (0..count).map(|number| format!(" a:none{number}.example.com")).collect();
        format!("v=spf1{terms} -all")
    };
    assert_eq!(says(&void(2), "203.0.113.1", ""), SpfResult::Fail);
    assert_eq!(says(&void(3), "203.0.113.1", ""), SpfResult::PermError);
    let mx = |count: usize| {
        (0..count).map(|number| format!("many.example MX m{number}.example\n")).collect::<String>()
    };
    assert_eq!(says("v=spf1 mx:many.example -all", "203.0.113.1", &mx(10)), SpfResult::Fail);
    assert_eq!(says("v=spf1 mx:many.example -all", "203.0.113.1", &mx(11)), SpfResult::PermError);
    // Only the first ten names of an address are looked at.
    let ptr = |count: usize| {
        let names: String =
            (0..count).map(|number| format!("203.0.113.1 PTR p{number}.example.com\n")).collect();
        format!("{names}203.0.113.1 PTR right.example.com\nright.example.com A 203.0.113.1\n")
    };
    assert_eq!(says("v=spf1 ptr -all", "203.0.113.1", &ptr(9)), SpfResult::Pass);
    assert_eq!(says("v=spf1 ptr -all", "203.0.113.1", &ptr(10)), SpfResult::Fail);
}

#[test]
fn a_name_that_ends_alike_is_of_another_domain() {
    let others = "203.0.113.1 PTR badexample.com\nbadexample.com A 203.0.113.1\n";
    assert_eq!(says("v=spf1 ptr -all", "203.0.113.1", others), SpfResult::Fail);
    assert_eq!(says("v=spf1 ptr:badexample.com -all", "203.0.113.1", others), SpfResult::Pass);
}

#[test]
fn names_that_fail_are_no_match_for_ptr() {
    assert_eq!(says("v=spf1 ptr -all", "203.0.113.1", "203.0.113.1 FAIL\n"), SpfResult::Fail);
    assert_eq!(
        says("v=spf1 a:x.example.com -all", "203.0.113.1", "x.example.com FAIL\n"),
        SpfResult::TempError
    );
}

#[test]
fn failures_are_explained_in_the_words_of_the_domain() {
    let explained = |record: &str, others: &str| {
        let table = Table::new(&format!("{others}\nexample.com TXT {record}"));
        spf(&table, "203.0.113.1", "ann@example.com").explanation
    };
    let why = "why.example.com TXT See http://%{d}/why.html?s=%{S}&i=%{I}&at=%{t}&by=%{r}";
    let said = explained("v=spf1 -all exp=why.%{d}", why).unwrap();
    assert_eq!(
        said,
        "See http://example.com/why.html?s=ann%40example.com&i=203.0.113.1&at=1000&by=mx.example.net"
    );
    assert_eq!(explained("v=spf1 ~all exp=why.%{d}", why), None, "only a failure is explained");
    assert_eq!(explained("v=spf1 -all exp=none.%{d}", why), None);
    assert_eq!(
        explained("v=spf1 -all exp=why.%{d}", "why.example.com TXT one\nwhy.example.com TXT two"),
        None
    );
    assert_eq!(explained("v=spf1 -all exp=why.%{d}", "why.example.com TXT b\u{e4}d"), None);
    assert_eq!(explained("v=spf1 -all exp=why.%{d}", "why.example.com TXT %{nonsense}"), None);
    assert_eq!(explained("v=spf1 -all exp=why.%{d}", "why.example.com FAIL"), None);
    // Of whom is redirected to, and not of whom is included.
    let others = format!("{why}\nother.example TXT v=spf1 -all exp=why.example.com\n");
    assert!(explained("v=spf1 redirect=other.example", &others).is_some());
    assert_eq!(explained("v=spf1 include:other.example -all", &others), None);
}

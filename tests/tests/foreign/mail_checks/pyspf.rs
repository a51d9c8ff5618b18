//! pyspf, on many records by chance: it must come to the same result.

use super::{Numbers, Zone, at_once, python};
use serde_json::json;
use std::{collections::BTreeMap, time::UNIX_EPOCH};
use trenza::mail::checks::{SpfQuery, spf};

const SCRIPT: &str = "
import ipaddress, json, sys
import spf
given = json.load(open(sys.argv[1]))
spf.MAX_VOID_LOOKUPS = given['voids']
said = []
for case in given['cases']:
    zone = case['zone']
    def lookup(name, qtype, tcpfallback=True, timeout=30):
        name = of = name.lower().rstrip('.')
        if qtype == 'PTR':
            labels = name.split('.')
            if name.endswith('.in-addr.arpa'):
                of = '.'.join(reversed(labels[:-2]))
            else:
                of = str(ipaddress.ip_address(bytes.fromhex(''.join(reversed(labels[:-2])))))
        found = zone.get(of, {}).get(qtype, [])
        if qtype == 'TXT':
            return [((name, qtype), [text.encode()]) for text in found]
        if qtype == 'MX':
            return [((name, qtype), (10, exchange)) for exchange in found]
        return [((name, qtype), data) for data in found]
    spf.DNSLookup = lookup
    said.append(spf.check2(i=case['ip'], s=case['sender'], h=case['helo'])[0])
print(json.dumps(said))
";

const TERMS: [&str; 32] = [
    "all",
    "a",
    "mx",
    "ptr",
    "a:b.example.org",
    "a:none.example.org",
    "a:b.example.org/24",
    "a//64",
    "mx:c.example.org",
    "mx/16//32",
    "ptr:example.org",
    "ip4:192.0.2.0/24",
    "ip4:192.0.2.1",
    "ip4:198.51.100.0/33",
    "ip6:2001:db8::/32",
    "ip6:2001:db8::1",
    "ip4:1.2.3",
    "include:i1.example.org",
    "include:i2.example.org",
    "include:none.example.org",
    "exists:%{ir}.%{v}.list.example.org",
    "exists:%{l1r-}.%{d2}",
    "exists:b.example.org",
    "a:%{o}",
    "a:%{d1r}.example.org",
    "moo=%{d}",
    "moo",
    "a:%{x}",
    "redirect=i1.example.org",
    "redirect=none.example.org",
    "exp=none.example.org",
    "a:x.%{h}",
];

const QUALIFIERS: [&str; 8] = ["", "", "", "-", "~", "?", "+", "-"];

fn record(numbers: &mut Numbers, own: &str) -> String {
    let mut record = String::from("v=spf1");
    // Once for a record, or it is wrong in a way that each says in its own words.
    let mut modifiers = Vec::new();
    for _ in 0..numbers.below(6) {
        let term = numbers.one(&TERMS);
        let is_modifier = term.contains('=');
        let name = term.split('=').next().unwrap();
        // It finds circles before it comes to them.
        let is_circle = term.split([':', '=']).nth(1) == Some(own);
        if is_circle || (is_modifier && modifiers.contains(&name)) {
            continue;
        }
        if is_modifier {
            modifiers.push(name);
        }
        record += " ";
        record += if is_modifier { "" } else { numbers.one(&QUALIFIERS) };
        record += term;
    }
    record + numbers.one(&["", " -all", " ~all"])
}

fn zone(numbers: &mut Numbers) -> Zone {
    let mut zone = Zone::default();
    for name in ["example.org", "i1.example.org", "i2.example.org"] {
        zone.add(name, "TXT", "some other text");
        zone.add(name, "TXT", record(numbers, name));
    }
    for (name, ip) in [
        ("example.org", "192.0.2.1"),
        ("b.example.org", "192.0.2.77"),
        ("b.example.org", "198.51.100.7"),
        ("m1.example.org", "203.0.113.1"),
        ("m2.example.org", "198.51.100.9"),
        ("bad.example.org", "127.0.0.2"),
        ("1.2.0.192.in-addr.list.example.org", "127.0.0.2"),
        ("org.example.org", "203.0.113.9"),
        ("host.example.org", "203.0.113.9"),
    ] {
        zone.add(name, "A", ip);
    }
    zone.add("example.org", "AAAA", "2001:db8::7");
    zone.add("m1.example.org", "AAAA", "2001:db8:1::1");
    for (name, exchange) in [
        ("example.org", "m1.example.org"),
        ("example.org", "m2.example.org"),
        ("c.example.org", "m2.example.org"),
    ] {
        zone.add(name, "MX", exchange);
    }
    zone.add("203.0.113.9", "PTR", "host.example.org");
    zone.add("203.0.113.9", "PTR", "liar.example.com");
    zone.add("192.0.2.1", "PTR", "liar.example.org");
    zone
}

const ADDRESSES: [&str; 9] = [
    "192.0.2.1",
    "192.0.2.77",
    "198.51.100.9",
    "203.0.113.1",
    "203.0.113.9",
    "10.0.0.1",
    "2001:db8::7",
    "2001:db8:1::1",
    "2002::1",
];
const SENDERS: [&str; 4] = ["bad-user@example.org", "ann@example.org", "", "x@none.example.org"];

#[test]
fn comes_to_the_same_results() {
    let mut numbers = Numbers(88_172_645_463_325_252);
    let cases: Vec<_> =
        (0..3000).map(|_| (zone(&mut numbers), numbers.one(&ADDRESSES), numbers.one(&SENDERS))).collect();
    let helo = "example.org";
    let given = cases
        .iter()
        .map(|(zone, ip, sender)| json!({"zone": zone.0, "ip": ip, "sender": sender, "helo": helo}));
    let given: Vec<_> = given.collect();
    let said = |voids: usize| python(SCRIPT, &json!({"voids": voids, "cases": given}));
    // It counts each name that does not exist, and we the terms that ask for one, as the RFC says (section 4.6.4): so ours is
    // its result without that limit, and where our limit is reached its own is, too.
    let (limited, theirs) = (said(2), said(1000));
    let limited = limited.as_array().unwrap();
    let mut counts = BTreeMap::new();
    for (((zone, ip, sender), limited), theirs) in cases.iter().zip(limited).zip(theirs.as_array().unwrap()) {
        let query = SpfQuery { ip: ip.parse().unwrap(), helo, sender, receiver: "mx", now: UNIX_EPOCH };
        let ours = at_once(spf::check(zone, &query));
        let records: Vec<_> =
            ["example.org", "i1.example.org", "i2.example.org"].map(|name| &zone.0[name]["TXT"][1]).into();
        let is_limit = ours.problem.as_ref().is_some_and(|problem| problem.contains("names do not exist"));
        let theirs = if is_limit { limited } else { theirs };
        assert_eq!(theirs, ours.result.as_str(), "{ip} {sender:?} {records:#?} {:?}", ours.problem);
        *counts.entry(ours.result.as_str()).or_insert(0) += 1;
    }
    // The records must not all be of one kind.
    assert!(counts.values().filter(|count| **count > 50).count() >= 5, "{counts:?}");
}

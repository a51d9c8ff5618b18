//! Our HTTP/1.1 server and hyper, asked the same: raw bytes to both, and what the client gets from each.
//!
//! The table (the modules in `cases`) is the document of the differences: a line of it says what a client
//! sends, what it gets from ours, and, where hyper gives something else, what, and why ours is right. The
//! tests fail when a difference is not in the table, when one of the table is gone, and when ours does not
//! give what the table says. [`outcome::Outcome::tell`] has the notation.
//!
//! hyper is made for handlers that judge a request themselves, so ours refuses much that hyper hands on.
//! It runs with its defaults, but for what [`peer::run`] says.

mod case;
mod cases;
mod handler;
mod ours;
mod outcome;
mod peer;

use case::{Case, differ, same};
use std::collections::BTreeSet;
use trenza_sim::Net;

/// How often each case is sent in pieces, cut at other places each time.
const SPLITS: u64 = 4;

#[test]
fn both_servers_give_what_the_table_says() {
    let complaints: Vec<String> = cases::ALL.iter().flat_map(|(_, cases)| *cases).flat_map(check).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_group_has_good_and_bad_requests() {
    for (group, cases) in cases::ALL {
        let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases.len(), "{group}: a name is there twice");
        let bad = cases.iter().filter(|case| case.is_refused()).count();
        assert!(
            cases.len() >= 10 && (3..=cases.len() - 3).contains(&bad),
            "{group}: {bad} of {}",
            cases.len()
        );
    }
}

/// The one difference that is in all answers to HTTP/1.0, and so is told here and not in the table: ours
/// answers in the highest version that it knows, as RFC 9110, section 6.2 asks, and says how long the
/// connection lasts.
#[test]
fn hyper_answers_in_the_version_of_the_request() {
    let segments = [b"GET / HTTP/1.0\r\n\r\n".to_vec()];
    let ours = String::from_utf8(ours::run(&Net::gentle(0), &segments, false).bytes).unwrap();
    assert!(ours.starts_with("HTTP/1.1 200 OK\r\n") && ours.contains("\r\nconnection: close\r\n"), "{ours}");
    let hyper = String::from_utf8(peer::run(&segments, false).bytes).unwrap();
    assert!(hyper.starts_with("HTTP/1.0 200 OK\r\n") && !hyper.contains("\r\nconnection: "), "{hyper}");
}

#[test]
fn a_wrong_table_is_found() {
    const GOOD: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const LF: &[u8] = b"GET / HTTP/1.1\nHost: h\n\n";
    let answer = "200 GET / @h; next; open";
    assert_eq!(check(&same("right", GOOD, answer)), [""; 0]);
    assert_eq!(check(&differ("right", LF, case::REFUSED, answer, "RFC 9112")), [""; 0]);
    for wrong in [
        same("ours gives something else", GOOD, case::REFUSED),
        same("hyper gives something else", LF, case::REFUSED),
        differ("ours gives something else", LF, "500; open", answer, "RFC 9112"),
        differ("the difference is gone", GOOD, answer, case::REFUSED, "RFC 9112"),
        differ("no difference", GOOD, answer, answer, "RFC 9112"),
        differ("no reason", LF, case::REFUSED, answer, ""),
    ] {
        assert!(!check(&wrong).is_empty(), "{wrong:?}");
    }
}

/// What is wrong with a case: a line each time that a server gives something else than the table says.
fn check(case: &Case) -> Vec<String> {
    let (hyper, why) = case.hyper.unwrap_or((case.ours, "none is needed"));
    if case.hyper.is_some_and(|_| hyper == case.ours || why.is_empty()) {
        return vec![format!("{}: there is no difference to explain, or no reason", case.name)];
    }
    let mut complaints = Vec::new();
    for seed in 0..=if case.whole { 0 } else { SPLITS } {
        let (segments, net) = match seed {
            0 => (case.segments(), Net::gentle(seed)),
            seed => (case.split(seed), Net::new(seed)),
        };
        let mut compare = |server: &str, told: String, expected: &str| {
            let sent: Vec<String> = segments.iter().map(|segment| start(segment)).collect();
            let complaint = format!(
                "{}, seed {seed}: {server} gives\n    {told}\n  and not\n    {expected}\n  to {sent:?}",
                case.name
            );
            complaints.extend((told != expected).then_some(complaint));
        };
        compare("ours", ours::run(&net, &segments, case.half_closes).tell(), case.ours);
        if seed == 0 || !case.whole_to_hyper {
            compare("hyper", peer::run(&segments, case.half_closes).tell(), hyper);
        }
    }
    complaints
}

/// As much of a segment as a complaint needs.
fn start(segment: &[u8]) -> String {
    segment.iter().take(200).flat_map(|byte| byte.escape_ascii()).map(char::from).collect()
}

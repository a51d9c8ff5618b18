//! Our HTTP/1.1 server and hyper, asked the same: raw bytes to both, and what the client gets from each.
//!
//! The table (the modules in `cases`) is the document of the differences: a line of it says what a client sends, what
//! it gets from ours, and, where hyper gives something else, what, and why ours is right. The tests fail when a
//! difference is not in the table, when one of the table is gone, and when ours does not give what the table says.
//! [`outcome::Outcome::tell`] has the notation.

mod case;
mod cases;
mod handler;
mod ours;
mod outcome;
mod peer;

use case::{Case, same};
use std::collections::BTreeSet;
use trenza_sim::Net;

/// How often each case is sent in pieces, cut at other places each time.
const SPLITS: u64 = 4;

#[test]
fn both_servers_give_what_the_table_says() {
    let complaints: Vec<String> = cases::ALL.iter().flat_map(|(_, cases)| *cases).flat_map(check).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// What is wrong with a case.
fn check(case: &Case) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |how: &str, whom: &str, segments: &[Vec<u8>], told: String, expected: &str| {
        if told != expected {
            let sent = segments.iter().map(|segment| segment.escape_ascii().to_string());
            let sent: Vec<String> = sent.map(|one| one.chars().take(200).collect()).collect();
            complaints.push(format!(
                "{} ({how}): {whom} gives\n    {told}\n  the table says\n    {expected}\n  to {sent:?}",
                case.name
            ));
        }
    };
    let (hyper, why) = case.hyper.unwrap_or((case.ours, ""));
    if case.hyper.is_some() && (hyper == case.ours || why.is_empty()) {
        return vec![format!("{}: there is no difference to explain, or no explanation", case.name)];
    }
    for seed in 0..=if case.whole { 0 } else { SPLITS } {
        let (how, segments, net) = match seed {
            0 => ("whole".to_owned(), case.segments(), Net::gentle(seed)),
            seed => (format!("split, seed {seed}"), case.split(seed), Net::new(seed)),
        };
        let told = ours::run(&net, &segments, case.half_closes).tell();
        complain(&how, "ours", &segments, told, case.ours);
        let told = peer::run(&segments, case.half_closes).tell();
        complain(&how, "hyper", &segments, told, hyper);
    }
    complaints
}

//! The HTTP/1.1 codec, from outside: tables of good and bad messages, each cut at every byte.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bodies;
#[path = "../../../../fuzz/src/h1.rs"]
#[allow(unreachable_pub, reason = "it is a crate of its own under the fuzzer")]
mod checks;
mod heads;
mod replay;
mod responses;

use checks::{Seen, cut, requests};
use http::StatusCode;
use trenza_web::h1::Limits;

/// What a server sees of `bytes`, the same however they come.
fn seen(bytes: &[u8]) -> Vec<Seen> {
    let limits = Limits::default();
    let whole = requests(&[bytes], &limits);
    for at in 1..bytes.len().min(2000) {
        let (before, after) = bytes.split_at(at);
        assert_eq!(requests(&[before, after], &limits), whole, "cut at {at}: {:?}", text(bytes));
    }
    assert_eq!(requests(&cut(bytes, &[1]), &limits), whole, "byte for byte: {:?}", text(bytes));
    whole
}

/// The status that a message is refused with, None if it is not.
fn refused(bytes: &[u8]) -> Option<StatusCode> {
    seen(bytes).iter().find_map(|seen| match seen {
        Seen::Failed(status, _) => Some(*status),
        _ => None,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

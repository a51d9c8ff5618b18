//! The soak's canaries: each is built in somewhere, and each that is built in is looked for.

use crate::repository;
use std::collections::BTreeSet;

/// Where they are listed.
const LIST: &str = "crates/sim/src/bin/soak/canary.rs";

#[test]
fn every_canary_is_listed_and_built_in() {
    let files = repository();
    let source = |path: &str| path.starts_with("crates/") && path.ends_with(".rs");
    let built = files.iter().filter(|file| source(&file.path)).flat_map(|file| named("broken", &file.text));
    let listed = files.iter().filter(|file| file.path == LIST).flat_map(|file| named("canary", &file.text));
    let (built, listed): (BTreeSet<_>, BTreeSet<_>) = (built.collect(), listed.collect());
    assert!(!listed.is_empty(), "{LIST} was not found");
    assert_eq!(built, listed, "left: what is broken somewhere, right: what {LIST} looks for");
}

#[test]
fn canaries_are_found_by_their_calls() {
    let text =
        "fn broken(what: &str) {}\nif broken(\"a-b\", 3) && is_broken(\"c\", 1) { canary(\n    \"d\", X) }";
    assert_eq!(named("broken", text).collect::<Vec<_>>(), ["a-b"]);
    assert_eq!(named("canary", text).collect::<Vec<_>>(), ["d"]);
}

/// The first arguments of the calls of a function, as far as they are literals.
fn named<'a>(function: &str, text: &'a str) -> impl Iterator<Item = &'a str> {
    let call = format!("{function}(");
    let found: Vec<usize> = text.match_indices(&call).map(|(at, _)| at).collect();
    let length = call.len();
    found.into_iter().filter_map(move |at| {
        let whole = !text.get(..at)?.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let literal = text.get(at + length..)?.trim_start().strip_prefix('"')?;
        literal.split('"').next().filter(|_| whole)
    })
}

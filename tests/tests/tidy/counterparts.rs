//! `docs/counterparts.md`: every row names a test that exists, or says why there is none.

use crate::rust;
use std::{collections::BTreeMap, fs, path::Path};

const TABLE: &str = "docs/counterparts.md";
/// How the last cell of a row begins that has no counterpart.
const REASONS: [&str; 2] = ["no: ", "later: "];
/// What the table has at least: rows, and among them with tests.
const FEWEST: (usize, usize) = (90, 50);

#[test]
fn every_counterpart_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let text = fs::read_to_string(root.join(TABLE)).expect("the table");
    let mut sources = BTreeMap::new();
    let mut exists = |path: &str, name: &str| {
        let functions = sources.entry(path.to_owned()).or_insert_with(|| {
            let source = fs::read_to_string(root.join(path)).unwrap_or_default();
            rust::functions(&rust::code(&source))
                .into_iter()
                .map(|function| function.name)
                .collect::<Vec<_>>()
        });
        functions.iter().any(|function| function == name)
    };
    let rows = rows(&text);
    let with_tests = rows.iter().filter(|row| !tests(row).is_empty()).count();
    assert!(rows.len() >= FEWEST.0 && with_tests >= FEWEST.1, "only {} and {with_tests} rows", rows.len());
    let wrong: Vec<String> = rows.iter().filter_map(|row| breach(row, &mut exists)).collect();
    assert!(wrong.is_empty(), "{TABLE}:\n{}", wrong.join("\n"));
}

#[test]
fn a_wrong_row_is_found() {
    let mut exists = |path: &str, name: &str| (path, name) == ("a.rs", "b");
    for right in
        ["| x | y | `a.rs::b` |", "| x |  | no: nobody asks |", "| x | `y` | `a.rs::b`; later: more |"]
    {
        assert_eq!(rows(right).len(), 1);
        assert_eq!(breach(right, &mut exists), None, "{right}");
    }
    for wrong in [
        "| x | y | `a.rs::c` |",
        "| x | y | `c.rs::b` |",
        "| x | y |  |",
        "| x | y | soon |",
        "| x | `a.rs::b` |",
    ] {
        assert!(breach(wrong, &mut exists).is_some(), "{wrong}");
    }
    assert_eq!(
        rows("| Twisted | here | shown by |\n|---|---|---|\ntext\n| x | y | z |\n"),
        ["| x | y | z |"]
    );
}

/// The rows of all tables, without their heads.
fn rows(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &str| line.starts_with("|---");
    let head = |place: usize| lines.get(place + 1).is_some_and(|next| is_rule(next));
    let row = |(place, line): (usize, &&'_ str)| line.starts_with('|') && !is_rule(line) && !head(place);
    lines.iter().enumerate().filter(|(place, line)| row((*place, line))).map(|(_, line)| *line).collect()
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// The tests that a row names, as path and name.
fn tests(row: &str) -> Vec<(&str, &str)> {
    let last = cells(row).last().copied().unwrap_or_default();
    last.split('`').skip(1).step_by(2).filter_map(|code| code.rsplit_once("::")).collect()
}

fn breach(row: &str, exists: &mut impl FnMut(&str, &str) -> bool) -> Option<String> {
    let cells = cells(row);
    let [what, _, shown] = cells[..] else { return Some(format!("not three cells: {row}")) };
    let tests = tests(row);
    if tests.is_empty() && !REASONS.iter().any(|reason| shown.starts_with(reason)) {
        return Some(format!("{what}: neither a test nor one of {REASONS:?}"));
    }
    let missing = tests.into_iter().find(|(path, name)| !exists(path, name));
    missing.map(|(path, name)| format!("{what}: there is no test {path}::{name}"))
}

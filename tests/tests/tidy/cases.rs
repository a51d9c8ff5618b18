//! `docs/conformance.md`: the table of conformance cases, made from their code.

use crate::rust;
use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path};

const SOURCES: &str = "tests/conformance";
const TABLE: &str = "docs/conformance.md";
/// Set, the table is written instead of compared.
const UPDATE: &str = "TRENZA_UPDATE";
/// What the suite is to have at least.
const FEWEST: usize = 200;

/// What every driver of the engine must show, or one of them.
#[derive(Debug, PartialEq, Eq)]
struct Case {
    name: String,
    /// Its doc comment; often the name says enough.
    asks: String,
    drivers: &'static str,
    /// Its code without literals: cases for which this is the same differ in a parameter only.
    shape: String,
}

#[test]
fn the_table_of_cases_is_what_the_code_says() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(tests.join(SOURCES)).expect("the folder of the cases") {
        let path = entry.expect("an entry of a folder").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("names are UTF-8").to_owned();
        // It defines what states cases, and states none.
        if name != "main" {
            files.insert(name, fs::read_to_string(&path).expect("a source file"));
        }
    }
    let (table, differ) = table(&files);
    assert!(differ >= FEWEST, "only {differ} cases were found");
    let path = tests.parent().expect("the repository").join(TABLE);
    if env::var_os(UPDATE).is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of the table");
        return fs::write(&path, table).expect("the table can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let changed = table.lines().zip(found.lines().chain([""])).find(|(now, then)| now != then);
    assert!(
        found == table,
        "{TABLE} is not what the code says, from {changed:?} on; to write it anew:\n  \
         {UPDATE}=1 cargo test -p trenza-tests --test tidy"
    );
}

#[test]
fn cases_are_found() {
    let source = "//! Ends. And more.\n//!\n//! Not this.\ncases! {\n    one\n    two\n}\ncases! { of real systems only:\n    three\n}\n\
        async fn one(ground: Ground) -> Result {\n    f(\"a\", 1_000).await\n}\n\
        /// Asks for\n/// two things.\n#[allow(x)]\nasync fn two(ground: Ground) -> Result {\n    f(\"b\", 2).await\n}\n\
        async fn three(ground: Ground) -> Result {\n    g().await\n}\n\
        #[test]\nfn four() {\n    Net::new(1);\n}\nfn other() {}\n";
    let found = cases(source);
    let rows: Vec<_> = found.iter().map(|case| (&*case.name, &*case.asks, case.drivers)).collect();
    assert_eq!(
        rows,
        [
            ("one", "one", "poll, uring, sim"),
            ("two", "Asks for two things.", "poll, uring, sim"),
            ("three", "three", "poll, uring"),
            ("four", "four", "sim"),
        ]
    );
    assert!(found[0].shape == found[1].shape && found[1].shape != found[2].shape);
    let (table, differ) = table(&BTreeMap::from([("ends".to_owned(), source.to_owned())]));
    assert_eq!(differ, 3);
    assert!(table.contains("## ends\n\nEnds. And more.\n\n"), "{table}");
    assert!(table.contains(
        "| `two` | Asks for two things. (As `one`, with another parameter.) | poll, uring, sim |\n"
    ));
}

/// The text of the table, and how many cases differ.
fn table(files: &BTreeMap<String, String>) -> (String, usize) {
    let (mut sections, mut all, mut shapes) = (String::new(), 0, BTreeMap::new());
    for (name, source) in files {
        let cases = cases(source);
        if cases.is_empty() {
            continue;
        }
        let head = source.lines().map_while(|line| line.strip_prefix("//! ")).collect::<Vec<_>>().join(" ");
        sections += &format!("\n## {name}\n\n{head}\n\n| case | what it asks | drivers |\n|---|---|---|\n");
        for Case { name, asks, drivers, shape } in cases {
            all += 1;
            let first = shapes.entry(shape).or_insert_with(|| name.clone());
            let like = if *first == name {
                String::new()
            } else {
                format!(" (As `{first}`, with another parameter.)")
            };
            let _ = writeln!(sections, "| `{name}` | {asks}{like} | {drivers} |");
        }
    }
    let differ = shapes.len();
    let head = format!(
        "# Conformance\n\n\
         What every driver of the engine must show, as `tests/tests/conformance` states it; made from that code by\n\
         `tests/tests/tidy/cases.rs`. `poll` is the portable driver on the real system, `uring` that over io_uring,\n\
         `sim` the simulator, which runs a case with many seeds.\n\n\
         {differ} cases differ, of {all}: those whose code differs in literals only count once, and drivers do not\n\
         count.\n"
    );
    (head + &sections, differ)
}

/// The cases of a source file: those of its lists, then tests that stand for themselves.
fn cases(source: &str) -> Vec<Case> {
    let code = rust::code(source);
    let functions = rust::functions(&code);
    let case = |name: &str, drivers| {
        let function = functions.iter().find(|function| function.name == name)?;
        let asks = asks(source, function.line).unwrap_or_else(|| name.replace('_', " "));
        Some(Case { name: name.into(), asks, drivers, shape: shape(&code, function) })
    };
    let mut cases = Vec::new();
    for list in code.split("\ncases! {").skip(1) {
        let list = list.split('}').next().unwrap_or_default();
        let (list, drivers) = match list.trim_start().strip_prefix("of real systems only:") {
            Some(list) => (list, "poll, uring"),
            None => (list, "poll, uring, sim"),
        };
        cases.extend(list.split_whitespace().filter_map(|name| case(name, drivers)));
    }
    for test in code.split("#[test]\nfn ").skip(1) {
        let body = test.split("\n}").next().unwrap_or_default();
        let drivers = if body.contains("drivers::poll") { "poll" } else { "sim" };
        cases.extend(test.split('(').next().and_then(|name| case(name, drivers)));
    }
    cases
}

/// The doc comment above a line, from 1; None without one.
fn asks(source: &str, line: usize) -> Option<String> {
    let above: Vec<_> = source.lines().take(line - 1).collect();
    let above = above.iter().rev().skip_while(|line| line.starts_with("#["));
    let mut doc: Vec<_> = above.map_while(|line| line.strip_prefix("/// ")).collect();
    doc.reverse();
    (!doc.is_empty()).then(|| doc.join(" "))
}

/// A function's code without its name, spaces and numbers; blanked code has no other literals.
fn shape(code: &str, function: &rust::Function) -> String {
    let lines: String = code.lines().skip(function.line - 1).take(function.lines).collect();
    let (_, body) = lines.split_once('(').unwrap_or_default();
    let mut shape = String::new();
    let mut in_number = false;
    for c in body.chars() {
        let in_word = shape.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        in_number = if in_number { c.is_alphanumeric() || c == '_' } else { c.is_ascii_digit() && !in_word };
        if !in_number && !c.is_whitespace() {
            shape.push(c);
        }
    }
    shape
}

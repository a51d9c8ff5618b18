//! The rules of CONTRIBUTING.md that a machine can check, as a table: the rule, what looks for breaches,
//! and a file that it must not let through; and the pages that are made from the code: conformance cases, kinds of endpoints.

mod canaries;
mod cases;
mod counterparts;
mod kinds;
mod rust;

use std::{fs, path::Path};

/// A text file of the repository; `path` is relative to its root, with `/`.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The numbers of the lines, from 1, that `bad` says yes to.
    fn lines_where(&self, bad: impl Fn(&str) -> bool) -> Vec<usize> {
        self.text.split('\n').zip(1..).filter(|(line, _)| bad(line)).map(|(_, number)| number).collect()
    }
}

struct Rule {
    name: &'static str,
    /// The lines where a file breaks the rule.
    breaches: fn(&File) -> Vec<usize>,
    /// Path and text of a file that breaks it.
    breaker: (&'static str, fn() -> String),
}

const RULES: &[Rule] = &[
    Rule {
        name: "a file has at most 800 lines",
        // The table of cases is made from code, which is short enough.
        breaches: |file| match &*file.path {
            "Cargo.lock" | "bench/peers/Cargo.lock" | "fuzz/Cargo.lock" | "docs/conformance.md" => Vec::new(),
            _ => beyond(file, 800),
        },
        breaker: ("a.rs", || "//\n".repeat(801)),
    },
    Rule {
        name: "README.md has at most 120 lines",
        breaches: |file| if file.path == "README.md" { beyond(file, 120) } else { Vec::new() },
        breaker: ("README.md", || "a\n".repeat(121)),
    },
    Rule {
        name: "a function has at most 70 lines",
        breaches: long_functions,
        breaker: ("a.rs", || format!("fn f() {{\n{}}}\n", "g();\n".repeat(69))),
    },
    Rule {
        name: "nothing is left to do",
        breaches: |file| calls(file, &["todo", "unimplemented"]),
        breaker: ("a.rs", || "fn f() { todo!() }\n".into()),
    },
    Rule {
        name: "nothing is printed to find a bug",
        breaches: |file| calls(file, &["dbg"]),
        breaker: ("a.rs", || "fn f(x: u8) { dbg!(x); }\n".into()),
    },
    Rule {
        name: "no test is skipped",
        breaches: skipped_tests,
        breaker: ("a.rs", || "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n".into()),
    },
    Rule {
        // And in bench/peers/raw: what calls the kernel by hand, to be measured beside.
        name: "unsafe is in crates/sys only",
        breaches: unsafe_outside_sys,
        breaker: ("crates/core/src/a.rs", || "fn f() { unsafe { g() } }\n".into()),
    },
    Rule {
        name: "no control characters, tabs neither",
        breaches: |file| file.lines_where(|line| line.contains(char::is_control)),
        breaker: ("a.md", || "a\tb\n".into()),
    },
    Rule {
        name: "no spaces at the end of a line",
        breaches: |file| file.lines_where(|line| line.ends_with(' ')),
        breaker: ("a.md", || "a \n".into()),
    },
    Rule { name: "a file ends with one line end", breaches: loose_end, breaker: ("a.md", || "a".into()) },
    Rule {
        name: "every crate takes the workspace's lints",
        breaches: own_lints,
        breaker: ("crates/a/Cargo.toml", || "[lints]\n[dependencies]\nb.workspace = true\n".into()),
    },
];

/// Functions that may be longer for now, as `path::name`. It only ever gets shorter.
const LONG_FUNCTIONS: &[&str] = &[];

#[test]
fn the_repository_is_tidy() {
    let files = repository();
    assert!(files.iter().any(|file| file.path == "crates/wire/src/lib.rs"), "the sources were not found");
    let mut found = Vec::new();
    for rule in RULES {
        for file in &files {
            found.extend(
                (rule.breaches)(file).iter().map(|line| format!("{}:{line}: {}", file.path, rule.name)),
            );
        }
    }
    assert!(found.is_empty(), "{} breaches of CONTRIBUTING.md:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_rule_can_fail() {
    for rule in RULES {
        let (path, text) = rule.breaker;
        let file = File { path: path.into(), text: text() };
        assert!(!(rule.breaches)(&file).is_empty(), "this rule lets everything through: {}", rule.name);
    }
}

#[test]
fn no_rule_refuses_what_only_looks_like_a_breach() {
    let text =
        "//! todo!() dbg!(x) unsafe\n#![forbid(unsafe_code)]\nconst A: &str = \"#[ignore] unsafe {\";\n";
    let file = File { path: "crates/core/src/a.rs".into(), text: text.into() };
    for rule in RULES {
        assert_eq!((rule.breaches)(&file), [0usize; 0], "{}", rule.name);
    }
}

#[test]
fn exceptions_are_still_needed() {
    let long: Vec<String> = repository().iter().filter(|file| file.is_rust()).flat_map(too_long).collect();
    for exception in LONG_FUNCTIONS {
        assert!(long.iter().any(|name| name == exception), "{exception} is short now: take it off the list");
    }
}

fn beyond(file: &File, most: usize) -> Vec<usize> {
    if file.text.lines().count() > most { vec![most + 1] } else { Vec::new() }
}

fn long_functions(file: &File) -> Vec<usize> {
    if !file.is_rust() {
        return Vec::new();
    }
    let excused = |name: &str| LONG_FUNCTIONS.contains(&format!("{}::{name}", file.path).as_str());
    let functions = rust::functions(&rust::code(&file.text));
    functions.iter().filter(|f| f.lines > 70 && !excused(&f.name)).map(|f| f.line).collect()
}

fn too_long(file: &File) -> Vec<String> {
    let functions = rust::functions(&rust::code(&file.text));
    functions.iter().filter(|f| f.lines > 70).map(|f| format!("{}::{}", file.path, f.name)).collect()
}

fn calls(file: &File, macros: &[&str]) -> Vec<usize> {
    code_lines(file, |line| {
        rust::words(line).any(|(word, after)| macros.contains(&word) && after.trim_start().starts_with('!'))
    })
}

fn skipped_tests(file: &File) -> Vec<usize> {
    code_lines(file, |line| {
        line.trim_start().starts_with("#[") && rust::words(line).any(|(word, _)| word == "ignore")
    })
}

fn unsafe_outside_sys(file: &File) -> Vec<usize> {
    if file.path.starts_with("crates/sys/") || file.path.starts_with("bench/peers/raw/") {
        return Vec::new();
    }
    code_lines(file, |line| rust::words(line).any(|(word, _)| word == "unsafe"))
}

/// Like `lines_where`, without comments and the insides of literals; none where the file is not Rust.
fn code_lines(file: &File, bad: impl Fn(&str) -> bool) -> Vec<usize> {
    if !file.is_rust() {
        return Vec::new();
    }
    File { path: String::new(), text: rust::code(&file.text) }.lines_where(bad)
}

fn loose_end(file: &File) -> Vec<usize> {
    let good = file.text.is_empty() || file.text.ends_with('\n') && !file.text.ends_with("\n\n");
    if good { Vec::new() } else { vec![file.text.lines().count()] }
}

fn own_lints(file: &File) -> Vec<usize> {
    if !file.path.starts_with("crates/") || !file.path.ends_with("/Cargo.toml") {
        return Vec::new();
    }
    let section = file.text.split("[lints]\n").nth(1).and_then(|after| after.split("\n[").next());
    let good = section.is_some_and(|lints| lints.lines().any(|line| line == "workspace = true"));
    if good { Vec::new() } else { vec![1] }
}

/// All text files, without what a build leaves behind.
fn repository() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is in the workspace");
    let mut files = Vec::new();
    collect(root, "", &mut files);
    files
}

fn collect(root: &Path, folder: &str, files: &mut Vec<File>) {
    const LEFT_OUT: &[&str] =
        &["target", ".git", "bench/peers/target", "fuzz/target", "fuzz/artifacts", "fuzz/corpus"];
    const TEXT: &[&str] =
        &["rs", "toml", "lock", "md", "sh", "py", "html", "css", "js", "svg", "json", "yml", "txt"];
    for entry in fs::read_dir(root.join(folder)).expect("a folder of the repository") {
        let entry = entry.expect("an entry of a folder");
        let name = entry.file_name().into_string().expect("names in the repository are UTF-8");
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        let kind = entry.file_type().expect("the type of a file");
        if LEFT_OUT.contains(&path.as_str()) {
            continue;
        }
        let extension = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, end)| end);
        if kind.is_dir() {
            collect(root, &path, files);
        } else if kind.is_file() && extension.is_none_or(|end| TEXT.contains(&end)) {
            let text = fs::read_to_string(root.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            files.push(File { path, text });
        }
    }
}

//! `trenza user`: what it writes, what it says, and that nothing is lost.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "this is the outside world")]

use std::{
    cell::RefCell,
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Output, Stdio},
    rc::Rc,
    thread,
};
use tempfile::tempdir;
use trenza::{ExitStatus, Process, ProcessProtocol, Reactor, driver::Window, wire::Input};

fn user_in(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trenza"));
    command.arg("user").args(arguments).current_dir(folder).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended before it has read anything.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn add(folder: &Path, name: &str, more: &[&str]) -> Output {
    user_in(folder, &[&["add", name, "--password-stdin"], more].concat(), b"correct horse battery\n")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn listed(folder: &Path, more: &[&str]) -> String {
    let list = user_in(folder, &[&["list"], more].concat(), b"");
    assert!(list.status.success(), "{}", said(&list));
    String::from_utf8(list.stdout).unwrap()
}

fn json(folder: &Path) -> serde_json::Value {
    serde_json::from_str(&listed(folder, &["--json"])).unwrap()
}

#[test]
fn an_account_is_added_listed_changed_and_removed() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let added = add(folder, "ann@example.org", &["--root", "ann", "--rights", "lr", "--quota", "2G"]);
    assert!(added.status.success() && said(&added).contains("a new file"), "{}", said(&added));
    assert!(!said(&added).contains("warning"), "{}", said(&added));
    let more = add(folder, "bob", &[]);
    assert!(more.status.success() && !said(&more).contains("new file"), "{}", said(&more));
    assert_eq!(
        listed(folder, &[]),
        "NAME             RIGHTS    QUOTA  ROOT  LOGIN\n\
         ann@example.org  rl        2G     ann   scram password\n\
         bob              rwadlmts  -      -     scram password\n"
    );
    let bob = json(folder)[1].clone();
    assert_eq!(bob["name"], "bob");
    assert_eq!(bob["root"], serde_json::Value::Null);
    assert_eq!(json(folder)[0]["quota"], 2u64 << 30);
    let path = folder.join("users.toml");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600,
        "hashes are nobody's business"
    );

    let before = fs::read_to_string(&path).unwrap();
    assert!(!before.contains("horse") && before.contains("$argon2id$v=19$m=19456,t=2,p=1$"), "{before}");
    let changed = user_in(folder, &["passwd", "bob", "--password-stdin"], b"another one\n");
    assert!(changed.status.success(), "{}", said(&changed));
    let after = fs::read_to_string(&path).unwrap();
    let differ = before.lines().zip(after.lines()).filter(|(old, new)| old != new).count();
    assert_eq!((differ, before.lines().count()), (2, after.lines().count()), "password and scram of bob");

    let removed = user_in(folder, &["remove", "ann@example.org"], b"");
    assert!(removed.status.success(), "{}", said(&removed));
    assert_eq!(json(folder).as_array().unwrap().len(), 1);
}

#[test]
fn what_is_refused_changes_nothing_and_says_what_to_do() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let missing = user_in(folder, &["list"], b"");
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains("no file users.toml") && said(&missing).contains("trenza user add"));
    assert!(add(folder, "ann", &[]).status.success());
    let before = fs::read(folder.join("users.toml")).unwrap();
    for (arguments, input, code, part) in [
        (&["add", "ann", "--password-stdin"][..], &b"pw\n"[..], 1, "already"),
        (&["add", "bob", "--password-stdin"], b"\nsecret\n", 1, "empty"),
        (&["add", "bob", "--password-stdin"], b"", 1, "empty"),
        (&["add", "bob", "--password-stdin"], &[b'x'; 1025], 1, "1024"),
        (&["add", "bob"], b"secret\n", 1, "--password-stdin"),
        (&["passwd", "bob", "--password-stdin"], b"secret\n", 1, "trenza user list"),
        (&["remove", "ann", "bob"], b"", 1, "no account \"bob\""),
        (&["add", "a/b", "--password-stdin"], b"secret\n", 2, "slash"),
        (&["add", "", "--password-stdin"], b"secret\n", 2, "empty"),
        (&["add", "bob", "--rights", "rx"], b"", 2, "rwadlmts"),
        (&["add", "bob", "--quota", "much"], b"", 2, "500M"),
        (&["add", "bob", "--file", "no/such/users.toml", "--password-stdin"], b"secret\n", 1, "no/such"),
    ] {
        let refused = user_in(folder, arguments, input);
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {}", said(&refused));
        assert!(said(&refused).contains(part), "{arguments:?}: {}", said(&refused));
    }
    assert_eq!(fs::read(folder.join("users.toml")).unwrap(), before);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_weak_password_is_taken_with_a_warning() {
    let folder = tempdir().unwrap();
    let added = user_in(folder.path(), &["add", "ann", "--password-stdin"], b"x");
    assert!(added.status.success() && said(&added).contains("warning: "), "{}", said(&added));
}

#[test]
fn comments_mode_and_links_stay() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let real = folder.join("real.toml");
    let text = "# Ours.\n[user.ann] # the first\nrights = \"rl\"  # looks only\n\n# The last line.\n";
    fs::write(&real, text).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.toml", folder.join("users.toml")).unwrap();
    let changed = user_in(folder, &["passwd", "ann", "--password-stdin"], b"correct horse battery\n");
    assert!(changed.status.success(), "{}", said(&changed));
    let after = fs::read_to_string(&real).unwrap();
    for part in ["# Ours.\n[user.ann] # the first\n", "rights = \"rl\"  # looks only\n", "# The last line.\n"]
    {
        assert!(after.contains(part), "no {part} in:\n{after}");
    }
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(folder.join("users.toml")).unwrap().is_symlink());
}

#[test]
fn a_file_that_is_wrong_is_not_made_worse() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("users.toml");
    for (text, place) in [
        ("[user.ann]\n\nrigths = \"r\"\n", "users.toml:3: \"rigths\" is not known"),
        ("[user.ann]\npassword = \"secret\"\n", "users.toml:2: this is a password as it is"),
        ("[user.ann]\n[user.ann]\n", "users.toml:2: "),
        ("[users.ann]\n", "users.toml:1: \"users\" is not known"),
        ("a = [", "users.toml:1: "),
    ] {
        fs::write(&path, text).unwrap();
        let refused = add(folder.path(), "bob", &[]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains(place), "{}", said(&refused));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn those_who_add_at_once_lose_nothing() {
    let folder = tempdir().unwrap();
    let names: Vec<String> = (0..8).map(|number| format!("user{number}")).collect();
    thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| {
                let added = add(folder.path(), name, &[]);
                assert!(added.status.success(), "{}", said(&added));
            });
        }
    });
    assert_eq!(json(folder.path()).as_array().unwrap().len(), names.len());
}

/// Somebody at a terminal, who answers questions one after another, and what the terminal shows.
struct Typist {
    answers: Vec<&'static [u8]>,
    shown: Rc<RefCell<Vec<u8>>>,
}

impl ProcessProtocol for Typist {
    fn received(&mut self, process: &Process, _: u32, input: &mut Input<'_>) -> trenza::Result {
        let before = self.shown.borrow().len();
        self.shown.borrow_mut().extend_from_slice(input.rest());
        let shown = self.shown.borrow();
        let asked = |questions: &[u8]| questions.windows(2).filter(|pair| pair == b": ").count();
        // A question may come in two pieces.
        for _ in asked(shown.get(..before).unwrap_or_default())..asked(&shown) {
            if !self.answers.is_empty() {
                process.write(0, self.answers.remove(0));
            }
        }
        Ok(())
    }
}

/// What the terminal shows, and the exit code.
fn typed(folder: &Path, arguments: &[&str], answers: &[&'static [u8]]) -> (String, i32) {
    let shown = Rc::new(RefCell::new(Vec::new()));
    let typist = Typist { answers: answers.to_vec(), shown: shown.clone() };
    let command = trenza::Command::new(env!("CARGO_BIN_EXE_trenza"))
        .args(["user"].iter().chain(arguments))
        .env("NO_COLOR", "1")
        .current_dir(folder)
        .terminal(Window::default());
    let status =
        trenza::block_on(async move |reactor: Reactor| reactor.spawn_process(command, typist)?.ended().await);
    let text = String::from_utf8(shown.take()).unwrap();
    match status.unwrap() {
        ExitStatus::Code(code) => (text, code),
        other => panic!("{other:?}: {text}"),
    }
}

#[test]
fn at_a_terminal_it_asks_twice_and_shows_nothing() {
    let folder = tempdir().unwrap();
    let (shown, code) =
        typed(folder.path(), &["add", "ann"], &[b"correct horsed\x7f battery\r", b"correct horse battery\r"]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("Password: ") && shown.contains("Once more: "), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
    assert_eq!(json(folder.path()).as_array().unwrap().len(), 1);
    let (shown, code) = typed(folder.path(), &["passwd", "ann"], &[b"one thing\r", b"another thing\r"]);
    assert!(code == 1 && shown.contains("two different passwords"), "{shown}");
    let (shown, code) = typed(folder.path(), &["passwd", "ann"], &[b"one\x03"]);
    assert!(code == 1 && shown.contains("nothing was changed"), "{shown}");
}

//! `trenza mail queue`: what it shows and does, while a server runs and while none does.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "this is the outside world")]

use std::{
    path::Path,
    process::{Command, Output},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tempfile::tempdir;
use trenza::{
    mail::{
        queue::{Carried, Carrier, Carrying, Fate, Parcel, Queue, QueueLock, QueueOptions, Spool},
        smtp::{Code, Mail, Mailbox, Rcpt, Recipient, Reply, Status},
    },
    storage::Folder,
};

/// Has nobody take anything, or everybody everything.
struct Somewhere(Fate);

impl Carrier for Somewhere {
    fn destination(&self, to: &Recipient) -> String {
        to.mailbox().map_or_else(String::new, |mailbox| mailbox.host().to_string())
    }
    fn carry(&self, parcel: Parcel) -> Carrying {
        let each = vec![Carried::by("mx.example.com", self.0.clone()); parcel.recipients.len()];
        Box::pin(async { each })
    }
}

fn later() -> Fate {
    Fate::Later(Reply::new(Code::MAILBOX_BUSY, Status::FULL_NOW, "Come back\u{1b}[31m"))
}

fn asked(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trenza"));
    command.args(["mail", "queue"]).args(arguments).arg("--queue").arg(folder);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn shown(folder: &Path, arguments: &[&str]) -> String {
    let output = asked(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path) -> serde_json::Value {
    serde_json::from_str(&shown(folder, &["list", "--json"])).unwrap()
}

fn rcpt(address: &str) -> Rcpt {
    Rcpt::new(Mailbox::parse(address).unwrap())
}

/// Runs the queue of a folder with such a carrier while `f` does something in a thread.
fn running<T: Send + 'static>(
    folder: &Path,
    fate: Fate,
    messages: &[(&str, &[&str])],
    f: impl FnOnce() -> T + Send + 'static,
) -> T {
    let lock = QueueLock::take(folder).unwrap().expect("nobody else has it");
    let tree = Arc::new(Folder::new(folder).unwrap());
    let queue = Queue::open(tree, QueueOptions::new("mx.example.org"), SystemTime::now()).unwrap();
    let messages: Vec<(Mail, Vec<Rcpt>)> = messages
        .iter()
        .map(|(sender, to)| (Mail::new(Mailbox::parse(sender)), to.iter().map(|to| rcpt(to)).collect()))
        .collect();
    let done = trenza::block_on(async move |reactor| {
        reactor.start(queue.carried_by(Somewhere(fate)))?;
        for (mail, to) in messages {
            let mut message = queue.inlet(&reactor).submit(mail, to).await?;
            message.push(b"Subject: hello\r\n\r\nHello!\r\n");
            message.finish().await?;
        }
        reactor.in_thread(move || Ok(f())).await
    });
    drop(lock);
    done.unwrap()
}

/// Waits until something is so.
fn until(what: impl Fn() -> bool) {
    for _ in 0..600 {
        if what() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it did not become so within 30 seconds");
}

/// A queue with two messages that were tried once, and no server.
fn queue(folder: &Path) {
    let path = folder.to_owned();
    let two: &[(&str, &[&str])] =
        &[("ann@example.org", &["bob@example.com", "eve@example.net"]), ("", &["bob@example.com"])];
    running(folder, later(), two, move || {
        let spool = Spool::new(Folder::new(&path).unwrap());
        until(|| {
            let mut tried = 0;
            spool
                .each(&mut |_, found| {
                    let record = found.record.unwrap();
                    tried += record.recipients.iter().filter(|one| one.said.is_some()).count();
                })
                .unwrap();
            tried == 3
        });
    });
}

fn id_of(folder: &Path, sender: &serde_json::Value) -> String {
    let all = json(folder);
    let found = all.as_array().unwrap().iter().find(|message| message["sender"] == *sender);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn messages_are_listed_and_shown() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    queue(folder);
    let ann = id_of(folder, &"ann@example.org".into());
    let table = shown(folder, &["list"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("ID  ") && lines[0].ends_with("NEXT   LAST SAID"), "{table}");
    let row = lines.iter().find(|line| line.starts_with(&ann)).unwrap();
    // Pauses are not all the same.
    let row = row.replace("in 5m", "in 4m");
    assert!(row.contains("  ann@example.org  bob@example.com +1  in 4m  450 4.2.2 Come back [31m"), "{row}");
    assert!(!table.contains('\u{1b}'), "no colours in a file, nor what others say to terminals");

    let message = &json(folder)[0];
    assert_eq!((&message["size"], &message["recipients"][0]["state"]), (&26.into(), &"waiting".into()));
    assert_eq!(message["recipients"][0]["host"], "mx.example.com");

    let text = shown(folder, &["show", &ann]).replace("in 5m", "in 4m");
    for part in [
        &format!("Message {ann}\n"),
        "From:     ann@example.org\n",
        "\neve@example.net\n  tried once, again in 4m\n  mx.example.com said: 450 4.2.2 Come back [31m\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert_eq!(shown(folder, &["show", &ann, "--message"]), "Subject: hello\r\n\r\nHello!\r\n");
    let one: serde_json::Value = serde_json::from_str(&shown(folder, &["show", &ann, "--json"])).unwrap();
    assert_eq!(one["id"], ann);
}

#[test]
fn without_a_server_messages_are_changed_at_once() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    queue(folder);
    let (ann, nobody) = (id_of(folder, &"ann@example.org".into()), id_of(folder, &serde_json::Value::Null));
    let retried = asked(folder, &["retry", &ann]);
    assert!(
        retried.status.success() && said(&retried).contains("1 message is to be tried"),
        "{}",
        said(&retried)
    );
    assert!(shown(folder, &["show", &ann]).contains("tried once, again now\n"));
    assert!(shown(folder, &["show", &nobody]).contains("tried once, again in "));
    let none = asked(folder, &["drop", &nobody, "nobody"]);
    assert!(none.status.code() == Some(1) && said(&none).contains("no message nobody"), "{}", said(&none));
    assert_eq!(json(folder).as_array().unwrap().len(), 2, "all of them or none");
    assert!(asked(folder, &["drop", "--all"]).status.success());
    let empty = asked(folder, &["list"]);
    assert!(empty.status.success() && empty.stdout.is_empty() && said(&empty).contains("Nothing waits"));
    assert_eq!(shown(folder, &["list", "--json"]), "[]\n");
}

#[test]
fn a_server_that_runs_is_asked() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    queue(path);
    let ann = id_of(path, &"ann@example.org".into());
    let ok = Fate::Delivered(Reply::new(Code::OK, Status::OK, "Stored"));
    let inner = path.to_owned();
    let (dropped, retried) = running(path, ok, &[], move || {
        let dropped = asked(&inner, &["drop", &ann]);
        let retried = asked(&inner, &["retry", "--all"]);
        until(|| json(&inner).as_array().unwrap().is_empty());
        (dropped, retried)
    });
    assert!(dropped.status.success() && said(&dropped).contains("1 message is gone"), "{}", said(&dropped));
    assert!(retried.status.success(), "{}", said(&retried));
}

#[test]
fn what_is_no_queue_is_said_to_be_none() {
    let folder = tempdir().unwrap();
    for (arguments, code, about) in [
        (&["list"][..], 1, "there is no queue in"),
        (&["retry", "--all"], 1, "there is no queue in"),
        (&["show", "../x"], 2, "an id has 1 to 48 letters"),
        (&["drop"], 2, "<ID>"),
        (&["drop", "--all", "x"], 2, "cannot be used with"),
    ] {
        let output = asked(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(about), "{arguments:?}: {}", said(&output));
    }
    let nowhere = asked(&folder.path().join("none"), &["list"]);
    assert!(nowhere.status.code() == Some(1) && said(&nowhere).contains("there is no folder"));
    assert!(!folder.path().join("lock").exists(), "nothing is made");
}

#[test]
fn what_is_broken_is_shown() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    queue(folder);
    let ann = id_of(folder, &"ann@example.org".into());
    std::fs::write(folder.join(format!("messages/{ann}.record")), "trenza-queue 9\n").unwrap();
    let table = shown(folder, &["list"]);
    assert!(table.lines().last().unwrap().contains("  line 1 of the record: it is no record"), "{table}");
    let show = asked(folder, &["show", &ann]);
    assert!(show.status.code() == Some(1) && said(&show).contains("hint:"), "{}", said(&show));
    assert_eq!(shown(folder, &["show", &ann, "--message"]).len(), 26);
    let retry = asked(folder, &["retry", &ann]);
    assert!(
        retry.status.code() == Some(1) && said(&retry).contains("cannot be read: line 1"),
        "{}",
        said(&retry)
    );
    let retry = asked(folder, &["retry", "--all"]);
    assert!(retry.status.success() && said(&retry).contains("warning: the record of "), "{}", said(&retry));
    assert!(said(&retry).contains("1 message is to be tried at once"), "{}", said(&retry));
    assert!(asked(folder, &["drop", &ann]).status.success());
    assert_eq!(json(folder).as_array().unwrap().len(), 1);
}

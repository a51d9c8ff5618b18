//! What `trenza mail serve` takes for others is on the medium before its 250: the message and its record, their names, and
//! the folders that lead to them.

use super::mail::{SYNCED, Traced, find, named};

#[test]
fn what_is_for_others_and_answered_250_was_synced_before() {
    let mut traced = Traced::new(false);
    let messages = [
        ("word-1", "away", false),
        ("word-2", "away", true),
        ("word-3", "both", false),
        ("word-4", "both", true),
    ];
    for (word, to, chunks) in messages {
        traced.send(word, &[to], chunks);
    }
    let (place, calls) = traced.calls();
    let root = place.path().display().to_string();
    let (queue, messages_in) = (format!("<{root}/var/queue>)"), format!("<{root}/var/queue/messages>"));
    let mut behind = 0;
    for (word, to, _) in messages {
        let written = find(&calls, behind, &["write", "/var/queue/messages/", word]);
        let answered = find(&calls, written.returned, &["send", "250 2.0.0 Taken as "]);
        let (_, id) = answered.text.split_once("250 2.0.0 Taken as ").expect("it was found by that");
        let (id, _) = id.split_once('\\').expect("the line ends");
        let record = find(
            &calls,
            behind,
            &["write", "/var/queue/messages/", &format!("{to}@example.org"), "x@example.com"],
        );
        for (written, name) in [(written, format!("\"{id}.mail\"")), (record, format!("\"{id}.record\""))] {
            let (_, path) = written.text.split_once('<').expect("the descriptor has a path");
            let (path, _) = path.split_once('>').expect("it ends");
            let synced = find(&calls, written.returned, &[SYNCED, path]);
            let named = named(&calls, synced.returned, &[&messages_in, &name]);
            let synced = find(&calls, named.returned, &[SYNCED, &format!("{messages_in})")]);
            assert!(synced.returned < answered.begun, "{name} is synced too late: {synced:?}, {answered:?}");
        }
        behind = answered.begun;
    }
    // The folders are made once, and synced before anything in them is promised.
    let answered = find(&calls, 0, &["send", "250 2.0.0 Taken as "]);
    let made = [
        (["mkdir", "/var\""], format!("<{root}>)")),
        (["mkdir", "/var/queue\""], format!("<{root}/var>)")),
        (["mkdirat(", "\"messages\""], queue),
    ];
    for (made, above) in made {
        let made = find(&calls, 0, &made);
        let synced = find(&calls, made.returned, &[SYNCED, &above]);
        assert!(synced.returned < answered.begun, "{above} is synced too late");
    }
}

#[test]
fn a_disk_that_is_full_when_it_syncs_is_told_as_452_and_nothing_is_left() {
    // Of the message, of its record, of the folder; of the message, of `new`.
    for (to, folders, syncs) in
        [("away", &["var/queue/messages"][..], 3), ("ann", &["mail/ann/new", "mail/ann/tmp"], 2)]
    {
        for n in 1..=syncs {
            let mut server = Traced::start(false, false);
            // It makes what is made once.
            server.offer("first", "bob", "250 ");
            server.offer("first", "ann", "250 ");
            let before: Vec<usize> = folders.iter().map(|folder| server.count(folder)).collect();
            let strace = server.fail_sync(n);
            server.offer("word", to, "452 4.3.1 ");
            let after: Vec<usize> = folders.iter().map(|folder| server.count(folder)).collect();
            assert_eq!(before, after, "{to}: something is left when sync {n} fails");
            // It counts for each thread, and would go on.
            drop(strace);
            server.offer("word", to, "250 ");
            assert!(
                folders.first().map(|folder| server.count(folder)) > before.first().copied(),
                "{to}: nothing is there"
            );
        }
    }
}

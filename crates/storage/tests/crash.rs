//! What survives a loss of power: everything that was promised, and nothing that was not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the lint knows tests, not what they share")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use trenza_sim::{Disk, DiskFate};
use trenza_storage::{ErrorKind, Path, Result, Tree, Write};

/// How many losses of power are tried.
const SEEDS: u64 = 10_000;
/// More calls of the disk than a save makes.
const CALLS: u64 = 16;

/// What a program may leave out of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    Nothing,
    FileSync,
    FolderSync,
}

fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

/// Longer than some sectors, so that it may be torn.
fn content(byte: u8) -> Vec<u8> {
    vec![byte; 1500 + usize::from(byte)]
}

fn save(tree: &dyn Tree, how: Write, text: &[u8], left_out: LeftOut) -> Result {
    let mut file = tree.write(&path("mail/new"), how)?;
    for piece in text.chunks(700) {
        file.write(piece)?;
    }
    if left_out != LeftOut::FileSync {
        file.sync()?;
    }
    file.commit()?;
    if left_out != LeftOut::FolderSync {
        tree.sync(&path("mail"))?;
    }
    Ok(())
}

fn read(tree: &dyn Tree) -> Option<Vec<u8>> {
    let file = match tree.open(&path("mail/new")) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => panic!("{error}"),
    };
    let mut text = vec![0; file.opened().size as usize];
    assert_eq!(file.read_at(&mut text, 0).unwrap(), text.len());
    Some(text)
}

/// A disk with a folder, which is there for good.
fn disk(seed: u64) -> Disk {
    let disk = Disk::alone(seed);
    disk.make_folder(&path("mail")).unwrap();
    disk.sync(&Path::root()).unwrap();
    disk
}

/// Runs `f` while the power fails before a call that the seed chooses; gives the disk after that.
fn power_fails<T>(disk: Disk, seed: u64, f: impl FnOnce(&Disk) -> T) -> (T, Disk) {
    let calls = AtomicUsize::new(0);
    let last = seed % CALLS;
    let rule = disk.rule(move |_| {
        let done = calls.fetch_add(1, Ordering::Relaxed) as u64;
        if done == last { DiskFate::PowerOff } else { DiskFate::Go }
    });
    let given = f(&disk);
    let after = disk.crash();
    drop(rule);
    (given, after)
}

/// How often a promise is broken: that a file that was replaced is the old one or the new one, and after success the new.
fn broken(left_out: LeftOut, seeds: u64) -> usize {
    let is_broken = |seed: &u64| {
        let (old, new) = (content(b'o'), content(b'n'));
        let disk = disk(*seed);
        save(&disk, Write::Replace, &old, LeftOut::Nothing).unwrap();
        let (saved, after) = power_fails(disk, *seed, |disk| save(disk, Write::Replace, &new, left_out));
        match read(&after) {
            Some(text) if text == new => false,
            Some(text) if text == old => saved.is_ok(),
            _ => true,
        }
    };
    (0..seeds).filter(is_broken).count()
}

#[test]
fn what_was_saved_is_never_lost() {
    assert_eq!(broken(LeftOut::Nothing, SEEDS), 0);
}

#[test]
fn what_was_not_synced_is_lost_sometimes() {
    for left_out in [LeftOut::FileSync, LeftOut::FolderSync] {
        let lost = broken(left_out, SEEDS / 10);
        assert!(lost > 0 && lost < SEEDS as usize / 10, "{left_out:?}: {lost}");
    }
}

#[test]
fn a_new_file_is_whole_or_not_there() {
    for seed in 0..SEEDS / 4 {
        let text = content(b'x');
        let save = |disk: &Disk| save(disk, Write::Create, &text, LeftOut::Nothing);
        let (saved, after) = power_fails(disk(seed), seed, save);
        match read(&after) {
            Some(found) => assert_eq!(found, text, "seed {seed}"),
            None => assert!(saved.is_err(), "seed {seed}"),
        }
    }
}

#[test]
fn what_the_dead_left_is_swept() {
    let mut swept = 0;
    for seed in 0..SEEDS / 10 {
        let save = |disk: &Disk| save(disk, Write::Create, b"text", LeftOut::Nothing);
        let (_, after) = power_fails(disk(seed), seed, save);
        let later = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 33);
        swept += after.sweep(later).unwrap();
        assert_eq!(after.sweep(later).unwrap(), 0);
        let shown = after.list(&path("mail")).unwrap().next(9).unwrap().len();
        assert_eq!(after.folder("mail").unwrap().list().unwrap().len(), shown, "nothing hidden is left");
    }
    assert!(swept > 0);
}

#[test]
fn an_append_keeps_what_was_synced_before() {
    for seed in 0..SEEDS / 10 {
        let disk = disk(seed);
        save(&disk, Write::New, b"first ", LeftOut::Nothing).unwrap();
        let append = |disk: &Disk| save(disk, Write::Append, b"second", LeftOut::Nothing);
        let (saved, after) = power_fails(disk, seed, append);
        let found = read(&after).unwrap();
        assert!(found.starts_with(b"first "), "seed {seed}: {found:?}");
        // Metadata may come without the data: the length is there, and zeros.
        assert!(saved.is_err() || found == b"first second", "seed {seed}: {found:?}");
    }
}

#[test]
fn any_call_may_fail_and_leaves_nothing_hidden() {
    for fate in [DiskFate::Fail, DiskFate::Full] {
        for nth in 0..CALLS as usize {
            let disk = disk(1);
            save(&disk, Write::Create, &content(b'o'), LeftOut::Nothing).unwrap();
            let calls = Arc::new(AtomicUsize::new(0));
            let count = calls.clone();
            let rule =
                disk.rule(
                    move |_| {
                        if count.fetch_add(1, Ordering::Relaxed) == nth { fate } else { DiskFate::Go }
                    },
                );
            let saved = save(&disk, Write::Replace, &content(b'n'), LeftOut::Nothing);
            drop(rule);
            if let Err(error) = &saved {
                let expected = if fate == DiskFate::Full { ErrorKind::NoSpace } else { ErrorKind::Io };
                assert_eq!(error.kind(), expected, "call {nth}");
            }
            let found = read(&disk).unwrap();
            assert!(found == content(b'n') || (saved.is_err() && found == content(b'o')), "call {nth}");
            assert_eq!(disk.folder("mail").unwrap().list().unwrap().len(), 1, "call {nth} leaves a file");
            assert!(nth < calls.load(Ordering::Relaxed) || saved.is_ok());
        }
    }
}

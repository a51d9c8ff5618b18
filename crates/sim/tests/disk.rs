//! The storage of hosts: what a crash takes, what it must leave, and what goes wrong without one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the lint knows tests, not what they share")]

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    io::{self, ErrorKind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};
use trenza_sim::{
    DISK_CAPACITY, DISK_DIRTY_MAX, DISK_NAME_MAX, DISK_SECTOR, Dice, Disk, DiskFate, DiskOpen, DiskVerb,
    Fate, Folder, HostHandle, Net, for_seeds,
};

/// So many seeds find what a program has left out.
const SEEDS: u64 = 60;

fn host(seed: u64) -> (Net, HostHandle) {
    let net = Net::new(seed);
    let host = net.host("srv");
    (net, host)
}

/// Makes a file with this content; nothing of it is synced.
fn put(folder: &Folder, name: &str, content: &[u8]) -> io::Result<()> {
    folder.open(name, DiskOpen::Truncate)?.write_all_at(content, 0)
}

/// The content of a file of the root; None: there is none.
fn get(disk: &Disk, name: &str) -> Option<Vec<u8>> {
    match disk.root().open(name, DiskOpen::Read) {
        Ok(file) => Some(file.read_all().unwrap()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

fn sync(folder: &Folder, name: impl AsRef<OsStr>) -> io::Result<()> {
    folder.open(name, DiskOpen::Write)?.sync()
}

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    result.map(drop).unwrap_err().kind()
}

/// What a program may leave out when it replaces a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    Nothing,
    FileSync,
    FolderSync,
    Rename,
}

/// Replaces the content of `state`, so that a crash leaves the old one or the new one, and the new one after success.
fn replace(disk: &Disk, content: &[u8], left_out: LeftOut) -> io::Result<()> {
    let root = disk.root();
    if left_out == LeftOut::Rename {
        put(&root, "state", content)?;
        sync(&root, "state")?;
        return root.sync();
    }
    put(&root, "state.new", content)?;
    if left_out != LeftOut::FileSync {
        sync(&root, "state.new")?;
    }
    root.rename("state.new", &root, "state")?;
    if left_out != LeftOut::FolderSync {
        root.sync()?;
    }
    Ok(())
}

const OLD: &[u8] = &[b'o'; 3000];
const NEW: &[u8] = &[b'n'; 2500];

/// Replaces a file while the power fails before the call of this number; what of the promise was broken.
fn replace_until(seed: u64, calls: usize, left_out: LeftOut) -> Option<&'static str> {
    let (_net, host) = host(seed);
    replace(&host.disk(), OLD, LeftOut::Nothing).unwrap();
    let done = AtomicUsize::new(0);
    let disk = host.disk();
    let rule = disk.rule(move |_| {
        if done.fetch_add(1, Ordering::Relaxed) == calls { DiskFate::PowerOff } else { DiskFate::Go }
    });
    let replaced = replace(&disk, NEW, left_out);
    host.crash();
    drop(rule);
    match get(&host.disk(), "state").as_deref() {
        Some(NEW) => None,
        Some(OLD) => replaced.is_ok().then_some("the new content was promised"),
        _ => Some("it is neither the old content nor the new one"),
    }
}

/// What breaks the promise of a replacement within some seeds and points of failure.
fn broken(left_out: LeftOut) -> BTreeSet<&'static str> {
    let mut broken = BTreeSet::new();
    for_seeds(0..SEEDS, |seed| {
        broken.extend((0..12).filter_map(|calls| replace_until(seed, calls, left_out)))
    });
    broken
}

#[test]
fn a_replaced_file_is_the_old_or_the_new_one_wherever_the_power_fails() {
    assert_eq!(broken(LeftOut::Nothing), BTreeSet::new());
}

#[test]
fn what_a_program_leaves_out_is_found() {
    let (torn, lost) = ("it is neither the old content nor the new one", "the new content was promised");
    assert_eq!(broken(LeftOut::FileSync), BTreeSet::from([torn]));
    assert_eq!(broken(LeftOut::FolderSync), BTreeSet::from([lost]));
    assert_eq!(broken(LeftOut::Rename), BTreeSet::from([torn]));
}

#[test]
fn any_subset_of_unsynced_names_is_lost() {
    let mut seen = BTreeSet::new();
    for_seeds(0..200, |seed| {
        let (_net, host) = host(seed);
        let root = host.disk().root();
        put(&root, "removed", b"x").unwrap();
        put(&root, "linked", b"x").unwrap();
        root.sync().unwrap();
        root.open("made", DiskOpen::CreateNew).unwrap();
        root.unlink("removed").unwrap();
        root.link("linked", &root, "link").unwrap();
        host.crash();
        let disk = host.disk();
        assert!(get(&disk, "linked").is_some());
        seen.insert(["made", "removed", "link"].map(|name| get(&disk, name).is_some()));
    });
    assert_eq!(seen.len(), 8);
}

#[test]
fn any_subset_of_the_sectors_of_a_write_is_lost() {
    let mut seen = BTreeSet::new();
    for_seeds(0..400, |seed| {
        let (_net, host) = host(seed);
        let root = host.disk().root();
        put(&root, "file", &[b'o'; 3 * DISK_SECTOR]).unwrap();
        sync(&root, "file").unwrap();
        root.sync().unwrap();
        // Not at the beginning of a sector: it is in three of them, the first and the last in part.
        let at = DISK_SECTOR / 2;
        root.open("file", DiskOpen::Write)
            .unwrap()
            .write_all_at(&[b'n'; 2 * DISK_SECTOR], at as u64)
            .unwrap();
        host.crash();
        let found = get(&host.disk(), "file").unwrap();
        assert_eq!(found.len(), 3 * DISK_SECTOR);
        let pieces = [at..DISK_SECTOR, DISK_SECTOR..2 * DISK_SECTOR, 2 * DISK_SECTOR..2 * DISK_SECTOR + at];
        let whole = pieces.clone().map(|piece| found[piece].iter().all(|byte| *byte == b'n'));
        let none = pieces.map(|piece| found[piece].iter().all(|byte| *byte == b'o'));
        assert!(whole.iter().zip(none).all(|(whole, none)| *whole != none), "a sector is torn");
        assert!(found[..at].iter().chain(&found[2 * DISK_SECTOR + at..]).all(|byte| *byte == b'o'));
        seen.insert(whole);
    });
    assert_eq!(seen.len(), 8);
}

#[test]
fn an_appended_file_may_end_with_zeros() {
    let mut seen = BTreeSet::new();
    for_seeds(0..SEEDS, |seed| {
        let (_net, host) = host(seed);
        let root = host.disk().root();
        put(&root, "log", b"one\n").unwrap();
        sync(&root, "log").unwrap();
        root.sync().unwrap();
        root.open("log", DiskOpen::Write).unwrap().append(b"two\n").unwrap();
        host.crash();
        seen.insert(get(&host.disk(), "log").unwrap());
    });
    let all: [&[u8]; 3] = [b"one\n", b"one\n\0\0\0\0", b"one\ntwo\n"];
    assert_eq!(seen, all.map(<[u8]>::to_vec).into());
}

#[test]
fn a_synced_file_without_a_synced_name_may_be_gone() {
    let mut seen = BTreeSet::new();
    for_seeds(0..SEEDS, |seed| {
        let (_net, host) = host(seed);
        let root = host.disk().root();
        put(&root, "file", b"x").unwrap();
        sync(&root, "file").unwrap();
        let inner = root.make_folder("folder").unwrap();
        put(&inner, "file", b"y").unwrap();
        sync(&inner, "file").unwrap();
        inner.sync().unwrap();
        host.crash();
        let inner =
            host.disk().folder("folder").and_then(|folder| folder.open("file", DiskOpen::Read)?.read_all());
        seen.insert((get(&host.disk(), "file"), inner.ok()));
    });
    let (x, y) = (Some(b"x".to_vec()), Some(b"y".to_vec()));
    assert_eq!(seen, [(None, None), (None, y.clone()), (x.clone(), None), (x, y)].into());
}

#[test]
fn a_rename_between_folders_is_one_change() {
    let mut seen = BTreeSet::new();
    for_seeds(0..4 * SEEDS, |seed| {
        let (_net, host) = host(seed);
        let root = host.disk().root();
        let (here, there) = (root.make_folder("here").unwrap(), root.make_folder("there").unwrap());
        root.sync().unwrap();
        // The name is not on the medium when it is taken away.
        put(&here, "file", b"x").unwrap();
        sync(&here, "file").unwrap();
        here.rename("file", &there, "moved").unwrap();
        let synced = seed % 3;
        match synced {
            0 => there.sync().unwrap(),
            1 => here.sync().unwrap(),
            _ => {}
        }
        host.crash();
        let root = host.disk().root();
        let names = |name| root.folder(name).unwrap().list().unwrap().len();
        let found = (names("here"), names("there"));
        assert!(synced == 2 || found == (0, 1), "{found:?}");
        seen.insert(found);
    });
    assert_eq!(seen, [(0, 0), (0, 1), (1, 0)].into());
}

#[test]
fn pages_of_a_failed_sync_count_as_lost() {
    let mut seen = BTreeSet::new();
    for_seeds(0..SEEDS, |seed| {
        let (_net, host) = host(seed);
        let disk = host.disk();
        let root = disk.root();
        put(&root, "file", &[b'o'; 2 * DISK_SECTOR]).unwrap();
        sync(&root, "file").unwrap();
        root.sync().unwrap();
        let file = root.open("file", DiskOpen::Write).unwrap();
        file.write_all_at(&[b'n'; 2 * DISK_SECTOR], 0).unwrap();
        let rule = disk.rule(
            |access| {
                if access.verb() == DiskVerb::SyncFile { DiskFate::Fail } else { DiskFate::Go }
            },
        );
        let error = file.sync().unwrap_err();
        assert_eq!(error.to_string(), "disk of srv: sync file: input/output error");
        drop(rule);
        assert_eq!(file.read_all().unwrap(), [b'n'; 2 * DISK_SECTOR], "they are read");
        file.sync().expect("nothing seems to be left to write");
        host.crash();
        let found = get(&host.disk(), "file").unwrap();
        seen.insert((found[0], found[DISK_SECTOR]));
    });
    assert!(seen.contains(&(b'o', b'o')) && seen.len() == 4, "{seen:?}");
}

#[test]
fn a_failed_sync_of_a_folder_leaves_its_names_unsynced() {
    for_seeds(0..SEEDS, |seed| {
        let (_net, host) = host(seed);
        let disk = host.disk();
        put(&disk.root(), "file", b"").unwrap();
        let rule = disk
            .rule(|access| if access.verb() == DiskVerb::SyncFolder { DiskFate::Fail } else { DiskFate::Go });
        assert_eq!(kind(disk.root().sync()), ErrorKind::Other);
        drop(rule);
        disk.root().sync().unwrap();
        host.crash();
        assert!(get(&host.disk(), "file").is_some());
    });
}

#[test]
fn a_full_disk_takes_what_fits() {
    let (_net, host) = host(1);
    let disk = host.disk();
    let root = disk.root();
    disk.set_capacity(1000);
    let file = root.open("file", DiskOpen::CreateNew).unwrap();
    assert_eq!(file.write_at(&[1; 800], 0).unwrap(), 800);
    let other = root.open("other", DiskOpen::CreateNew).unwrap();
    assert_eq!(other.append(&[2; 300]).unwrap(), 200);
    let error = other.append(&[2]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(error.to_string(), "disk of srv: write other: no space is left on the disk");
    assert_eq!(file.write_at(&[3; 800], 100).unwrap(), 700, "what was there takes no more room");
    assert_eq!(kind(other.set_length(201)), ErrorKind::StorageFull);
    assert_eq!(kind(other.write_at(b"x", u64::MAX)), ErrorKind::StorageFull);
    // A file without a name takes up room until it is closed.
    root.unlink("file").unwrap();
    assert_eq!(kind(other.append(&[2])), ErrorKind::StorageFull);
    assert_eq!(file.read_all().unwrap().len(), 800);
    drop(file);
    assert_eq!(other.append(&[2]).unwrap(), 1);
    assert_eq!(disk.used(), 201);
    let _rule = disk.rule(|access| if access.name() == "one" { DiskFate::Full } else { DiskFate::Go });
    assert_eq!(kind(root.open("one", DiskOpen::Create)), ErrorKind::StorageFull);
    root.open("two", DiskOpen::Create).unwrap();
}

#[test]
fn what_cannot_be_done_says_why() {
    use ErrorKind::{
        AlreadyExists, DirectoryNotEmpty, InvalidInput, IsADirectory, NotADirectory, NotFound,
        PermissionDenied,
    };
    let (_net, host) = host(1);
    let root = host.disk().root();
    let folder = root.make_folder("folder").unwrap();
    put(&folder, "inner", b"x").unwrap();
    let empty = root.make_folder("empty").unwrap();
    put(&root, "file", b"x").unwrap();
    let long = "x".repeat(DISK_NAME_MAX + 1);
    for name in ["", ".", "..", "a/b", "a\0", &long] {
        assert_eq!(kind(root.open(name, DiskOpen::Create)), InvalidInput, "{name:?}");
        assert_eq!(kind(root.rename("file", &root, name)), InvalidInput, "{name:?}");
    }
    let other = Net::new(1).host("other").disk().root();
    let found = [
        kind(root.open("none", DiskOpen::Read)),
        kind(root.open("none", DiskOpen::Write)),
        kind(root.open("file", DiskOpen::CreateNew)),
        kind(root.open("folder", DiskOpen::Create)),
        kind(root.folder("file")),
        kind(root.make_folder("file")),
        kind(root.unlink("folder")),
        kind(root.unlink("none")),
        kind(root.remove_folder("folder")),
        kind(root.remove_folder("file")),
        kind(root.link("folder", &root, "link")),
        kind(root.link("file", &folder, "inner")),
        kind(root.link("file", &other, "link")),
        kind(root.rename("none", &root, "some")),
        kind(root.rename("file", &root, "empty")),
        kind(root.rename("empty", &root, "file")),
        kind(root.rename("empty", &root, "folder")),
        kind(root.rename("folder", &folder, "self")),
        kind(root.open("file", DiskOpen::Read).unwrap().append(b"x")),
        kind(root.metadata("none")),
    ];
    #[rustfmt::skip]
    let expected = [
        NotFound, NotFound, AlreadyExists, IsADirectory, NotADirectory, AlreadyExists, IsADirectory, NotFound,
        DirectoryNotEmpty, NotADirectory, PermissionDenied, AlreadyExists, InvalidInput, NotFound, IsADirectory,
        NotADirectory, DirectoryNotEmpty, InvalidInput, PermissionDenied, NotFound,
    ];
    assert_eq!(found, expected);
    root.rename("folder", &root, "empty").unwrap();
    assert_eq!(kind(empty.open("x", DiskOpen::Create)), NotFound, "it was replaced");
    assert_eq!(folder.open("inner", DiskOpen::Read).unwrap().read_all().unwrap(), b"x");
    let error = root.folder("none").unwrap_err();
    assert_eq!(error.to_string(), "disk of srv: open none: there is no such file or folder");
}

#[test]
fn a_file_has_names_and_times() {
    let (net, host) = host(1);
    let root = host.disk().root();
    let start = host.run(|reactor| reactor.wall());
    put(&root, "file", b"12345").unwrap();
    net.advance(Duration::from_secs(10));
    root.link("file", &root, "link").unwrap();
    let (file, link) = (root.metadata("file").unwrap(), root.metadata("link").unwrap());
    assert_eq!(file, link);
    assert_eq!((file.length, file.links, file.is_folder), (5, 2, false));
    assert_eq!(file.modified, start);
    assert_eq!(root.open("link", DiskOpen::Read).unwrap().metadata().unwrap(), file);
    root.unlink("file").unwrap();
    let open = root.open("link", DiskOpen::Write).unwrap();
    open.append(b"6").unwrap();
    let now = start + Duration::from_secs(10);
    assert_eq!((open.metadata().unwrap().links, open.metadata().unwrap().modified), (1, now));
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    open.set_modified(old).unwrap();
    open.sync().unwrap();
    root.sync().unwrap();
    host.crash();
    let found = host.disk().root().metadata("link").unwrap();
    assert_eq!((found.modified, found.changed, found.length), (old, now, 6));
    assert_eq!(host.disk().used(), 6);
}

#[test]
fn what_was_opened_before_a_crash_is_of_no_use() {
    let (net, host) = host(1);
    let disk = host.disk();
    let root = disk.root();
    let file = root.open("file", DiskOpen::CreateNew).unwrap();
    file.append(b"x").unwrap();
    file.sync().unwrap();
    root.sync().unwrap();
    host.kill();
    file.append(b"y").expect("the system lives");
    let theirs = disk.clone();
    host.run(|reactor| {
        let disk = theirs;
        reactor.in_thread(move || Ok(disk.root().unlink("file")?)).then(drop);
    });
    host.crash();
    net.run();
    for kind in [
        kind(file.append(b"z")),
        kind(root.unlink("file")),
        kind(root.list()),
        kind(disk.root().open("file", DiskOpen::Read)),
    ] {
        assert_eq!(kind, ErrorKind::NotConnected);
    }
    assert_eq!(get(&host.disk(), "file").unwrap()[0], b'x');
    // The way in that was found while it was down is that of the machine which is started next.
    let disk = host.disk();
    host.restart(|_| ());
    put(&disk.root(), "file", b"new").unwrap();
    assert_eq!(get(&host.disk(), "file").unwrap(), b"new");
}

#[test]
fn slow_disks_are_slow_jobs() {
    let (net, host) = host(1);
    let _rule =
        net.job_rule(|host| if host == "srv" { Fate::Slow(Duration::from_secs(3)) } else { Fate::Run });
    let (disk, done) = (host.disk(), Rc::new(RefCell::new(None)));
    host.run(|reactor| {
        let (done, reactor_) = (done.clone(), reactor.clone());
        let start = reactor.now();
        reactor
            .in_thread(move || Ok(put(&disk.root(), "file", b"x")?))
            .then(move |written| *done.borrow_mut() = Some((written.is_ok(), reactor_.now() - start)));
    });
    net.run();
    assert_eq!(*done.borrow(), Some((true, Duration::from_secs(3))));
    assert_eq!(get(&host.disk(), "file").unwrap(), b"x");
}

#[test]
fn what_nobody_syncs_is_written_back_in_the_end() {
    for_seeds(0..5, |seed| {
        let (_net, host) = host(seed);
        let root = host.disk().root();
        let piece = vec![b'x'; DISK_DIRTY_MAX / 4];
        let file = root.open("file", DiskOpen::Create).unwrap();
        root.sync().unwrap();
        for _ in 0..6 {
            file.append(&piece).unwrap();
        }
        host.crash();
        let found = get(&host.disk(), "file").unwrap();
        assert!(found.len() >= 2 * piece.len() && found[..2 * piece.len()].iter().all(|byte| *byte == b'x'));
    });
}

/// The content of every file by its path.
fn tree(folder: &Folder, path: &str, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in folder.list().unwrap() {
        let path = format!("{path}/{}", entry.name.display());
        if entry.is_folder {
            into.insert(path.clone(), Vec::new());
            tree(&folder.folder(&entry.name).unwrap(), &path, into);
        } else {
            into.insert(path, folder.open(&entry.name, DiskOpen::Read).unwrap().read_all().unwrap());
        }
    }
}

fn sync_all(folder: &Folder) {
    for entry in folder.list().unwrap() {
        if entry.is_folder {
            sync_all(&folder.folder(&entry.name).unwrap());
        } else {
            sync(folder, &entry.name).unwrap();
        }
    }
    folder.sync().unwrap();
}

/// Any change, which may be refused.
fn change(disk: &Disk, dice: &mut Dice) -> io::Result<()> {
    let pick = |dice: &mut Dice| ["a", "b", "c", "d"][dice.below(4)];
    let root = disk.root();
    let folder = if dice.chance(0.5) {
        root.folder(pick(dice)).unwrap_or_else(|_| root.clone())
    } else {
        root.clone()
    };
    let (name, new) = (pick(dice), pick(dice));
    let bytes = vec![b'a' + dice.below(26) as u8; dice.piece(3000)];
    let at = dice.below(4000) as u64;
    match dice.below(10) {
        0 => folder.make_folder(name).map(drop),
        1 => folder.unlink(name),
        2 => folder.remove_folder(name),
        3 => folder.rename(name, &root, new),
        4 => root.rename(name, &folder, new),
        5 => folder.link(name, &root, new),
        6 => folder.open(name, DiskOpen::Create)?.append(&bytes).map(drop),
        7 => folder.open(name, DiskOpen::Write)?.set_length(at),
        8 => folder.open(name, DiskOpen::Truncate)?.write_all_at(&bytes, 0),
        _ => folder.open(name, DiskOpen::Create)?.write_all_at(&bytes, at),
    }
}

#[test]
fn a_crash_takes_nothing_of_what_was_synced() {
    for_seeds(0..300, |seed| {
        let (_net, host) = host(seed);
        let mut dice = Dice::new(seed, u64::MAX);
        for _ in 0..4 {
            let disk = host.disk();
            let done = (0..40).filter(|_| change(&disk, &mut dice).is_ok()).count();
            assert!(done > 0);
            sync_all(&disk.root());
            let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
            tree(&disk.root(), "", &mut before);
            let used = disk.used();
            // Of these anything may arrive, but what they do not name stays as it is.
            host.crash();
            tree(&host.disk().root(), "", &mut after);
            assert_eq!(before, after);
            assert_eq!(used, host.disk().used());
            // The disk is sound whatever arrives.
            let disk = host.disk();
            (0..40).for_each(|_| drop(change(&disk, &mut dice)));
            host.crash();
            tree(&host.disk().root(), "", &mut BTreeMap::new());
        }
    });
}

#[test]
fn one_file_is_untouched_by_what_happens_to_others() {
    for_seeds(0..SEEDS, |seed| {
        let (_net, host) = host(seed);
        let disk = host.disk();
        put(&disk.root(), "mine", b"precious").unwrap();
        sync(&disk.root(), "mine").unwrap();
        disk.root().sync().unwrap();
        let mut dice = Dice::new(seed, u64::MAX);
        (0..100).for_each(|_| drop(change(&disk, &mut dice)));
        host.crash();
        assert_eq!(get(&host.disk(), "mine").unwrap(), b"precious");
    });
}

#[test]
fn a_seed_replays_what_is_left_and_the_trace() {
    let run = |seed| {
        let (net, host) = host(seed);
        let mut dice = Dice::new(1, u64::MAX);
        let disk = host.disk();
        (0..60).for_each(|_| drop(change(&disk, &mut dice)));
        host.crash();
        let mut left = BTreeMap::new();
        tree(&host.disk().root(), "", &mut left);
        (left, net.fingerprint(), net.trace())
    };
    assert_eq!(run(7), run(7));
    let different: BTreeSet<u64> = (0..10).map(|seed| run(seed).1).collect();
    assert!(different.len() > 1);
    let trace = run(7).2;
    assert!(trace.iter().any(|line| line.contains("srv disk: writes ")), "{trace:#?}");
    assert!(trace.iter().any(|line| line.contains("srv disk: keeps ")), "{trace:#?}");
}

#[test]
fn a_disk_can_be_sent() {
    fn sent<T: Send + Sync + 'static>(_: T) {}
    let (_net, host) = host(1);
    let disk = host.disk();
    assert_eq!(disk.used(), 0);
    let file = disk.root().open("file", DiskOpen::Create).unwrap();
    file.set_length(DISK_CAPACITY).unwrap();
    sent((disk.clone(), disk.root(), file));
    let told = Arc::new(AtomicUsize::new(0));
    let counts = told.clone();
    let rule = disk.rule(move |access| {
        counts.fetch_add(usize::from(access.is_change()), Ordering::Relaxed);
        DiskFate::Go
    });
    disk.root().list().unwrap();
    disk.root().unlink("file").unwrap();
    drop(rule);
    disk.root().open("file", DiskOpen::Create).unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

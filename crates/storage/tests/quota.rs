//! Quota and rights: what is refused, what is counted, and who may do what.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the lint knows tests, not what they share")]

use std::{sync::Arc, thread};
use trenza_sim::{Disk, DiskFate, DiskVerb};
use trenza_storage::{
    Allow, Error, ErrorKind, Folder, Path, Quota, QuotaLimits, Restricted, Tree, Used, Write,
};

fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

fn put(tree: &dyn Tree, at: &str, text: &str, how: Write) -> Result<(), ErrorKind> {
    let put = || {
        let mut file = tree.write(&path(at), how)?;
        file.write(text.as_bytes())?;
        file.commit().map(drop)
    };
    put().map_err(|error: Error| error.kind())
}

fn quota(bytes: u64, files: u64) -> Quota {
    Quota::new(Arc::new(Disk::alone(1)), QuotaLimits { bytes, files }).unwrap()
}

fn used(quota: &Quota) -> (u64, u64) {
    let Used { bytes, files } = quota.used();
    (bytes, files)
}

#[test]
fn bytes_and_files_are_limited() {
    let tree = quota(10, 3);
    put(&tree, "a", "12345", Write::Create).unwrap();
    assert_eq!(put(&tree, "b", "678901", Write::Create), Err(ErrorKind::Quota));
    assert_eq!(used(&tree), (5, 1), "what was given up takes no room");
    put(&tree, "b", "67890", Write::Create).unwrap();
    assert_eq!(put(&tree, "a", "x", Write::Append), Err(ErrorKind::Quota));
    assert_eq!(put(&tree, "a", "abcde", Write::At(0)), Ok(()), "it takes no more room");
    assert_eq!(put(&tree, "a", "abc", Write::At(3)), Err(ErrorKind::Quota));
    tree.make_folder(&path("f")).unwrap();
    assert_eq!(tree.make_folder(&path("g")).unwrap_err().kind(), ErrorKind::Quota);
    assert_eq!(put(&tree, "c", "", Write::New), Err(ErrorKind::Quota));
    assert_eq!(put(&tree, "c", "", Write::Append), Err(ErrorKind::Quota));
    assert_eq!(tree.link(&path("a"), &path("c")).unwrap_err().kind(), ErrorKind::Quota);
    put(&tree, "a", "", Write::Replace).unwrap();
    assert_eq!(used(&tree), (5, 3));
    tree.rename(&path("b"), &path("a"), true).unwrap();
    tree.remove_folder(&path("f")).unwrap();
    assert_eq!(used(&tree), (5, 1));
    tree.remove_file(&path("a")).unwrap();
    assert_eq!(used(&tree), (0, 0));
}

#[test]
fn limits_may_change() {
    let tree = quota(5, 9);
    put(&tree, "a", "12345", Write::Create).unwrap();
    tree.set_limits(QuotaLimits { bytes: 8, files: 2 });
    assert_eq!(put(&tree, "b", "123", Write::Create), Ok(()));
    assert_eq!(put(&tree, "c", "", Write::Create), Err(ErrorKind::Quota));
    tree.set_limits(QuotaLimits { bytes: 3, files: 9 });
    assert_eq!((tree.limits().bytes, tree.space().unwrap().free, used(&tree)), (3, 0, (8, 2)));
    assert_eq!(put(&tree, "a", "1", Write::Append), Err(ErrorKind::Quota));
    tree.remove_file(&path("a")).unwrap();
    assert_eq!(put(&tree, "c", "", Write::Create), Ok(()));
}

#[test]
fn what_is_there_is_counted_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("f/g")).unwrap();
    std::fs::write(dir.path().join("f/g/a"), "12345").unwrap();
    // Links in circles are not followed.
    std::os::unix::fs::symlink("..", dir.path().join("f/up")).unwrap();
    std::os::unix::fs::symlink("g/a", dir.path().join("f/link")).unwrap();
    let folder = Arc::new(Folder::new(dir.path()).unwrap());
    let tree = Quota::new(folder, QuotaLimits { bytes: 3, files: 9 }).unwrap();
    assert_eq!(used(&tree), (5, 5));
    assert_eq!(tree.space().unwrap().free, 0);
    assert_eq!(put(&tree, "b", "x", Write::Create), Err(ErrorKind::Quota));
    put(&tree, "b", "", Write::Create).unwrap();
    tree.remove_file(&path("f/link")).unwrap();
    assert_eq!(used(&tree), (5, 5));
    assert_eq!(tree.remove_file(&path("f/none")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_name_more_counts_once_more() {
    let tree = quota(12, 9);
    put(&tree, "a", "12345", Write::Create).unwrap();
    tree.link(&path("a"), &path("b")).unwrap();
    assert_eq!(used(&tree), (10, 2));
    assert_eq!(tree.link(&path("a"), &path("c")).unwrap_err().kind(), ErrorKind::Quota);
    // POSIX: two names of one file, and nothing is done.
    tree.rename(&path("a"), &path("b"), true).unwrap();
    assert_eq!(used(&tree), (10, 2));
    tree.remove_file(&path("a")).unwrap();
    assert_eq!(used(&tree), (5, 1));
}

/// Else who links a file, grows it and removes the names would have room that is not there.
#[test]
fn a_file_grows_under_all_of_its_names() {
    let tree = quota(25, 9);
    put(&tree, "a", "", Write::Create).unwrap();
    tree.link(&path("a"), &path("b")).unwrap();
    put(&tree, "a", "12345", Write::Append).unwrap();
    assert_eq!(used(&tree), (10, 2));
    put(&tree, "b", "abcdefg", Write::At(0)).unwrap();
    assert_eq!(used(&tree), (14, 2));
    assert_eq!(put(&tree, "a", "123456", Write::Append), Err(ErrorKind::Quota));
    tree.remove_file(&path("b")).unwrap();
    assert_eq!(used(&tree), (7, 1));

    let link = || tree.link(&path("a"), &path("b")).map_err(|error| error.kind());
    let (one, other) = (tree.write(&path("a"), Write::Append), tree.write(&path("a"), Write::At(0)));
    assert_eq!(link(), Err(ErrorKind::Busy));
    other.unwrap().commit().unwrap();
    assert_eq!(link(), Err(ErrorKind::Busy));
    drop(one);
    assert_eq!(link(), Ok(()));
    assert_eq!(used(&tree), (14, 2));
}

#[test]
fn what_the_disk_refuses_is_not_counted() {
    let disk = Disk::alone(1);
    let tree = Quota::new(Arc::new(disk.clone()), QuotaLimits::default()).unwrap();
    disk.set_capacity(4);
    assert_eq!(put(&tree, "log", "123456", Write::Append), Err(ErrorKind::NoSpace));
    assert_eq!(used(&tree), (4, 1), "what fitted was written");
    assert_eq!(put(&tree, "a", "123456", Write::Create), Err(ErrorKind::NoSpace));
    assert_eq!(used(&tree), (4, 1));
    disk.set_capacity(100);
    let rule = disk.rule(|access| match access.verb() {
        DiskVerb::Rename | DiskVerb::Link | DiskVerb::Unlink | DiskVerb::MakeFolder => DiskFate::Fail,
        _ => DiskFate::Go,
    });
    assert_eq!(put(&tree, "log", "12", Write::Replace), Err(ErrorKind::Io));
    assert_eq!(tree.make_folder(&path("f")).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(tree.link(&path("log"), &path("b")).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(tree.remove_file(&path("log")).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(used(&tree), (4, 1));
    drop(rule);
    assert_eq!(put(&tree, "none/b", "", Write::New), Err(ErrorKind::NotFound));
    assert_eq!(put(&tree, "none", "", Write::At(0)), Err(ErrorKind::NotFound));
    assert_eq!(used(&tree), (4, 1));
}

#[test]
fn writers_at_the_same_time_cannot_exceed_it() {
    const LIMITS: QuotaLimits = QuotaLimits { bytes: 10_000, files: 40 };
    let dir = tempfile::tempdir().unwrap();
    let folder = Arc::new(Folder::new(dir.path()).unwrap());
    let tree = Quota::new(folder.clone(), LIMITS).unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let tree = &tree;
            scope.spawn(move || {
                for round in 0..60 {
                    let name = format!("{}", (writer * 7 + round * 3) % 50);
                    let text = "x".repeat(round * 17);
                    let how = [Write::Create, Write::Replace, Write::Append, Write::New][round % 4];
                    let _ = put(tree, &name, &text, how);
                    if round % 5 == 0 {
                        let _ = tree.rename(&path(&name), &path("moved"), true);
                    }
                    if round % 11 == 0 {
                        let _ = tree.remove_file(&path(&name));
                    }
                    let Used { bytes, files } = tree.used();
                    assert!(bytes <= LIMITS.bytes && files <= LIMITS.files, "{bytes} {files}");
                }
            });
        }
    });
    let counted = Quota::new(folder, LIMITS).unwrap().used();
    let believed = tree.used();
    assert!(counted.bytes <= LIMITS.bytes && counted.files <= LIMITS.files, "{counted:?}");
    assert!(believed.bytes >= counted.bytes && believed.files >= counted.files, "{believed:?} {counted:?}");
    assert!(counted.bytes > LIMITS.bytes / 2, "the limit was reached: {counted:?}");
}

/// What may be done with a file `a`, a new name `b` and a folder `f`, by who has these rights.
fn allowed(allow: Allow) -> Vec<&'static str> {
    type Deed = (&'static str, fn(&dyn Tree) -> Result<(), Error>);
    const DEEDS: [Deed; 14] = [
        ("open", |tree| tree.open(&path("a")).map(drop)),
        ("look", |tree| tree.metadata(&path("a")).map(drop)),
        ("list", |tree| tree.list(&path("f")).map(drop)),
        ("create", |tree| tree.write(&path("b"), Write::Create)?.commit().map(drop)),
        ("put", |tree| tree.write(&path("b"), Write::Replace)?.commit().map(drop)),
        ("append", |tree| tree.write(&path("a"), Write::Append)?.commit().map(drop)),
        ("replace", |tree| tree.write(&path("a"), Write::Replace)?.commit().map(drop)),
        ("resume", |tree| tree.write(&path("a"), Write::At(0))?.commit().map(drop)),
        ("remove", |tree| tree.remove_file(&path("a"))),
        ("remove folder", |tree| tree.remove_folder(&path("f"))),
        ("rename", |tree| tree.rename(&path("a"), &path("b"), true)),
        ("rename over", |tree| tree.rename(&path("c"), &path("a"), true)),
        ("make", |tree| tree.make_folder(&path("b"))),
        ("touch", |tree| {
            tree.set_mode(&path("a"), 0o600)?;
            tree.set_modified(&path("a"), std::time::UNIX_EPOCH)
        }),
    ];
    let can = |deed: &Deed| {
        let disk = Arc::new(Disk::alone(1));
        put(&*disk, "a", "text", Write::Create).unwrap();
        put(&*disk, "c", "text", Write::Create).unwrap();
        disk.make_folder(&path("f")).unwrap();
        match deed.1(&Restricted::new(disk, allow)) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Denied, "{}", deed.0);
                false
            }
        }
    };
    DEEDS.iter().filter(|deed| can(deed)).map(|deed| deed.0).collect()
}

#[test]
fn rights_are_what_they_say() {
    let none = Allow::NONE;
    assert_eq!(allowed(none), [""; 0]);
    assert_eq!(allowed(Allow::ALL).len(), 14);
    assert_eq!(allowed(Allow::READ), ["open", "look", "list"]);
    assert_eq!(allowed(Allow { read: true, ..none }), ["open", "look"]);
    assert_eq!(allowed(Allow { write: true, ..none }), ["replace", "resume"]);
    assert_eq!(allowed(Allow { add: true, ..none }), ["create", "put", "append"]);
    assert_eq!(allowed(Allow { delete: true, ..none }), ["remove", "remove folder"]);
    assert_eq!(allowed(Allow { make: true, ..none }), ["make"]);
    assert_eq!(allowed(Allow { touch: true, ..none }), ["touch"]);
    let moves = allowed(Allow { delete: true, add: true, ..none });
    assert!(moves.contains(&"rename") && !moves.contains(&"rename over"), "{moves:?}");
    let over = allowed(Allow { delete: true, add: true, write: true, ..none });
    assert!(over.contains(&"rename over"), "{over:?}");
}

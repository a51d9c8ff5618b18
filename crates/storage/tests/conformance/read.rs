//! Reading, looking and listing.

use super::*;
use std::time::{Duration, UNIX_EPOCH};
use trenza_storage::{ErrorKind, FileKind, Path, Write};

#[test]
fn ranges_are_read() {
    each(|tree| {
        put(tree, "a", "0123456789");
        let file = tree.open(&path("a")).unwrap();
        let mut four = [0; 4];
        assert_eq!((file.read_at(&mut four, 3).unwrap(), &four), (4, b"3456"));
        assert_eq!((file.read_at(&mut four, 8).unwrap(), &four[..2]), (2, &b"89"[..]));
        assert_eq!(file.read_at(&mut four, 10).unwrap(), 0);
        assert_eq!(file.read_at(&mut four, 1 << 40).unwrap(), 0);
        assert_eq!(file.read_at(&mut [], 0).unwrap(), 0);
    });
}

#[test]
fn files_of_a_folder_that_is_kept_open() {
    each(|tree| {
        tree.make_folder(&path("f")).unwrap();
        tree.make_folder(&path("f/inner")).unwrap();
        put(tree, "f/a", "first");
        put(tree, "top", "top");
        let folder = tree.open_folder(&path("f")).unwrap();
        put(tree, "f/b", "second");
        for (name, text) in [("a", "first"), ("b", "second")] {
            let file = folder.open(name.as_bytes()).unwrap();
            let mut bytes = [0; 10];
            let count = file.read_at(&mut bytes, 0).unwrap();
            assert_eq!((file.opened().size, &bytes[..count]), (text.len() as u64, text.as_bytes()));
        }
        assert_eq!(kind(folder.open(b"none")), ErrorKind::NotFound);
        assert_eq!(kind(folder.open(b"inner")), ErrorKind::IsAFolder);
        for wrong in ["", ".", "..", "../top", "inner/x", "a\0"] {
            assert_eq!(kind(folder.open(wrong.as_bytes())), ErrorKind::Name, "{wrong}");
        }
        assert!(tree.open_folder(&Path::root()).unwrap().open(b"top").is_ok());
        for (at, expected) in [("none", ErrorKind::NotFound), ("top", ErrorKind::NotAFolder)] {
            let path = path(at);
            assert_eq!(kind(tree.open_folder(&path).and_then(|folder| folder.open(b"a"))), expected, "{at}");
        }
    });
}

#[test]
fn an_open_file_stays_what_it_is() {
    each(|tree| {
        put(tree, "a", "first");
        let file = tree.open(&path("a")).unwrap();
        put(tree, "a", "second");
        assert_eq!((file.opened().size, file.metadata().unwrap().size), (5, 5));
        assert_ne!(tree.metadata(&path("a")).unwrap().id, file.opened().id);
        tree.remove_file(&path("a")).unwrap();
        let mut text = [0; 5];
        file.read_at(&mut text, 0).unwrap();
        assert_eq!(&text, b"first");
    });
}

#[test]
fn what_a_file_has_become_is_told() {
    each(|tree| {
        put(tree, "a", "first");
        let file = tree.open(&path("a")).unwrap();
        assert_eq!(&file.metadata().unwrap(), file.opened());
        let mut more = tree.write(&path("a"), Write::Append).unwrap();
        more.write(b"!").unwrap();
        assert_eq!((file.opened().size, file.metadata().unwrap().size), (5, 6));
    });
}

#[test]
fn what_is_not_a_file_is_not_opened() {
    each(|tree| {
        put(tree, "a", "");
        tree.make_folder(&path("f")).unwrap();
        assert_eq!(kind(tree.open(&path("f"))), ErrorKind::IsAFolder);
        assert_eq!(kind(tree.open(&Path::root())), ErrorKind::IsAFolder);
        assert_eq!(kind(tree.open(&path("none"))), ErrorKind::NotFound);
        assert_eq!(kind(tree.open(&path("none/b"))), ErrorKind::NotFound);
        assert_eq!(kind(tree.open(&path("a/b"))), ErrorKind::NotAFolder);
        assert_eq!(kind(tree.metadata(&path("a/b"))), ErrorKind::NotAFolder);
        assert_eq!(kind(tree.metadata(&path("none"))), ErrorKind::NotFound);
        assert_eq!(kind(tree.list(&path("a"))), ErrorKind::NotAFolder);
        assert_eq!(kind(tree.list(&path("none"))), ErrorKind::NotFound);
    });
}

#[test]
fn folders_are_listed_in_batches_with_facts() {
    each(|tree| {
        assert_eq!(names(tree, ""), [""; 0]);
        for name in ["a", "b", "c", "d", ".hidden"] {
            put(tree, name, name);
        }
        tree.make_folder(&path("f")).unwrap();
        put(tree, "f/inner", "");
        assert_eq!(names(tree, ""), [".hidden", "a", "b", "c", "d", "f"]);
        assert_eq!(names(tree, "f"), ["inner"]);
        let entries = tree.list(&Path::root()).unwrap().next(99).unwrap();
        for entry in entries {
            let name = entry.name.to_str().unwrap();
            assert_eq!(entry.metadata, tree.metadata(&path(name)).unwrap());
            let kind = if name == "f" { FileKind::Folder } else { FileKind::File };
            assert_eq!(entry.metadata.kind, kind);
        }
    });
}

#[test]
fn names_are_bytes() {
    each(|tree| {
        let odd = Path::new(b"caf\xe9 \x01\n\"").unwrap();
        let mut file = tree.write(&odd, Write::Create).unwrap();
        file.write(b"latin").unwrap();
        file.commit().unwrap();
        assert_eq!(tree.metadata(&odd).unwrap().size, 5);
        let entries = tree.list(&Path::root()).unwrap().next(9).unwrap();
        assert_eq!(entries[0].name.as_encoded_bytes(), odd.as_bytes());
        tree.remove_file(&odd).unwrap();
    });
}

#[test]
fn times_and_modes_are_set() {
    each(|tree| {
        put(tree, "a", "text");
        tree.make_folder(&path("f")).unwrap();
        let time = UNIX_EPOCH + Duration::new(1_000_000_000, 500);
        for name in ["a", "f"] {
            tree.set_modified(&path(name), time).unwrap();
            assert_eq!(tree.metadata(&path(name)).unwrap().modified, time);
            tree.set_mode(&path(name), 0o700).unwrap();
            assert_eq!(tree.metadata(&path(name)).unwrap().mode, 0o700);
        }
        assert_eq!(kind(tree.set_modified(&path("none"), time)), ErrorKind::NotFound);
        assert_eq!(kind(tree.set_mode(&path("none"), 0)), ErrorKind::NotFound);
        for name in ["", "a", "f"] {
            tree.sync(&path(name)).unwrap();
        }
        assert_eq!(kind(tree.sync(&path("none"))), ErrorKind::NotFound);
    });
}

#[test]
fn there_is_room() {
    each(|tree| {
        let space = tree.space().unwrap();
        assert!(space.free > 0 && space.free <= space.total, "{space:?}");
    });
}

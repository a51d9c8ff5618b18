//! Writing: what is seen when, and what is left of what was not finished.

use super::*;
use trenza_storage::{ErrorKind, Write};

#[test]
fn a_whole_file_is_seen_when_it_is_whole() {
    each(|tree| {
        for how in [Write::Create, Write::Replace] {
            let mut file = tree.write(&path("a"), how).unwrap();
            file.write(b"new ").unwrap();
            file.write(b"text").unwrap();
            assert_eq!(file.written(), 8);
            let before = if how == Write::Create { Err(ErrorKind::NotFound) } else { Ok("new text".into()) };
            assert_eq!(get(tree, "a"), before);
            file.sync().unwrap();
            let committed = file.commit().unwrap();
            assert_eq!((committed.size, committed.is_file(), committed.links), (8, true, 1));
            assert_eq!(get(tree, "a").as_deref(), Ok("new text"));
            assert_eq!(tree.metadata(&path("a")).unwrap().id, committed.id);
            assert_eq!(names(tree, ""), ["a"]);
        }
    });
}

#[test]
fn what_is_dropped_leaves_nothing() {
    each(|tree| {
        put(tree, "old", "old");
        for (name, how) in [("old", Write::Replace), ("new", Write::Create), ("new", Write::Replace)] {
            let mut file = tree.write(&path(name), how).unwrap();
            file.write(b"half").unwrap();
            assert_eq!(names(tree, ""), ["old"], "a temporary name is not shown");
            drop(file);
        }
        assert_eq!(get(tree, "old").as_deref(), Ok("old"));
        assert_eq!(get(tree, "new"), Err(ErrorKind::NotFound));
        // Nor anything that is not shown.
        tree.make_folder(&path("f")).unwrap();
        drop(tree.write(&path("f/x"), Write::Create).unwrap());
        tree.remove_folder(&path("f")).unwrap();
    });
}

#[test]
fn a_name_that_is_taken_is_kept() {
    each(|tree| {
        put(tree, "a", "first");
        for how in [Write::Create, Write::New] {
            assert_eq!(kind(tree.write(&path("a"), how)), ErrorKind::Exists);
        }
        let mut late = tree.write(&path("b"), Write::Create).unwrap();
        late.write(b"late").unwrap();
        put(tree, "b", "early");
        assert_eq!(kind(late.commit()), ErrorKind::Exists);
        assert_eq!(get(tree, "b").as_deref(), Ok("early"));
        assert_eq!(names(tree, ""), ["a", "b"]);
    });
}

#[test]
fn a_reservation_is_seen_at_once_and_stays() {
    each(|tree| {
        let mut file = tree.write(&path("a"), Write::New).unwrap();
        assert_eq!(get(tree, "a").as_deref(), Ok(""));
        file.write(b"part").unwrap();
        drop(file);
        assert_eq!(get(tree, "a").as_deref(), Ok("part"));
    });
}

#[test]
fn appending_makes_and_lengthens() {
    each(|tree| {
        for (text, all) in [("one", "one"), (" two", "one two")] {
            let mut file = tree.write(&path("log"), Write::Append).unwrap();
            file.write(text.as_bytes()).unwrap();
            assert_eq!(file.commit().unwrap().size, all.len() as u64);
            assert_eq!(get(tree, "log").as_deref(), Ok(all));
        }
        let (mut a, mut b) = (
            tree.write(&path("log"), Write::Append).unwrap(),
            tree.write(&path("log"), Write::Append).unwrap(),
        );
        a.write(b"+a").unwrap();
        b.write(b"+b").unwrap();
        a.write(b"+c").unwrap();
        assert_eq!(get(tree, "log").as_deref(), Ok("one two+a+b+c"));
    });
}

#[test]
fn writing_goes_on_where_it_broke_off() {
    each(|tree| {
        put(tree, "a", "0123456789");
        let mut file = tree.write(&path("a"), Write::At(4)).unwrap();
        file.write(b"ab").unwrap();
        drop(file);
        assert_eq!(get(tree, "a").as_deref(), Ok("0123ab6789"));
        let mut file = tree.write(&path("a"), Write::At(10)).unwrap();
        file.write(b"!").unwrap();
        assert_eq!(file.commit().unwrap().size, 11);
        assert_eq!(kind(tree.write(&path("a"), Write::At(12))), ErrorKind::Range);
        assert_eq!(kind(tree.write(&path("none"), Write::At(0))), ErrorKind::NotFound);
        assert_eq!(names(tree, ""), ["a"]);
    });
}

#[test]
fn folders_are_not_written_to() {
    each(|tree| {
        tree.make_folder(&path("f")).unwrap();
        put(tree, "a", "");
        for how in [Write::Replace, Write::Append, Write::At(0)] {
            for folder in ["", "f"] {
                assert_eq!(kind(tree.write(&path(folder), how)), ErrorKind::IsAFolder, "{how:?} {folder:?}");
            }
        }
        for how in [Write::Create, Write::New] {
            assert_eq!(kind(tree.write(&path("f"), how)), ErrorKind::Exists, "{how:?}");
        }
        for how in [Write::Replace, Write::Create, Write::New, Write::Append, Write::At(0)] {
            assert_eq!(kind(tree.write(&path("none/a"), how)), ErrorKind::NotFound, "{how:?}");
            assert_eq!(kind(tree.write(&path("a/b"), how)), ErrorKind::NotAFolder, "{how:?}");
        }
    });
}

#[test]
fn what_takes_the_place_of_a_file_has_its_mode() {
    each(|tree| {
        put(tree, "a", "old");
        tree.set_mode(&path("a"), 0o6640).unwrap();
        assert_eq!(tree.metadata(&path("a")).unwrap().mode, 0o640, "nobody becomes set-user-id");
        put(tree, "a", "new");
        assert_eq!(tree.metadata(&path("a")).unwrap().mode, 0o640);
    });
}

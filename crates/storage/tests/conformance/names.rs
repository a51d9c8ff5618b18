//! Names: making, moving, linking and removing.

use super::*;
use trenza_storage::{ErrorKind, Path};

#[test]
fn folders_are_made_and_removed() {
    each(|tree| {
        tree.make_folder(&path("f")).unwrap();
        tree.make_folder(&path("f/g")).unwrap();
        assert!(tree.metadata(&path("f/g")).unwrap().is_folder());
        put(tree, "a", "");
        for taken in ["f", "a", ""] {
            assert_eq!(kind(tree.make_folder(&path(taken))), ErrorKind::Exists, "{taken:?}");
        }
        assert_eq!(kind(tree.make_folder(&path("none/f"))), ErrorKind::NotFound);
        assert_eq!(kind(tree.make_folder(&path("a/f"))), ErrorKind::NotAFolder);
        assert_eq!(kind(tree.remove_folder(&path("f"))), ErrorKind::NotEmpty);
        assert_eq!(kind(tree.remove_folder(&path("a"))), ErrorKind::NotAFolder);
        assert_eq!(kind(tree.remove_folder(&path("none"))), ErrorKind::NotFound);
        tree.remove_folder(&path("f/g")).unwrap();
        tree.remove_folder(&path("f")).unwrap();
        assert_eq!(names(tree, ""), ["a"]);
    });
}

#[test]
fn files_are_removed() {
    each(|tree| {
        put(tree, "a", "");
        tree.make_folder(&path("f")).unwrap();
        tree.remove_file(&path("a")).unwrap();
        assert_eq!(kind(tree.remove_file(&path("a"))), ErrorKind::NotFound);
        assert_eq!(kind(tree.remove_file(&path("f"))), ErrorKind::IsAFolder);
    });
}

#[test]
fn the_root_stays() {
    each(|tree| {
        put(tree, "a", "");
        tree.make_folder(&path("f")).unwrap();
        assert_eq!(kind(tree.remove_file(&Path::root())), ErrorKind::Denied);
        assert_eq!(kind(tree.remove_folder(&Path::root())), ErrorKind::Denied);
        assert_eq!(kind(tree.rename(&Path::root(), &path("b"), true)), ErrorKind::Denied);
        assert_eq!(kind(tree.rename(&path("f"), &Path::root(), true)), ErrorKind::Denied);
    });
}

#[test]
fn renames_move_and_replace() {
    each(|tree| {
        put(tree, "a", "a");
        put(tree, "b", "b");
        tree.make_folder(&path("f")).unwrap();
        assert_eq!(kind(tree.rename(&path("a"), &path("b"), false)), ErrorKind::Exists);
        assert_eq!(kind(tree.rename(&path("a"), &path("f"), false)), ErrorKind::Exists);
        tree.rename(&path("a"), &path("f/c"), false).unwrap();
        assert_eq!((get(tree, "f/c").as_deref(), get(tree, "a")), (Ok("a"), Err(ErrorKind::NotFound)));
        tree.rename(&path("f/c"), &path("b"), true).unwrap();
        assert_eq!(get(tree, "b").as_deref(), Ok("a"));
        assert_eq!(kind(tree.rename(&path("none"), &path("x"), true)), ErrorKind::NotFound);
        assert_eq!(kind(tree.rename(&path("none"), &path("x"), false)), ErrorKind::NotFound);
        assert_eq!(kind(tree.rename(&path("b"), &path("none/x"), true)), ErrorKind::NotFound);
        assert_eq!(kind(tree.rename(&path("b"), &path("f"), true)), ErrorKind::IsAFolder);
        assert_eq!(kind(tree.rename(&path("f"), &path("b"), true)), ErrorKind::NotAFolder);
    });
}

#[test]
fn folders_are_moved_but_not_into_themselves() {
    each(|tree| {
        tree.make_folder(&path("f")).unwrap();
        tree.make_folder(&path("g")).unwrap();
        put(tree, "f/a", "a");
        for replace in [false, true] {
            assert_eq!(kind(tree.rename(&path("f"), &path("f/g"), replace)), ErrorKind::Name);
        }
        assert_eq!(kind(tree.rename(&path("g"), &path("f"), true)), ErrorKind::NotEmpty);
        assert_eq!(kind(tree.rename(&path("f"), &path("g"), false)), ErrorKind::Exists);
        tree.rename(&path("f"), &path("g"), true).unwrap();
        tree.rename(&path("g"), &path("h"), false).unwrap();
        assert_eq!(names(tree, ""), ["h"]);
        assert_eq!(get(tree, "h/a").as_deref(), Ok("a"));
    });
}

#[test]
fn links_are_names_of_one_file() {
    each(|tree| {
        put(tree, "a", "text");
        put(tree, "taken", "");
        tree.make_folder(&path("f")).unwrap();
        tree.link(&path("a"), &path("f/b")).unwrap();
        let (a, b) = (tree.metadata(&path("a")).unwrap(), tree.metadata(&path("f/b")).unwrap());
        assert_eq!((a.id, a.links), (b.id, 2));
        tree.remove_file(&path("a")).unwrap();
        assert_eq!(get(tree, "f/b").as_deref(), Ok("text"));
        assert_eq!(kind(tree.link(&path("f/b"), &path("taken"))), ErrorKind::Exists);
        assert_eq!(kind(tree.link(&path("f"), &path("g"))), ErrorKind::IsAFolder);
        assert_eq!(kind(tree.link(&path("none"), &path("g"))), ErrorKind::NotFound);
    });
}

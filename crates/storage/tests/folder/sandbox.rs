//! Links, special files, and a root that is replaced.

use super::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::{
    os::unix::{fs::symlink, net::UnixListener},
    time::UNIX_EPOCH,
};
use trenza_storage::FileKind;

#[test]
fn links_lead_out_only_when_allowed() {
    let dir = tree();
    let root = dir.path().join("root");
    symlink("../secret", root.join("out")).unwrap();
    symlink(dir.path().join("secret"), root.join("absolute")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("sub/b.txt", root.join("in")).unwrap();
    symlink("../a.txt", root.join("sub/back")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("none", root.join("dangling")).unwrap();
    let (strict, lax) = (folder(&dir), folder(&dir).with_outside_symlinks(true));
    for at in ["out", "absolute", "up/secret"] {
        assert_eq!(read(&strict, at), Err(ErrorKind::Escape), "{at}");
        assert_eq!(strict.metadata(&path(at)).unwrap_err().kind(), ErrorKind::Escape, "{at}");
        assert_eq!(read(&lax, at).as_deref(), Ok("outside"), "{at}");
    }
    assert_eq!(strict.list(&path("up")).unwrap_err().kind(), ErrorKind::Escape);
    assert!(lax.list(&path("up")).is_ok());
    for tree in [&strict, &lax] {
        assert_eq!(read(tree, "in").as_deref(), Ok("below"));
        assert_eq!(read(tree, "sub/back").as_deref(), Ok("inside"));
        assert_eq!(read(tree, "loop"), Err(ErrorKind::NotFound));
        assert_eq!(read(tree, "dangling"), Err(ErrorKind::NotFound));
        let kinds = |kind| {
            let entries = tree.list(&Path::root()).unwrap().next(99).unwrap();
            assert!(
                entries
                    .iter()
                    .all(|entry| entry.is_link != matches!(entry.name.to_str(), Some("a.txt" | "sub")))
            );
            let mut names: Vec<_> = entries.into_iter().filter(|entry| entry.metadata.kind == kind).collect();
            names.sort_by(|a, b| a.name.cmp(&b.name));
            names.into_iter().map(|entry| entry.name.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let (links, files) = if std::ptr::eq(tree, &strict) {
            ("absolute dangling loop out up", "a.txt in")
        } else {
            ("dangling loop", "a.txt absolute in out")
        };
        assert_eq!((kinds(FileKind::Link).as_str(), kinds(FileKind::File).as_str()), (links, files));
    }
}

#[test]
fn nothing_is_written_through_a_link_out() {
    let dir = tree();
    let root = dir.path().join("root");
    symlink("../secret", root.join("out")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("../new", root.join("to-be")).unwrap();
    for tree in [folder(&dir), folder(&dir).with_outside_symlinks(true)] {
        for how in [Write::Append, Write::At(0)] {
            assert_eq!(tree.write(&path("out"), how).unwrap_err().kind(), ErrorKind::Escape, "{how:?}");
        }
        assert_eq!(tree.write(&path("to-be"), Write::Append).unwrap_err().kind(), ErrorKind::Escape);
        for how in [Write::Create, Write::New] {
            for at in ["out", "to-be"] {
                assert_eq!(tree.write(&path(at), how).unwrap_err().kind(), ErrorKind::Exists, "{how:?} {at}");
            }
        }
        for how in WAYS {
            assert_eq!(tree.write(&path("up/secret"), how).unwrap_err().kind(), ErrorKind::Escape, "{how:?}");
            assert_eq!(tree.write(&path("up/x"), how).unwrap_err().kind(), ErrorKind::Escape, "{how:?}");
        }
        let (out, secret) = (path("out"), path("up/secret"));
        for refused in [
            tree.set_mode(&out, 0),
            tree.set_modified(&out, UNIX_EPOCH),
            tree.sync(&out),
            tree.remove_file(&secret),
            tree.remove_folder(&path("up/root")),
            tree.make_folder(&path("up/x")),
            tree.rename(&path("a.txt"), &path("up/x"), true),
            tree.rename(&secret, &path("x"), false),
            tree.link(&secret, &path("x")),
            tree.link(&path("a.txt"), &path("up/x")),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Escape);
        }
        assert_eq!(
            tree.link(&out, &path("x")).unwrap_err().kind(),
            ErrorKind::Special,
            "not of the link either"
        );
    }
    let outside: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(outside.len(), 2, "{outside:?}");
    assert_eq!(fs::read_to_string(dir.path().join("secret")).unwrap(), "outside");
}

#[test]
fn links_are_replaced_renamed_and_removed_themselves() {
    let dir = tree();
    let (root, tree) = (dir.path().join("root"), folder(&dir));
    symlink("../secret", root.join("out")).unwrap();
    assert_eq!(tree.symlink_metadata(&path("out")).unwrap().kind, FileKind::Link);
    tree.rename(&path("out"), &path("sub/moved"), false).unwrap();
    assert!(root.join("sub/moved").is_symlink());
    let mut file = tree.write(&path("sub/moved"), Write::Replace).unwrap();
    file.write(b"new").unwrap();
    file.commit().unwrap();
    assert_eq!(read(&tree, "sub/moved").as_deref(), Ok("new"));
    symlink("..", root.join("up")).unwrap();
    assert_eq!(tree.remove_folder(&path("up")).unwrap_err().kind(), ErrorKind::NotAFolder);
    tree.remove_file(&path("up")).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("secret")).unwrap(), "outside");
    assert_eq!(names(&tree), ["a.txt", "sub"]);
}

#[test]
fn links_within_are_followed_for_writing() {
    let dir = tree();
    let (root, tree) = (dir.path().join("root"), folder(&dir));
    symlink("sub", root.join("alias")).unwrap();
    symlink("a.txt", root.join("same")).unwrap();
    let mut file = tree.write(&path("alias/new"), Write::Create).unwrap();
    file.write(b"new").unwrap();
    file.commit().unwrap();
    assert_eq!(read(&tree, "sub/new").as_deref(), Ok("new"));
    let mut file = tree.write(&path("same"), Write::Append).unwrap();
    file.write(b"!").unwrap();
    assert_eq!(read(&tree, "a.txt").as_deref(), Ok("inside!"));
}

#[test]
fn special_files_are_not_opened() {
    let dir = tree();
    let root = dir.path().join("root");
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _listener = UnixListener::bind(root.join("socket")).unwrap();
    symlink("/dev/zero", root.join("zero")).unwrap();
    let tree = folder(&dir);
    for at in ["fifo", "socket"] {
        assert_eq!(read(&tree, at), Err(ErrorKind::Special), "{at}");
        assert_eq!(tree.metadata(&path(at)).unwrap().kind, FileKind::Special);
        for how in [Write::Replace, Write::Append, Write::At(0)] {
            assert_eq!(tree.write(&path(at), how).unwrap_err().kind(), ErrorKind::Special, "{at} {how:?}");
        }
        for refused in [
            tree.set_modified(&path(at), UNIX_EPOCH),
            tree.set_mode(&path(at), 0),
            tree.sync(&path(at)),
            tree.link(&path(at), &path("x")),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Special, "{at}");
        }
    }
    assert_eq!(read(&tree, "zero"), Err(ErrorKind::Escape));
    assert_eq!(read(&tree.clone().with_outside_symlinks(true), "zero"), Err(ErrorKind::Special));
    tree.remove_file(&path("fifo")).unwrap();
    tree.rename(&path("socket"), &path("moved"), false).unwrap();
}

#[test]
fn a_root_that_was_replaced_is_seen() {
    let dir = tree();
    let (root, old) = (dir.path().join("root"), dir.path().join("old"));
    let both = [folder(&dir), folder(&dir).with_outside_symlinks(true)];
    fs::rename(&root, &old).unwrap();
    for tree in &both {
        assert_eq!(read(tree, "a.txt"), Err(ErrorKind::NotFound));
        assert_eq!(tree.list(&Path::root()).unwrap_err().kind(), ErrorKind::NotFound);
    }
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.txt"), "new").unwrap();
    for tree in &both {
        assert_eq!(read(tree, "a.txt").as_deref(), Ok("new"));
        assert_eq!(names(tree).len(), 1);
    }
    assert_eq!(Folder::new(dir.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(Folder::new(root.join("a.txt")).unwrap_err().kind(), ErrorKind::NotAFolder);
}

#[test]
fn who_may_not_read_his_file_may_still_set_its_time() {
    let dir = tree();
    let tree = folder(&dir);
    tree.set_mode(&path("a.txt"), 0o200).unwrap();
    tree.set_modified(&path("a.txt"), UNIX_EPOCH).unwrap();
    tree.sync(&path("a.txt")).unwrap();
    tree.set_mode(&path("a.txt"), 0o600).unwrap();
    assert_eq!(tree.metadata(&path("a.txt")).unwrap().modified, UNIX_EPOCH);
}

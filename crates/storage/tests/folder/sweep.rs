//! What writers leave that have died with their process.

use super::*;
use std::time::{Duration, SystemTime};

/// A writer that never ends.
fn die(tree: &Folder, at: &str) {
    let mut file = tree.write(&path(at), Write::Create).unwrap();
    file.write(b"half").unwrap();
    std::mem::forget(file);
}

/// The names of all files below a folder of the machine, the hidden ones too.
fn all(folder: &std::path::Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| if entry.file_type().unwrap().is_dir() { all(&entry.path()) } else { 1 }).sum()
}

#[test]
fn what_the_dead_left_is_removed_by_its_age() {
    let dir = tree();
    let tree = folder(&dir);
    die(&tree, "x");
    die(&tree, "sub/deep/y");
    std::os::unix::fs::symlink("../..", dir.path().join("root/sub/up")).unwrap();
    fs::write(dir.path().join(".trenza-outside"), "outside").unwrap();
    assert_eq!(names(&tree), ["a.txt", "sub"]);
    assert_eq!(all(&dir.path().join("root")), 5);
    let file = tree.metadata(&path("a.txt")).unwrap();
    assert_eq!(tree.sweep(file.modified).unwrap(), 0, "they may be written to yet");
    let later = file.modified + Duration::from_secs(3600);
    assert_eq!(tree.sweep(later).unwrap(), 2);
    assert_eq!(tree.sweep(later).unwrap(), 0);
    assert_eq!(all(&dir.path().join("root")), 3);
    assert!(dir.path().join(".trenza-outside").exists(), "links are not followed");
}

#[test]
fn a_folder_with_nothing_else_in_it_is_empty() {
    let dir = tree();
    let tree = folder(&dir);
    die(&tree, "sub/deep/y");
    die(&tree, "sub/y");
    assert_eq!(tree.remove_folder(&path("sub")).unwrap_err().kind(), ErrorKind::NotEmpty);
    assert_eq!(all(&dir.path().join("root")), 4, "nothing was removed");
    tree.remove_folder(&path("sub/deep")).unwrap();
    assert_eq!(tree.sweep(SystemTime::UNIX_EPOCH).unwrap(), 0);
}

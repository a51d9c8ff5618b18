//! Folders of the machine: what links, races and special files cannot do to them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the lint knows tests, not what they share")]

mod race;
mod sandbox;
mod states;
mod sweep;

use std::{fs, sync::Arc};
use tempfile::TempDir;
use trenza_storage::{ErrorKind, File, Folder, Path, Tree, Write};

/// A root with a file, folders, and a neighbour outside of it.
fn tree() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("root/sub/deep")).unwrap();
    fs::write(dir.path().join("root/a.txt"), "inside").unwrap();
    fs::write(dir.path().join("root/sub/b.txt"), "below").unwrap();
    fs::write(dir.path().join("secret"), "outside").unwrap();
    dir
}

fn folder(dir: &TempDir) -> Folder {
    Folder::new(dir.path().join("root")).unwrap()
}

fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

/// Reads a file, which must be the same by its path and in its folder.
fn read(tree: &Folder, at: &str) -> Result<String, ErrorKind> {
    let [by_path, in_folder] = read_both(tree, at);
    assert_eq!(by_path, in_folder, "{at}");
    by_path
}

/// What is read by its path, and in its folder, which is kept open.
fn read_both(tree: &Folder, at: &str) -> [Result<String, ErrorKind>; 2] {
    let path = path(at);
    let folder = tree.open_folder(&path.parent().unwrap());
    [text(tree.open(&path)), text(folder.and_then(|folder| folder.open(path.name().unwrap())))]
}

fn text(file: trenza_storage::Result<Arc<dyn File>>) -> Result<String, ErrorKind> {
    let file = file.map_err(|error| error.kind())?;
    let mut text = vec![0; file.opened().size as usize];
    file.read_at(&mut text, 0).unwrap();
    Ok(String::from_utf8(text).unwrap())
}

/// The names in the root, sorted.
fn names(tree: &Folder) -> Vec<String> {
    let entries = tree.list(&Path::root()).unwrap().next(99).unwrap();
    let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name.into_string().unwrap()).collect();
    names.sort();
    names
}

const WAYS: [Write; 5] = [Write::Replace, Write::Create, Write::New, Write::Append, Write::At(0)];

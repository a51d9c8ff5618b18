//! Folders of the machine: what links, races and special files cannot do to them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the lint knows tests, not what they share")]

mod race;
mod sandbox;
mod states;
mod sweep;

use std::fs;
use tempfile::TempDir;
use trenza_storage::{ErrorKind, Folder, Path, Tree, Write};

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

fn read(tree: &Folder, at: &str) -> Result<String, ErrorKind> {
    let file = tree.open(&path(at)).map_err(|error| error.kind())?;
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

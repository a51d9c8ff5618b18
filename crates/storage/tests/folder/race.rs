//! Somebody changes folders into links to outside, and back, while a tree is used.

use super::*;
use std::{
    collections::BTreeMap,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::UNIX_EPOCH,
};

/// How often everything is tried.
const ROUNDS: usize = 40;

/// Everything outside of the root: names, contents, modes, times.
fn outside(dir: &TempDir) -> BTreeMap<PathBuf, (Vec<u8>, u32, std::time::SystemTime)> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = BTreeMap::new();
    let mut left = vec![dir.path().join("outside")];
    while let Some(at) = left.pop() {
        let metadata = fs::symlink_metadata(&at).unwrap();
        let contents = if metadata.is_dir() {
            left.extend(fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else {
            fs::read(&at).unwrap()
        };
        found.insert(at, (contents, metadata.permissions().mode(), metadata.modified().unwrap()));
    }
    found
}

#[test]
fn nothing_outside_is_changed_or_read_whatever_folders_become() {
    let dir = tree();
    let root = dir.path().join("root");
    fs::create_dir_all(dir.path().join("outside/deep")).unwrap();
    for name in ["a", "b", "deep/a", "deep/b"] {
        fs::write(dir.path().join("outside").join(name), "outside").unwrap();
        fs::create_dir_all(root.join("sub/deep")).unwrap();
        fs::write(root.join("sub").join(name), "inside").unwrap();
    }
    let before = outside(&dir);
    let (over, swaps, inside, refused) =
        (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        // Also if something outside is seen: else nobody would end the other thread.
        let _over = Over(&over);
        scope.spawn(|| {
            let (sub, aside, link) = (root.join("sub"), root.join("aside"), root.join("link"));
            while !over.load(Ordering::Relaxed) {
                symlink("../outside", &link).unwrap();
                fs::rename(&sub, &aside).unwrap();
                fs::rename(&link, &sub).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
                thread::yield_now();
                fs::remove_file(&sub).unwrap();
                fs::rename(&aside, &sub).unwrap();
            }
        });
        let tree = folder(&dir);
        // Until both was seen often: a folder that is there, and a link.
        while swaps.load(Ordering::Relaxed) < ROUNDS
            || inside.load(Ordering::Relaxed) < ROUNDS
            || refused.load(Ordering::Relaxed) < ROUNDS
        {
            for at in ["sub/a", "sub/deep/b"] {
                for seen in read_both(&tree, at) {
                    assert!(seen.as_deref() != Ok("outside"), "{at}");
                    let counter = if seen.is_ok() { &inside } else { &refused };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                use_everything(&tree, at);
            }
        }
    });
    assert_eq!(outside(&dir), before);
}

/// Says that it is over when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Every call that changes something. Whether it succeeds is a matter of luck.
fn use_everything(tree: &Folder, at: &str) {
    let (file, folder) = (path(at), path(at).parent().unwrap());
    let new = folder.join("new").unwrap();
    for how in WAYS {
        let target = if how == Write::At(0) { &file } else { &new };
        if let Ok(mut writer) = tree.write(target, how) {
            let _ = writer.write(b"inside");
            let _ = writer.commit();
        }
        let _ = tree.remove_file(&new);
    }
    let _ = tree.set_mode(&file, 0o600);
    let _ = tree.set_modified(&file, UNIX_EPOCH);
    let _ = tree.link(&file, &new);
    let _ = tree.rename(&new, &folder.join("newer").unwrap(), true);
    let _ = tree.rename(&folder.join("newer").unwrap(), &path("moved"), false);
    let _ = tree.rename(&path("moved"), &new, false);
    let _ = tree.remove_file(&new);
    let _ = tree.remove_file(&path("moved"));
    let _ = tree.make_folder(&new);
    let _ = tree.remove_folder(&new);
    let _ = tree.sweep(UNIX_EPOCH);
    // Put back what was moved or removed.
    if let Ok(mut writer) = tree.write(&file, Write::Create) {
        let _ = writer.write(b"inside");
        let _ = writer.commit();
    }
}

//! The trees, and what the cases share.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc};
use trenza_sim::Disk;
use trenza_storage::{Allow, ErrorKind, Folder, Path, Quota, QuotaLimits, Restricted, Result, Tree, Write};

/// Runs a case on an empty tree of each kind.
pub(crate) fn each(case: impl Fn(&dyn Tree)) {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [plain, counted, wrapped] = [0, 1, 2].map(|at| Arc::new(Folder::new(dirs[at].path()).unwrap()));
    let disk = || Arc::new(Disk::alone(1));
    let counted = Arc::new(Quota::new(counted, QuotaLimits::default()).unwrap());
    let both = Arc::new(Quota::new(wrapped, QuotaLimits::default()).unwrap());
    let trees: [(&str, Arc<dyn Tree>); 6] = [
        ("folder", plain),
        ("disk", disk()),
        ("folder with quota", counted.clone()),
        ("disk with quota", Arc::new(Quota::new(disk(), QuotaLimits::default()).unwrap())),
        ("disk with rights", Arc::new(Restricted::new(disk(), Allow::ALL))),
        ("folder with quota and rights", Arc::new(Restricted::new(both.clone(), Allow::ALL))),
    ];
    for (name, tree) in trees {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&*tree)));
        assert!(outcome.is_ok(), "on: {name}");
    }
    // Whatever was done, a new count has the same result.
    for (quota, dir) in [(counted, &dirs[1]), (both, &dirs[2])] {
        let again = Quota::new(Arc::new(Folder::new(dir.path()).unwrap()), QuotaLimits::default()).unwrap();
        assert_eq!(quota.used(), again.used());
    }
}

pub(crate) fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

/// Writes a whole file.
pub(crate) fn put(tree: &dyn Tree, at: &str, text: &str) {
    let mut file = tree.write(&path(at), Write::Replace).unwrap();
    file.write(text.as_bytes()).unwrap();
    file.commit().unwrap();
}

/// Reads a whole file.
pub(crate) fn get(tree: &dyn Tree, at: &str) -> Result<String, ErrorKind> {
    let file = tree.open(&path(at)).map_err(|error| error.kind())?;
    let mut bytes = vec![0; file.opened().size as usize + 1];
    let count = file.read_at(&mut bytes, 0).unwrap();
    bytes.truncate(count);
    Ok(String::from_utf8(bytes).unwrap())
}

/// The names in a folder, sorted.
pub(crate) fn names(tree: &dyn Tree, at: &str) -> Vec<String> {
    let mut list = tree.list(&path(at)).unwrap();
    let mut names = BTreeSet::new();
    loop {
        let batch = list.next(2).unwrap();
        assert!(batch.len() <= 2);
        if batch.is_empty() {
            return names.into_iter().collect();
        }
        for entry in batch {
            assert!(names.insert(entry.name.into_string().unwrap()), "a name comes once");
        }
    }
}

pub(crate) fn kind<T: Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

//! [`each`]: what is in a folder, a few entries at a time.

use trenza_storage::{Entry, Path, Result, Tree};

/// So many entries of a folder are looked at at once.
const BATCH: usize = 256;

/// Does something with each entry of a folder.
pub(super) fn each(tree: &dyn Tree, folder: &Path, mut does: impl FnMut(Entry) -> Result) -> Result {
    let mut list = tree.list(folder)?;
    loop {
        let batch = list.next(BATCH)?;
        if batch.is_empty() {
            return Ok(());
        }
        batch.into_iter().try_for_each(&mut does)?;
    }
}

//! [`walk`]: everything in a folder, at any depth.

use crate::{BATCH, DEPTH_MAX, Entry, Path, Result, Tree};

/// Calls `visit` with all that is in a folder, at any depth: each folder before what is in it. Symbolic links are visited
/// and not followed. As much is in memory as the folder is deep, [`BATCH`] names for each level.
///
/// What is removed meanwhile, and folders that may not be listed, are left out.
///
/// # Errors
/// The folder itself cannot be listed; and those of `visit`, which end the walk.
///
/// ```
/// use trenza_storage::{Path, walk};
///
/// let disk = trenza_sim::Disk::alone(1);
/// disk.root().make_folder("mail")?.make_folder("new")?;
/// let mut seen = Vec::new();
/// walk(&disk, &Path::root(), &mut |path, entry| {
///     assert!(entry.metadata.is_folder());
///     seen.push(path.to_string());
///     Ok(())
/// })?;
/// assert_eq!(seen, ["/mail", "/mail/new"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn walk(tree: &dyn Tree, folder: &Path, visit: &mut dyn FnMut(&Path, &Entry) -> Result) -> Result {
    // The folders that are being visited, each in the one before it, and the names of each that are still to come.
    let mut open = vec![(folder.clone(), tree.list(folder)?, Vec::new())];
    while let Some((folder, list, batch)) = open.last_mut() {
        let Some(entry) = batch.pop() else {
            *batch = list.next(BATCH).unwrap_or_default();
            if batch.is_empty() {
                open.pop();
            }
            continue;
        };
        let Ok(path) = folder.join(entry.name.as_encoded_bytes()) else { continue };
        visit(&path, &entry)?;
        if entry.metadata.is_folder()
            && !entry.is_link
            && open.len() < DEPTH_MAX
            && let Ok(list) = tree.list(&path)
        {
            open.push((path, list, Vec::new()));
        }
    }
    Ok(())
}

//! Temporary files whose writers have died.

use crate::{DEPTH_MAX, Metadata, Result, TEMPORARY};
use cap_std::fs::{Dir, DirEntry};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, time::SystemTime};

/// Removes those below `root` that nobody has written to since `before`; how many. Links are not followed.
pub(super) fn sweep(root: &Dir, before: SystemTime) -> Result<u64> {
    let mut removed = 0;
    // The folders that are being looked at, each in the one before it: as many descriptors as they are deep, and no list
    // of names.
    let mut open = vec![root.entries()?];
    while let Some(names) = open.last_mut() {
        let Some(found) = names.next() else {
            open.pop();
            continue;
        };
        // What cannot be looked at is left alone.
        let Ok(found) = found else { continue };
        let Ok(metadata) = found.metadata().map(|metadata| Metadata::from(&metadata)) else { continue };
        if metadata.is_folder() && open.len() < DEPTH_MAX {
            // Neither this nor the listing follows a link that has come in the folder's place.
            open.extend(found.open_dir().and_then(|dir| dir.entries()));
        } else if metadata.is_file() && is_temporary(&found) && metadata.modified < before {
            removed += u64::from(found.remove_file().is_ok());
        }
    }
    Ok(removed)
}

/// Removes the temporary files of a folder, if there is nothing else in it; false if there is.
pub(super) fn only_temporary(parent: &Dir, name: &OsStr) -> Result<bool> {
    let dir = parent.open_dir(name)?;
    for found in dir.entries()? {
        if !is_temporary(&found?) {
            return Ok(false);
        }
    }
    for found in dir.entries()? {
        let found = found?;
        if is_temporary(&found) {
            found.remove_file()?;
        }
    }
    Ok(true)
}

fn is_temporary(found: &DirEntry) -> bool {
    found.file_name().as_bytes().starts_with(TEMPORARY)
}

//! Removing trees from a server.

use super::{join, progress::Report, shown};
use crate::{Client, ClientError, Entry, listing::Kind};

/// Removes a file, or a folder with all that is in it. Links are removed, not followed.
pub(super) async fn remove(
    client: &mut Client,
    path: &[u8],
    entry: &Entry,
    depth_max: usize,
    report: &Report,
) -> Result<(), ClientError> {
    if entry.kind != Kind::Folder {
        client.delete(path).await?;
        report.removed(&shown(path));
        return Ok(());
    }
    // Folders that are open, each with what is left in it. A stack, so that no server decides how deep we call.
    let mut open = vec![(path.to_vec(), client.list(Some(path)).await?)];
    while let Some((folder, entries)) = open.last_mut() {
        let Some(entry) = entries.pop() else {
            client.rmdir(&*folder).await?;
            report.removed(&shown(folder));
            open.pop();
            continue;
        };
        let path = join(folder, &entry.name);
        if entry.kind != Kind::Folder {
            client.delete(&path).await?;
            report.removed(&shown(&path));
            continue;
        }
        if open.len() >= depth_max {
            return Err(ClientError::local(shown(&path), "folders lie too deep in folders"));
        }
        let entries = client.list(Some(&path)).await?;
        open.push((path, entries));
    }
    Ok(())
}

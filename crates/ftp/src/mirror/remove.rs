//! Removing trees from a server.

use super::{join, progress::Report, shown};
use crate::{Client, ClientError, Entry, listing::Kind};

/// A folder that is being emptied.
struct Open {
    path: Vec<u8>,
    left: Vec<Entry>,
    /// Something in it stays, and so it stays, too.
    stays: bool,
}

/// Removes a file, or a folder with all that is in it but for what `excludes` names. Links are removed, not followed.
pub(super) async fn remove(
    client: &mut Client,
    path: &[u8],
    entry: &Entry,
    depth_max: usize,
    excludes: impl Fn(&[u8]) -> bool,
    report: &Report,
) -> Result<(), ClientError> {
    if entry.kind != Kind::Folder {
        client.delete(path).await?;
        report.removed(&shown(path));
        return Ok(());
    }
    // Each in the one before it. A stack, so that no server decides how deep we call.
    let mut open = vec![enter(client, path.to_vec()).await?];
    while let Some(folder) = open.last_mut() {
        let Some(entry) = folder.left.pop() else {
            let Some(Open { path, stays, .. }) = open.pop() else { break };
            if stays {
                open.last_mut().into_iter().for_each(|parent| parent.stays = true);
                continue;
            }
            client.rmdir(&*path).await?;
            report.removed(&shown(&path));
            continue;
        };
        let path = join(&folder.path, &entry.name);
        if excludes(&entry.name) {
            folder.stays = true;
        } else if entry.kind != Kind::Folder {
            client.delete(&path).await?;
            report.removed(&shown(&path));
        } else if open.len() >= depth_max {
            return Err(ClientError::local(shown(&path), "folders lie too deep in folders"));
        } else {
            open.push(enter(client, path).await?);
        }
    }
    Ok(())
}

async fn enter(client: &mut Client, path: Vec<u8>) -> Result<Open, ClientError> {
    let left = client.list(Some(&path)).await?;
    Ok(Open { path, left, stays: false })
}

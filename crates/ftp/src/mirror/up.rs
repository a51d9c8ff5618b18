//! From a local folder to a server.

use super::{
    Folder, Listed, Mirror, Outcome, Progress,
    compare::{Facts, is_beginning, is_current},
    folder::{Local, LocalKind, in_folder},
    join,
    pool::Pool,
    progress::Report,
    remove::remove,
    shown,
};
use crate::{Client, ClientError, Dial, Entry, listing::Kind};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// One upload of a tree.
pub(super) struct Up<'a> {
    mirror: &'a Mirror,
    folder: &'a Folder,
    pool: Pool,
    report: Report,
    entries: u64,
}

/// A folder, at both ends.
struct Pair {
    local: PathBuf,
    remote: Vec<u8>,
    /// The server does not have it: it is to be made, and there is nothing to list.
    new: bool,
}

/// A file to be stored, and what the server has of that name.
struct Item {
    local: PathBuf,
    remote: Vec<u8>,
    size: Option<u64>,
    there: Option<Entry>,
}

impl<'a> Up<'a> {
    pub(super) fn new(mirror: &'a Mirror, dial: &Dial, folder: &'a Folder) -> Self {
        let pool = Pool::new(dial, mirror.parallel, mirror.limits.attempts);
        Self { mirror, folder, pool, report: mirror.report(), entries: 0 }
    }

    pub(super) async fn run(mut self, to: &[u8]) -> Result<Outcome, ClientError> {
        let mut level = vec![Pair { local: PathBuf::new(), remote: to.into(), new: false }];
        let mut depth = 0;
        while !level.is_empty() {
            let entries = Listed::new(self.mirror.limits.entries);
            let listing = async |client: &mut Client, pair: &Pair| match (pair.new, depth) {
                (true, _) => enter_new(client, &pair.remote).await,
                (false, 0) => enter_root(client, &pair.remote).await,
                (false, _) => entries.list(client, &pair.remote).await,
            };
            let done = self.pool.each(level, listing).await;
            let (mut folders, mut files, mut extra) = (Vec::new(), Vec::new(), Vec::new());
            for (pair, listed) in done.results {
                match listed {
                    Ok(entries) => self.compare(&pair, entries, &mut folders, &mut files, &mut extra).await,
                    Err(error) if depth == 0 => return Err(error),
                    Err(error) => self.report.failed(&shown(&pair.remote), error),
                }
            }
            self.leave(done.left.iter().map(|pair| &*pair.remote));
            self.remove_all(extra).await;
            self.store_all(files).await;
            depth += 1;
            level = folders;
            if depth > self.mirror.limits.depth {
                for pair in std::mem::take(&mut level) {
                    let path = shown(&pair.remote);
                    self.report.failed(&path, ClientError::local(&*path, "folders lie too deep in folders"));
                }
            }
        }
        self.pool.close().await;
        Ok(self.report.take())
    }

    /// Looks at a folder at both ends.
    async fn compare(
        &mut self,
        pair: &Pair,
        entries: Vec<Entry>,
        folders: &mut Vec<Pair>,
        files: &mut Vec<Item>,
        extra: &mut Vec<(Vec<u8>, Entry)>,
    ) {
        self.report.count(|outcome| outcome.folders += 1);
        let mut there: BTreeMap<Vec<u8>, Entry> =
            entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let listed = match self.folder.list(&pair.local).await {
            Ok(listed) => listed,
            Err(error) => {
                let path = shown(&pair.remote);
                return self.report.failed(&path, ClientError::local(&*path, error));
            }
        };
        for local in listed {
            let remote = join(&pair.remote, &local.name);
            let entry = there.remove(&local.name);
            if self.mirror.excludes(&local.name) {
                continue;
            }
            self.entries += 1;
            if self.entries > self.mirror.limits.entries {
                let path = shown(&remote);
                self.report.failed(&path, ClientError::local(&*path, "there are too many files"));
                continue;
            }
            self.judge(&pair.local, local, remote, entry, (folders, files));
        }
        if self.mirror.delete {
            let left = there.into_values().filter(|entry| !self.mirror.excludes(&entry.name));
            extra.extend(left.map(|entry| (join(&pair.remote, &entry.name), entry)));
        }
    }

    /// What is to be done about one local file or folder.
    fn judge(
        &mut self,
        folder: &Path,
        local: Local,
        remote: Vec<u8>,
        entry: Option<Entry>,
        (folders, files): (&mut Vec<Pair>, &mut Vec<Item>),
    ) {
        let path = shown(&remote);
        let wanted = match local.kind {
            LocalKind::Folder => Kind::Folder,
            LocalKind::File => Kind::File,
            LocalKind::Other => return self.report.skipped(&path),
        };
        if let Some(entry) = &entry
            && (entry.kind == Kind::Folder) != (wanted == Kind::Folder)
        {
            let what = "something else of this name is there";
            return self.report.failed(&path, ClientError::local(&*path, what));
        }
        let place = in_folder(folder, &local.name);
        if wanted == Kind::Folder {
            return folders.push(Pair { local: place, remote, new: entry.is_none() });
        }
        let current = entry.as_ref().is_some_and(|entry| is_current(local.facts, facts(entry)));
        if current && !self.mirror.always {
            return self.report.count(|outcome| outcome.current += 1);
        }
        files.push(Item { local: place, remote, size: local.facts.size, there: entry });
    }

    async fn remove_all(&mut self, extra: Vec<(Vec<u8>, Entry)>) {
        let (mirror, report) = (self.mirror, self.report.clone());
        let removing = async |client: &mut Client, (path, entry): &(Vec<u8>, Entry)| {
            let excludes = |name: &[u8]| mirror.excludes(name);
            remove(client, path, entry, mirror.limits.depth, excludes, &report).await
        };
        let done = self.pool.each(extra, removing).await;
        for ((path, _), removed) in done.results {
            if let Err(error) = removed {
                self.report.failed(&shown(&path), error);
            }
        }
        self.leave(done.left.iter().map(|(path, _)| &**path));
    }

    async fn store_all(&mut self, files: Vec<Item>) {
        let bytes = files.iter().filter_map(|item| item.size).fold(0, u64::saturating_add);
        self.report.tell(Progress::Found { files: files.len() as u64, bytes });
        let (mirror, folder) = (self.mirror, self.folder);
        let storing = async |client: &mut Client, item: &Item| {
            store(mirror, client, folder, &item.local, &item.remote, item.there.as_ref()).await
        };
        let done = self.pool.each(files, storing).await;
        for (item, stored) in done.results {
            match stored {
                Ok(bytes) => self.report.count(|outcome| {
                    outcome.files += 1;
                    outcome.bytes += bytes;
                }),
                Err(error) => self.report.failed(&shown(&item.remote), error),
            }
        }
        self.leave(done.left.iter().map(|item| &*item.remote));
    }

    /// Nobody was left to do it.
    fn leave<'p>(&self, paths: impl Iterator<Item = &'p [u8]>) {
        for path in paths.map(shown) {
            self.report.failed(&path, ClientError::closed(&*path));
        }
    }
}

/// Makes a folder. Another mirror may have been quicker.
async fn enter_new(client: &mut Client, path: &[u8]) -> Result<Vec<Entry>, ClientError> {
    match client.mkdir(path).await {
        Err(error) if error.code().is_some() => client.list(Some(path)).await.map_err(|_| error),
        made => made.map(|()| Vec::new()),
    }
}

/// Lists the folder that everything goes into, and makes it and its parents if it is not there. Some servers list what is
/// not there as empty, so whether it can be entered counts.
async fn enter_root(client: &mut Client, path: &[u8]) -> Result<Vec<Entry>, ClientError> {
    let back = client.pwd().await?;
    match client.cwd(path).await {
        Ok(()) => {
            client.cwd(back).await?;
            return client.list(Some(path)).await;
        }
        Err(error) if error.code().is_some() => {}
        Err(error) => return Err(error),
    }
    for (at, _) in path.iter().enumerate().skip(1).filter(|(_, c)| **c == b'/') {
        let parent = path.get(..at).unwrap_or_default();
        // Most of them are there already.
        if let Err(error) = client.mkdir(parent).await
            && error.code().is_none()
        {
            return Err(error);
        }
    }
    client.mkdir(path).await?;
    client.list(Some(path)).await
}

fn facts(entry: &Entry) -> Facts {
    Facts { size: entry.size, modified: entry.modified }
}

/// Stores one file.
pub(super) async fn store(
    mirror: &Mirror,
    client: &mut Client,
    folder: &Folder,
    from: &Path,
    to: &[u8],
    there: Option<&Entry>,
) -> Result<u64, ClientError> {
    let path = shown(to);
    let (file, size, modified) =
        folder.read(from).await.map_err(|error| ClientError::local(&*path, error))?;
    let own = Facts { size: Some(size), modified: Some(modified) };
    let begun = there.filter(|there| mirror.resume && is_beginning(own, facts(there)));
    let at = begun.and_then(|there| there.size).unwrap_or(0);
    let tell = &*mirror.report;
    tell(Progress::Began { path: &path, size: Some(size), at });
    let mut moved = 0;
    if at < size || at == 0 {
        let piece = |bytes| tell(Progress::Moved { path: &path, bytes });
        moved = client.store_file(to, &file, at..size, piece).await?;
    }
    if client.features().await?.has("MFMT")
        && let Err(error) = client.mfmt(to, modified).await
        && error.code().is_none()
    {
        // That it does not take the time does no harm: its copy is newer.
        return Err(error);
    }
    tell(Progress::Finished { path: &path });
    Ok(moved)
}

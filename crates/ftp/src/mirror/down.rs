//! From a server into a local folder.

use super::{
    Folder, Listed, Mirror, Outcome, Progress,
    compare::{Facts, is_beginning, is_current},
    folder::{Local, LocalKind, NAME_MAX, in_folder, is_local_name},
    join,
    pool::Pool,
    progress::Report,
    shown,
};
use crate::{Client, ClientError, Dial, Entry, listing::Kind};
use aws_lc_rs::digest::{SHA256, digest};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// One download of a tree.
pub(super) struct Down<'a> {
    mirror: &'a Mirror,
    folder: &'a Folder,
    pool: Pool,
    report: Report,
    entries: u64,
}

/// A folder, at both ends.
struct Pair {
    remote: Vec<u8>,
    local: PathBuf,
}

/// A file to be fetched.
struct Item {
    remote: Vec<u8>,
    local: PathBuf,
    entry: Entry,
}

impl<'a> Down<'a> {
    pub(super) fn new(mirror: &'a Mirror, dial: &Dial, folder: &'a Folder) -> Self {
        let pool = Pool::new(dial, mirror.parallel, mirror.limits.attempts);
        Self { mirror, folder, pool, report: mirror.report(), entries: 0 }
    }

    pub(super) async fn run(mut self, from: &[u8]) -> Result<Outcome, ClientError> {
        let mut level = vec![Pair { remote: from.into(), local: PathBuf::new() }];
        let mut depth = 0;
        while !level.is_empty() {
            let entries = Listed::new(self.mirror.limits.entries);
            let listing = async |client: &mut Client, pair: &Pair| entries.list(client, &pair.remote).await;
            let done = self.pool.each(level, listing).await;
            let (mut folders, mut files) = (Vec::new(), Vec::new());
            for (pair, listed) in done.results {
                match listed {
                    Ok(entries) => self.compare(&pair, entries, &mut folders, &mut files).await,
                    Err(error) if depth == 0 => return Err(error),
                    Err(error) => self.report.failed(&shown(&pair.remote), error),
                }
            }
            self.leave(done.left.iter().map(|pair| &*pair.remote));
            self.fetch_all(files).await;
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

    /// Looks at a folder at both ends: what is to be fetched, and which folders are in it.
    async fn compare(
        &mut self,
        pair: &Pair,
        entries: Vec<Entry>,
        folders: &mut Vec<Pair>,
        files: &mut Vec<Item>,
    ) {
        self.report.count(|outcome| outcome.folders += 1);
        let made = self.folder.make_folder(&pair.local).await;
        let listed = match made {
            Ok(()) => self.folder.list(&pair.local).await,
            Err(error) => Err(error),
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                let path = shown(&pair.remote);
                return self.report.failed(&path, ClientError::local(&*path, error));
            }
        };
        let mut there: BTreeMap<Vec<u8>, Local> =
            listed.into_iter().map(|local| (local.name.clone(), local)).collect();
        // What is named twice counts once.
        let entries: BTreeMap<Vec<u8>, Entry> =
            entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        for (name, entry) in entries {
            let path = join(&pair.remote, &name);
            let local = there.remove(&name);
            // Where it was cut the last time; whoever deletes what is left over leaves that alone.
            there.remove(part_name(&name).as_slice());
            if self.mirror.excludes(&name) {
                continue;
            }
            match self.judge(&path, &pair.local, entry, local).await {
                Verdict::Fetch(item) => files.push(*item),
                Verdict::Enter(pair) => folders.push(pair),
                Verdict::Nothing => {}
            }
        }
        if self.mirror.delete {
            self.remove(pair, there.into_values()).await;
        }
    }

    /// What is to be done about one entry.
    async fn judge(&mut self, path: &[u8], folder: &Path, entry: Entry, local: Option<Local>) -> Verdict {
        let shown = shown(path);
        if !is_local_name(&entry.name) {
            self.report.failed(&shown, ClientError::local(&*shown, "the name cannot be one of a local file"));
            return Verdict::Nothing;
        }
        self.entries += 1;
        if self.entries > self.mirror.limits.entries {
            self.report.failed(&shown, ClientError::local(&*shown, "there are too many files"));
            return Verdict::Nothing;
        }
        let wanted = match entry.kind {
            Kind::File => LocalKind::File,
            Kind::Folder => LocalKind::Folder,
            _ => {
                self.report.skipped(&shown);
                return Verdict::Nothing;
            }
        };
        let to = in_folder(folder, &entry.name);
        let local = match local {
            Some(local) if local.kind != wanted => {
                let removed = match self.mirror.delete {
                    true => self.folder.remove(&to, local.kind, &self.mirror.exclude).await,
                    false => Ok(false),
                };
                match removed {
                    Ok(true) => self.report.removed(&shown),
                    Ok(false) => {
                        let what = "something else of this name is there";
                        self.report.failed(&shown, ClientError::local(&*shown, what));
                        return Verdict::Nothing;
                    }
                    Err(error) => {
                        self.report.failed(&shown, ClientError::local(&*shown, error));
                        return Verdict::Nothing;
                    }
                }
                None
            }
            local => local,
        };
        if wanted == LocalKind::Folder {
            return Verdict::Enter(Pair { remote: path.into(), local: to });
        }
        let current = local.is_some_and(|local| is_current(facts(&entry), local.facts));
        if current && !self.mirror.always {
            self.report.count(|outcome| outcome.current += 1);
            return Verdict::Nothing;
        }
        Verdict::Fetch(Box::new(Item { remote: path.into(), local: to, entry }))
    }

    async fn remove(&mut self, pair: &Pair, extra: impl Iterator<Item = Local>) {
        for local in extra.filter(|local| !self.mirror.excludes(&local.name)) {
            let path = shown(&join(&pair.remote, &local.name));
            let place = in_folder(&pair.local, &local.name);
            match self.folder.remove(&place, local.kind, &self.mirror.exclude).await {
                Ok(true) => self.report.removed(&path),
                Ok(false) => {}
                Err(error) => self.report.failed(&path, ClientError::local(&*path, error)),
            }
        }
    }

    async fn fetch_all(&mut self, files: Vec<Item>) {
        // As servers say; all together may be more than there is.
        let bytes = files.iter().filter_map(|item| item.entry.size).fold(0, u64::saturating_add);
        self.report.tell(Progress::Found { files: files.len() as u64, bytes });
        let (mirror, folder) = (self.mirror, self.folder);
        let fetching = async |client: &mut Client, item: &Item| {
            fetch(mirror, client, &item.remote, &item.entry, folder, &item.local).await
        };
        let done = self.pool.each(files, fetching).await;
        for (item, fetched) in done.results {
            match fetched {
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

enum Verdict {
    Fetch(Box<Item>),
    Enter(Pair),
    Nothing,
}

fn facts(entry: &Entry) -> Facts {
    Facts { size: entry.size, modified: entry.modified }
}

/// How long a name may be, in bytes, so that there is room for what is put around it.
const WHOLE_NAME_MAX: usize = NAME_MAX - b"..part".len();

/// How a file is called until it is whole.
fn part_name(name: &[u8]) -> Vec<u8> {
    if name.len() <= WHOLE_NAME_MAX {
        return [b".", name, b".part"].concat();
    }
    // Long names may begin alike, and are fetched at the same time.
    let digest = digest(&SHA256, name);
    let hash: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let begin = name.get(..WHOLE_NAME_MAX - hash.len()).unwrap_or_default();
    [b".", begin, hash.as_bytes(), b".part"].concat()
}

/// Fetches one file.
pub(super) async fn fetch(
    mirror: &Mirror,
    client: &mut Client,
    from: &[u8],
    entry: &Entry,
    folder: &Folder,
    to: &Path,
) -> Result<u64, ClientError> {
    let path = shown(from);
    let local = |error| ClientError::local(&*path, error);
    let part =
        to.with_file_name(OsStr::from_bytes(&part_name(to.file_name().unwrap_or_default().as_bytes())));
    let mut at = 0;
    if mirror.resume
        && let Some(begun) = folder.facts(&part).await.map_err(local)?
        && is_beginning(facts(entry), begun)
        && client.features().await?.has_restart()
    {
        at = begun.size.unwrap_or(0);
    }
    let tell = &*mirror.report;
    tell(Progress::Began { path: &path, size: entry.size, at });
    let mut writer = folder.write(&part, at).await.map_err(local)?;
    let mut moved = 0;
    if entry.size != Some(at) || at == 0 {
        let mut came = at;
        let sink = async |piece: bytes::Bytes| {
            came += piece.len() as u64;
            if let Some(size) = entry.size.filter(|size| came > *size) {
                // It may never end.
                return Err(format!("more came than the {size} bytes that were announced").into());
            }
            tell(Progress::Moved { path: &path, bytes: piece.len() as u64 });
            writer.write(&piece).await
        };
        let retrieved = client.retrieve(from, at, sink).await;
        moved = match retrieved {
            Ok(moved) => moved,
            Err(error) => {
                // What has come stays, for who goes on later.
                let kept = writer.finish().await.map_err(local)?;
                if kept == 0 {
                    folder.remove(&part, LocalKind::File, &[]).await.map_err(local)?;
                }
                return Err(error);
            }
        };
    }
    let size = writer.finish().await.map_err(local)?;
    if let Some(expected) = entry.size.filter(|expected| *expected != size) {
        let what = format!("{size} bytes came, and {expected} were announced");
        return Err(ClientError::local(&*path, what));
    }
    folder.finish(&part, to, entry.modified).await.map_err(local)?;
    tell(Progress::Finished { path: &path });
    Ok(moved)
}

//! [`Rows`]: listings, for LIST, NLST and MLSD over data connections, for STAT over the control connection.

use crate::{
    Glob,
    listing::{self, FactSet, Kind, mlsx, unix},
};
use std::{ffi::OsString, os::unix::ffi::OsStrExt as _, time::SystemTime};
use trenza_auth::Rights;
use trenza_core::{Result, Transport};
use trenza_storage::{Entry, Error, ErrorKind, FileKind, Listing, Metadata, Path, Storage};

/// What a row looks like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Style {
    /// LIST: as `ls -l`, at this time.
    Long(SystemTime),
    /// NLST.
    Names,
    /// MLSD.
    Facts(FactSet),
}

/// What is to be listed, and how.
pub(super) struct Rows {
    found: Found,
    look: Look,
}

/// How it is shown.
struct Look {
    /// What stands before the names of those that a pattern has matched.
    prefix: Vec<u8>,
    style: Style,
    rights: Rights,
    /// Up to so many are sorted.
    sorted: usize,
    /// Of what is below folders so many may still be shown; None: that is not shown.
    below: Option<usize>,
}

enum Found {
    /// A file, or a folder as such, under the name that the client calls it by.
    One(Vec<u8>, Metadata),
    /// What is in a folder, and fits the pattern if there is one.
    In(Listing, Option<Glob>),
    /// What is in a folder and at any depth below it, and what the client calls the folder.
    Below(Storage, Path, Vec<u8>, Listing),
}

/// LIST -R has come to its limit.
#[derive(Debug, thiserror::Error)]
#[error("there is too much for one listing")]
pub(super) struct TooMuch;

/// What the client asks for.
pub(super) struct Asked {
    /// Its current folder.
    pub(super) folder: Path,
    /// What it calls what it wants to see; None: the current folder.
    pub(super) text: Option<Vec<u8>>,
    /// A folder as such, not what is in it.
    pub(super) itself: bool,
    /// Nothing but folders.
    pub(super) folders_only: bool,
    pub(super) style: Style,
    pub(super) rights: Rights,
    pub(super) sorted: usize,
    /// LIST -R: so many entries at most, with those of all folders below; 0: the folder alone.
    pub(super) below: usize,
}

impl Rows {
    /// Looks for it. Names that only look like patterns go before what they stand for as such.
    pub(super) async fn find(storage: Storage, asked: Asked) -> Result<Self, Error> {
        let text = asked.text.clone().unwrap_or_else(|| b".".to_vec());
        let path = asked.folder.resolve(&text)?;
        let slash = text.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let (before, last) = text.split_at(slash);
        let is_pattern = Glob::is_pattern(last) && !asked.folders_only;
        let mut prefix = Vec::new();
        let found = match storage.metadata(&path).await.map_err(Error::from) {
            Ok(metadata) if metadata.is_folder() && !asked.itself => {
                let listing = storage.list(&path).await?;
                match asked.below {
                    0 => Found::In(listing, None),
                    _ => Found::Below(storage, path, text, listing),
                }
            }
            Ok(_) if asked.folders_only => return Err(ErrorKind::NotAFolder.into()),
            Ok(metadata) => Found::One(text, metadata),
            Err(error) if error.kind() == ErrorKind::NotFound && is_pattern => {
                let glob = Glob::new(last).map_err(|error| Error::new(ErrorKind::Name, error))?;
                let folder = asked.folder.resolve(if before.is_empty() { b"." } else { before })?;
                prefix = before.to_vec();
                Found::In(storage.list(&folder).await?, Some(glob))
            }
            Err(error) => return Err(error),
        };
        let below = Some(asked.below).filter(|below| *below > 0);
        let look = Look { prefix, style: asked.style, rights: asked.rights, sorted: asked.sorted, below };
        Ok(Self { found, look })
    }

    /// Sends them, each with CRLF behind it.
    pub(super) async fn send(self, to: &Transport) -> Result {
        let Self { found, mut look } = self;
        match found {
            Found::One(name, metadata) => {
                let mut line = Vec::new();
                look.style.row(&name, &metadata, look.rights, &mut line);
                to.write_bytes(line.into());
            }
            Found::In(listing, glob) => drop(look.send_folder(listing, glob.as_ref(), to).await?),
            Found::Below(storage, path, name, listing) => {
                look.send_below(&storage, path, name, listing, to).await?;
            }
        }
        Ok(())
    }

    /// The first of them, sorted, without line ends, and whether there are more.
    pub(super) async fn lines(self) -> Result<(Vec<Vec<u8>>, bool), Error> {
        let Self { found, look } = self;
        let row = |name: &[u8], metadata: &Metadata| {
            let mut line = Vec::new();
            look.style.row(name, metadata, look.rights, &mut line);
            line.truncate(line.len().saturating_sub(2));
            line
        };
        let (mut listing, glob) = match found {
            Found::One(name, metadata) => return Ok((vec![row(&name, &metadata)], false)),
            Found::In(listing, glob) => (listing, glob),
            Found::Below(_, _, _, listing) => (listing, None),
        };
        let mut gathered = Vec::new();
        while let Some(batch) = listing.next().await? {
            gathered.extend(batch.into_iter().filter(|entry| fits(entry, glob.as_ref())));
            if gathered.len() > look.sorted {
                break;
            }
        }
        let more = gathered.len() > look.sorted;
        gathered.truncate(look.sorted);
        gathered.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((gathered.iter().map(|entry| row(entry.name.as_bytes(), &entry.metadata)).collect(), more))
    }
}

impl Look {
    /// Sends what is in one folder; gives the names of the folders among it.
    async fn send_folder(
        &mut self,
        mut listing: Listing,
        glob: Option<&Glob>,
        to: &Transport,
    ) -> Result<Vec<OsString>> {
        let (mut gathered, mut sorting, mut folders) = (Vec::new(), true, Vec::new());
        loop {
            let batch = listing.next().await?;
            let ended = batch.is_none();
            gathered.extend(batch.into_iter().flatten().filter(|entry| fits(entry, glob)));
            if sorting && !ended && gathered.len() <= self.sorted {
                continue;
            }
            if sorting && ended {
                gathered.sort_by(|a, b| a.name.cmp(&b.name));
            }
            sorting = false;
            if let Some(left) = &mut self.below {
                *left = left.checked_sub(gathered.len()).ok_or(TooMuch)?;
            }
            let mut lines = Vec::new();
            for entry in gathered.drain(..) {
                let name = [&self.prefix, entry.name.as_bytes()].concat();
                self.style.row(&name, &entry.metadata, self.rights, &mut lines);
                if self.below.is_some() && entry.metadata.is_folder() && !entry.is_link {
                    folders.push(entry.name);
                }
            }
            to.flushed().await?;
            to.write_bytes(lines.into());
            if ended {
                return Ok(folders);
            }
        }
    }

    /// As `ls -R` shows it: each folder behind a line with its name and a colon. Those that are gone meanwhile, or may not
    /// be listed, are left out, and what links lead to is not looked into.
    async fn send_below(
        &mut self,
        storage: &Storage,
        folder: Path,
        name: Vec<u8>,
        listing: Listing,
        to: &Transport,
    ) -> Result {
        to.write_bytes([&name[..], b":\r\n"].concat().into());
        let folders = self.send_folder(listing, None, to).await?;
        // The folders in which the next one lies, each with what is still to come in it.
        let mut open = vec![(folder, name, folders.into_iter())];
        while let Some((folder, name, folders)) = open.last_mut() {
            let Some(next) = folders.next() else {
                open.pop();
                continue;
            };
            let slash: &[u8] = if name.ends_with(b"/") { b"" } else { b"/" };
            let name = [name, slash, next.as_bytes()].concat();
            let Ok(folder) = folder.join(next.as_bytes()) else { continue };
            let Ok(listing) = storage.list(&folder).await else { continue };
            to.write_bytes([b"\r\n", &name[..], b":\r\n"].concat().into());
            let folders = self.send_folder(listing, None, to).await?;
            open.push((folder, name, folders.into_iter()));
        }
        Ok(())
    }
}

/// A name with a line end in it cannot be shown in a line, and no command can name it; so it is left out.
fn fits(entry: &Entry, glob: Option<&Glob>) -> bool {
    let name = entry.name.as_bytes();
    !name.iter().any(|byte| matches!(byte, b'\r' | b'\n')) && glob.is_none_or(|glob| glob.matches(name))
}

impl Style {
    fn row(self, name: &[u8], metadata: &Metadata, rights: Rights, out: &mut Vec<u8>) {
        match self {
            Self::Names => out.extend(name),
            Self::Long(now) => unix::write(&entry(name, metadata, rights), now, out),
            Self::Facts(facts) => mlsx::write(&entry(name, metadata, rights), facts, out),
        }
        out.extend(b"\r\n");
    }
}

/// What listings show of a file or folder.
pub(super) fn entry(name: &[u8], metadata: &Metadata, rights: Rights) -> listing::Entry {
    let kind = match metadata.kind {
        FileKind::File => Kind::File,
        FileKind::Folder => Kind::Folder,
        FileKind::Link => Kind::Link,
        FileKind::Special => Kind::Other,
    };
    listing::Entry {
        size: Some(metadata.size),
        modified: Some(metadata.modified),
        mode: Some(metadata.mode),
        perm: Some(perm(kind, rights)),
        unique: Some(format!("{:x}g{:x}", metadata.id.device, metadata.id.inode)),
        owner: Some(metadata.owner.to_string()),
        group: Some(metadata.group.to_string()),
        links: Some(metadata.links),
        ..listing::Entry::new(name, kind)
    }
}

/// The letters of RFC 3659 section 7.5.5.
fn perm(kind: Kind, rights: Rights) -> String {
    let rename = Rights::DELETE | Rights::ADD;
    let letters: &[(char, Rights)] = match kind {
        Kind::File => &[
            ('a', Rights::ADD),
            ('d', Rights::DELETE),
            ('f', rename),
            ('r', Rights::READ),
            ('w', Rights::WRITE),
        ],
        Kind::Folder => &[
            ('c', Rights::ADD),
            ('d', Rights::DELETE),
            ('e', Rights::NONE),
            ('f', rename),
            ('l', Rights::LIST),
            ('m', Rights::MAKE),
            ('p', Rights::DELETE),
        ],
        _ => &[('d', Rights::DELETE), ('f', rename)],
    };
    letters.iter().filter(|(_, needed)| rights.contains(*needed)).map(|(letter, _)| *letter).collect()
}

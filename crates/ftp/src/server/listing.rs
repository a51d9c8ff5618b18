//! [`Rows`]: listings, for LIST, NLST and MLSD over data connections, for STAT over the control connection.

use crate::{
    Glob,
    listing::{self, FactSet, Kind, mlsx, unix},
};
use std::{os::unix::ffi::OsStrExt as _, time::SystemTime};
use trenza_auth::Rights;
use trenza_core::Transport;
use trenza_storage::{Entry, Error, ErrorKind, FileKind, Listing, Metadata, Path, Result, Storage};

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
    /// What stands before the names of those that a pattern has matched.
    prefix: Vec<u8>,
    style: Style,
    rights: Rights,
    /// Up to so many are sorted.
    sorted: usize,
}

enum Found {
    /// A file, or a folder as such, under the name that the client calls it by.
    One(Vec<u8>, Metadata),
    /// What is in a folder, and fits the pattern if there is one.
    In(Listing, Option<Glob>),
}

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
}

impl Rows {
    /// Looks for it. Names that only look like patterns go before what they stand for as such.
    pub(super) async fn find(storage: Storage, asked: Asked) -> Result<Self> {
        let text = asked.text.clone().unwrap_or_else(|| b".".to_vec());
        let path = asked.folder.resolve(&text)?;
        let slash = text.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let (before, last) = text.split_at(slash);
        let is_pattern = Glob::is_pattern(last) && !asked.folders_only;
        let mut prefix = Vec::new();
        let found = match storage.metadata(&path).await.map_err(Error::from) {
            Ok(metadata) if metadata.is_folder() && !asked.itself => {
                Found::In(storage.list(&path).await?, None)
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
        Ok(Self { found, prefix, style: asked.style, rights: asked.rights, sorted: asked.sorted })
    }

    /// Sends them, each with CRLF behind it.
    pub(super) async fn send(self, to: &Transport) -> Result {
        let (mut listing, glob) = match self.found {
            Found::One(name, metadata) => {
                let mut line = Vec::new();
                self.style.row(&name, &metadata, self.rights, &mut line);
                to.write_bytes(line.into());
                return Ok(());
            }
            Found::In(listing, glob) => (listing, glob),
        };
        let (mut gathered, mut sorting) = (Vec::new(), true);
        loop {
            let batch = listing.next().await?;
            let ended = batch.is_none();
            gathered.extend(batch.into_iter().flatten().filter(|entry| fits(entry, glob.as_ref())));
            if sorting && !ended && gathered.len() <= self.sorted {
                continue;
            }
            if sorting && ended {
                gathered.sort_by(|a, b| a.name.cmp(&b.name));
            }
            sorting = false;
            let mut lines = Vec::new();
            for entry in gathered.drain(..) {
                let name = [&self.prefix, entry.name.as_bytes()].concat();
                self.style.row(&name, &entry.metadata, self.rights, &mut lines);
            }
            to.flushed().await?;
            to.write_bytes(lines.into());
            if ended {
                return Ok(());
            }
        }
    }

    /// The first of them, sorted, without line ends, and whether there are more.
    pub(super) async fn lines(self) -> Result<(Vec<Vec<u8>>, bool)> {
        let row = |name: &[u8], metadata: &Metadata| {
            let mut line = Vec::new();
            self.style.row(name, metadata, self.rights, &mut line);
            line.truncate(line.len().saturating_sub(2));
            line
        };
        let (mut listing, glob) = match self.found {
            Found::One(name, metadata) => return Ok((vec![row(&name, &metadata)], false)),
            Found::In(listing, glob) => (listing, glob),
        };
        let mut gathered = Vec::new();
        while let Some(batch) = listing.next().await? {
            gathered.extend(batch.into_iter().filter(|entry| fits(entry, glob.as_ref())));
            if gathered.len() > self.sorted {
                break;
            }
        }
        let more = gathered.len() > self.sorted;
        gathered.truncate(self.sorted);
        gathered.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((gathered.iter().map(|entry| row(entry.name.as_bytes(), &entry.metadata)).collect(), more))
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

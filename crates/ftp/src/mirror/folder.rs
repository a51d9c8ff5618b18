//! [`Folder`]: a local folder that nobody climbs out of, read and written off the loop.

use super::compare::Facts;
use crate::Glob;
use bytes::Bytes;
use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions},
};
use std::{
    ffi::OsStr,
    fs::File,
    io::{self, ErrorKind},
    os::unix::{ffi::OsStrExt, fs::FileExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use trenza_core::{Reactor, Result as CoreResult, Wait};

/// How many bytes are written to a file at once.
const WRITE: usize = 256 * 1024;
/// The longest name of a file, in bytes.
pub(super) const NAME_MAX: usize = 255;

/// A local folder. Paths in it are relative, and lead out of it neither by `..` nor by links.
#[derive(Debug, Clone)]
pub struct Folder(Arc<Dir>);

/// Something in a folder.
#[derive(Debug, Clone)]
pub(super) struct Local {
    pub(super) name: Vec<u8>,
    pub(super) kind: LocalKind,
    pub(super) facts: Facts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LocalKind {
    File,
    Folder,
    Other,
}

/// Whether a name that came from elsewhere may be one in a local folder: it is not empty, no path, neither `.` nor `..`,
/// and has neither NUL nor more than 255 bytes.
///
/// ```
/// use trenza_ftp::is_local_name;
///
/// assert!(is_local_name(b"a b") && is_local_name(b"..."));
/// assert!(!is_local_name(b"..") && !is_local_name(b"../a") && !is_local_name(b"/etc/passwd"));
/// ```
pub fn is_local_name(name: &[u8]) -> bool {
    let separator = |c: &u8| matches!(c, b'/' | b'\0') || cfg!(windows) && matches!(c, b'\\' | b':');
    (1..=NAME_MAX).contains(&name.len()) && name != b"." && name != b".." && !name.iter().any(separator)
}

impl Folder {
    /// Opens a folder; blocks meanwhile.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self(Arc::new(Dir::open_ambient_dir(path, ambient_authority())?)))
    }

    /// Opens a folder, which is made if it is not there; blocks meanwhile.
    ///
    /// # Errors
    /// Those of the system.
    pub fn make(path: impl AsRef<Path>) -> io::Result<Self> {
        std::fs::create_dir_all(&path)?;
        Self::open(path)
    }

    async fn off_loop<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Dir) -> io::Result<T> + Send + 'static,
    ) -> CoreResult<T> {
        let dir = self.0.clone();
        Reactor::current().in_thread(move || Ok(job(&dir)?)).await
    }

    /// What is in a folder, in the order of names. Links are neither files nor folders.
    pub(super) async fn list(&self, path: &Path) -> CoreResult<Vec<Local>> {
        let path = here(path);
        self.off_loop(move |dir| {
            let mut all = Vec::new();
            for entry in dir.read_dir(&path)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                let kind = match metadata.file_type() {
                    kind if kind.is_dir() => LocalKind::Folder,
                    kind if kind.is_file() => LocalKind::File,
                    _ => LocalKind::Other,
                };
                let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
                let facts = Facts { size: Some(metadata.len()), modified };
                all.push(Local { name: entry.file_name().as_bytes().into(), kind, facts });
            }
            all.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(all)
        })
        .await
    }

    /// Makes a folder; that it is there already is fine.
    pub(super) async fn make_folder(&self, path: &Path) -> CoreResult {
        let path = here(path);
        self.off_loop(move |dir| match dir.create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.metadata(&path)?.is_dir() => Ok(()),
            made => made,
        })
        .await
    }

    /// Removes a file, or a folder with all that is in it but for what is excluded; false: so it is still there.
    pub(super) async fn remove(&self, path: &Path, kind: LocalKind, exclude: &[Glob]) -> CoreResult<bool> {
        let (path, exclude) = (path.to_owned(), exclude.to_vec());
        self.off_loop(move |dir| match kind {
            LocalKind::Folder if exclude.is_empty() => dir.remove_dir_all(path).map(|()| true),
            LocalKind::Folder => {
                let gone = clear(&dir.open_dir(&path)?, &exclude)?;
                if gone { dir.remove_dir(path).map(|()| true) } else { Ok(false) }
            }
            LocalKind::File | LocalKind::Other => dir.remove_file(path).map(|()| true),
        })
        .await
    }

    /// Size and time of a file; None: there is none.
    pub(super) async fn facts(&self, path: &Path) -> CoreResult<Option<Facts>> {
        let path = path.to_owned();
        self.off_loop(move |dir| match dir.symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
                Ok(Some(Facts { size: Some(metadata.len()), modified }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Opens a file for reading, with its size and time.
    pub(super) async fn read(&self, path: &Path) -> CoreResult<(Arc<File>, u64, SystemTime)> {
        let path = path.to_owned();
        self.off_loop(move |dir| {
            let file = dir.open(path)?.into_std();
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::new(ErrorKind::InvalidInput, "it is no file"));
            }
            Ok((Arc::new(file), metadata.len(), metadata.modified()?))
        })
        .await
    }

    /// Opens a file for writing from a byte on; what was behind it is cut off.
    pub(super) async fn write(&self, path: &Path, at: u64) -> CoreResult<Writer> {
        let path = path.to_owned();
        let file = self
            .off_loop(move |dir| {
                let file = dir.open_with(path, OpenOptions::new().write(true).create(true))?.into_std();
                file.set_len(at)?;
                Ok(file)
            })
            .await?;
        Ok(Writer { file: Arc::new(file), at, buffer: Vec::new(), writing: None })
    }

    /// Gives a file its name and time.
    pub(super) async fn finish(&self, from: &Path, to: &Path, modified: Option<SystemTime>) -> CoreResult {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.off_loop(move |dir| {
            if let Some(modified) = modified {
                dir.open_with(&from, OpenOptions::new().write(true))?.into_std().set_modified(modified)?;
            }
            dir.rename(&from, dir, &to)
        })
        .await
    }
}

/// Removes what is in a folder, but for what is excluded; true: that was all.
fn clear(dir: &Dir, exclude: &[Glob]) -> io::Result<bool> {
    let mut all = true;
    for entry in dir.entries()? {
        let entry = entry?;
        let gone = match entry.file_type()? {
            _ if exclude.iter().any(|glob| glob.matches(entry.file_name().as_bytes())) => false,
            kind if !kind.is_dir() => entry.remove_file().map(|()| true)?,
            _ => clear(&entry.open_dir()?, exclude)? && entry.remove_dir().map(|()| true)?,
        };
        all &= gone;
    }
    Ok(all)
}

/// A path in a folder; the folder itself is `.`.
fn here(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { ".".into() } else { path.into() }
}

/// A name as part of a path. Only for those that [`is_local_name`] has passed.
pub(super) fn in_folder(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

/// A file that is written off the loop, one large piece while the next one comes.
pub(super) struct Writer {
    file: Arc<File>,
    at: u64,
    buffer: Vec<u8>,
    writing: Option<Wait<()>>,
}

impl Writer {
    pub(super) async fn write(&mut self, piece: &Bytes) -> CoreResult {
        self.buffer.extend_from_slice(piece);
        if self.buffer.len() >= WRITE { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> CoreResult {
        if let Some(writing) = self.writing.take() {
            writing.await?;
        }
        let (file, at, buffer) = (self.file.clone(), self.at, std::mem::take(&mut self.buffer));
        self.at += buffer.len() as u64;
        let writing = Reactor::current().in_thread(move || Ok(file.write_all_at(&buffer, at)?));
        self.writing = Some(writing.into_future());
        Ok(())
    }

    /// Writes the rest; gives the size of the file.
    pub(super) async fn finish(mut self) -> CoreResult<u64> {
        self.flush().await?;
        if let Some(writing) = self.writing.take() {
            writing.await?;
        }
        Ok(self.at)
    }
}

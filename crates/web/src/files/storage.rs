//! What the file server knows of file systems: [`Storage`], and a folder in a sandbox behind it.
//!
//! Every call blocks, so all of it runs on the thread pool.

use bytes::Bytes;
use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, OpenOptionsExt as _},
};
use rustix::{
    fs::{OFlags, fcntl_setfl},
    io::Errno,
};
use std::{
    ffi::OsString,
    fmt,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The most bytes of a file whose contents may be kept while it is in the cache.
const SHORT: usize = 16 * 1024;

/// How long a file must have been left alone before its contents are believed to be what its stamp stands for: the clocks
/// of file systems are coarse, and within one tick it may be written to once more.
const AT_REST: Duration = Duration::from_secs(2);

/// A tree of files. Paths are relative to its root and have no `..`; the root is `.`.
pub(super) trait Storage: fmt::Debug + Send + Sync {
    /// What lies at `path`; a regular file comes open for reading. Never waits for the other end of a FIFO.
    ///
    /// # Errors
    /// Nothing is there (`NotFound`, also for links that lead to each other), or it may not be read
    /// (`PermissionDenied`, also for a path that leaves the root), or no descriptor is left (`ResourceBusy`).
    fn open(&self, path: &Path) -> io::Result<Node>;

    /// The files and folders in a folder, in no order, after looking at `most` names at the most.
    ///
    /// # Errors
    /// As for [`Storage::open`]; and it is not a folder.
    fn list(&self, path: &Path, most: usize) -> io::Result<List>;
}

/// What lies at a path.
#[derive(Debug)]
pub(super) enum Node {
    /// A regular file.
    File(Opened),
    /// A folder.
    Folder,
    /// A device, FIFO or socket, which nobody may read.
    Other,
}

/// An open file and what it was when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    /// For reading.
    pub(super) file: Arc<File>,
    /// Its state.
    pub(super) stamp: Stamp,
}

/// A state of a file: it differs after the file was replaced, grown, truncated or written to.
///
/// The time of status change is part of it because the time of modification can be set back, as unpacking and
/// copying tools do, and because the number of a deleted file is given to a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    /// In bytes.
    pub(super) size: u64,
    /// The time of modification.
    pub(super) modified: SystemTime,
    changed: (i64, i64),
}

impl Opened {
    /// All of it as it was opened, if it is short and at rest when the wall clock shows `wall`; else None. Blocks.
    pub(super) fn contents(&self, wall: SystemTime) -> Option<Bytes> {
        let size = usize::try_from(self.stamp.size).ok().filter(|size| (1..=SHORT).contains(size))?;
        if wall.duration_since(self.stamp.touched()?).ok()? < AT_REST {
            return None;
        }
        let mut contents = vec![0; size];
        self.file.read_exact_at(&mut contents, 0).ok()?;
        let after = Stamp::of(&self.file.metadata().ok()?).ok()?;
        (after == self.stamp).then(|| contents.into())
    }
}

impl Stamp {
    fn of(meta: &fs::Metadata) -> io::Result<Self> {
        Ok(Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            modified: meta.modified()?,
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    /// When it was last written to or replaced.
    fn touched(&self) -> Option<SystemTime> {
        let (seconds, nanoseconds) = self.changed;
        let since = Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?);
        Some(self.modified.max(UNIX_EPOCH.checked_add(since)?))
    }
}

/// Some or all of the names in a folder.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Files and folders that may be opened.
    pub(super) entries: Vec<Entry>,
    /// There are more names.
    pub(super) cut: bool,
}

/// A name in a folder.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Any bytes but NUL and slash.
    pub(super) name: OsString,
    /// A folder, else a regular file.
    pub(super) folder: bool,
    /// In bytes; of no meaning for a folder.
    pub(super) size: u64,
    /// The time of modification, where the system tells it.
    pub(super) modified: Option<SystemTime>,
}

/// A folder of the machine. It is opened by its path for every call, so that one that was replaced, as deploying
/// and building tools do, is served right from then on.
#[derive(Debug)]
pub(super) struct Folder {
    /// Absolute.
    path: PathBuf,
    outside_symlinks: bool,
}

/// An open folder.
enum Root {
    /// Opens only what is below it, whatever symbolic links say.
    Sandbox(Dir),
    /// Links may lead out of it.
    Path(PathBuf),
}

/// What a name stands for, links followed.
struct Look {
    folder: bool,
    file: bool,
    size: u64,
    modified: Option<SystemTime>,
}

impl Folder {
    /// The folder at `root`. A symbolic link is followed out of it only with `outside_symlinks`; otherwise it
    /// may lead anywhere below the root by a relative path.
    ///
    /// # Errors
    /// It does not exist, is not a folder, or may not be opened.
    pub(super) fn new(root: &Path, outside_symlinks: bool) -> io::Result<Self> {
        let folder = Self { path: std::path::absolute(root)?, outside_symlinks };
        Dir::open_ambient_dir(&folder.path, ambient_authority())?;
        Ok(folder)
    }

    fn root(&self) -> io::Result<Root> {
        if self.outside_symlinks {
            return Ok(Root::Path(self.path.clone()));
        }
        Ok(Root::Sandbox(Dir::open_ambient_dir(&self.path, ambient_authority())?))
    }
}

impl Root {
    fn look(&self, path: &Path) -> io::Result<Look> {
        Ok(match self {
            Self::Sandbox(dir) => {
                let meta = dir.metadata(path)?;
                let modified = meta.modified().ok().map(cap_std::time::SystemTime::into_std);
                Look { folder: meta.is_dir(), file: meta.is_file(), size: meta.len(), modified }
            }
            Self::Path(root) => {
                let meta = fs::metadata(root.join(path))?;
                let modified = meta.modified().ok();
                Look { folder: meta.is_dir(), file: meta.is_file(), size: meta.len(), modified }
            }
        })
    }

    /// Opens without waiting: between the look and the opening a FIFO may have come in the file's place.
    fn open_file(&self, path: &Path) -> io::Result<File> {
        let nonblock = OFlags::NONBLOCK.bits() as i32;
        match self {
            Self::Sandbox(dir) => {
                let file = dir.open_with(path, OpenOptions::new().read(true).custom_flags(nonblock))?;
                Ok(file.into_std())
            }
            Self::Path(root) => {
                fs::OpenOptions::new().read(true).custom_flags(nonblock).open(root.join(path))
            }
        }
    }

    fn names(&self, path: &Path, most: usize) -> io::Result<(Vec<OsString>, bool)> {
        let (names, more) = match self {
            Self::Sandbox(dir) => {
                let mut names = dir.read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name()));
                (names.by_ref().take(most).collect::<io::Result<_>>()?, names.next())
            }
            Self::Path(root) => {
                let mut names =
                    fs::read_dir(root.join(path))?.map(|entry| entry.map(|entry| entry.file_name()));
                (names.by_ref().take(most).collect::<io::Result<_>>()?, names.next())
            }
        };
        Ok((names, more.is_some()))
    }

    fn open_node(&self, path: &Path) -> io::Result<Node> {
        // Opening a device or a FIFO can have effects, so look first.
        match self.look(path)? {
            Look { folder: true, .. } => return Ok(Node::Folder),
            Look { file: true, .. } => {}
            _ => return Ok(Node::Other),
        }
        let file = self.open_file(path)?;
        // Who reads it later may take the flag at its word, as io_uring does on some file systems.
        fcntl_setfl(&file, OFlags::empty())?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Ok(if meta.is_dir() { Node::Folder } else { Node::Other });
        }
        let stamp = Stamp::of(&meta)?;
        Ok(Node::File(Opened { file: Arc::new(file), stamp }))
    }
}

impl Storage for Folder {
    fn open(&self, path: &Path) -> io::Result<Node> {
        self.root().and_then(|root| root.open_node(path)).map_err(named)
    }

    fn list(&self, path: &Path, most: usize) -> io::Result<List> {
        let root = self.root().map_err(named)?;
        let (names, cut) = root.names(path, most).map_err(named)?;
        let entries = names.into_iter().filter_map(|name| {
            // A name that vanished, or a link that may not be followed, is not shown.
            let look = root.look(&path.join(&name)).ok()?;
            let shown = look.file || look.folder;
            shown.then_some(Entry { name, folder: look.folder, size: look.size, modified: look.modified })
        });
        Ok(List { entries: entries.collect(), cut })
    }
}

/// Gives a kind to errors that the standard library has no name for yet.
fn named(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::ErrorKind::NotFound.into(),
        Some(Errno::MFILE | Errno::NFILE) => io::ErrorKind::ResourceBusy.into(),
        _ => error,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use io::ErrorKind::*;
    use std::{
        ffi::OsStr,
        io::{Read, Write},
        os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    };
    use tempfile::TempDir;

    /// A root with a file, a folder and a neighbour outside of it.
    fn tree() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("root/sub/deep")).unwrap();
        fs::write(dir.path().join("root/a.txt"), "inside").unwrap();
        fs::write(dir.path().join("root/sub/b.txt"), "below").unwrap();
        fs::write(dir.path().join("secret"), "outside").unwrap();
        dir
    }

    fn folder(dir: &TempDir, outside_symlinks: bool) -> Folder {
        Folder::new(&dir.path().join("root"), outside_symlinks).unwrap()
    }

    fn read(storage: &Folder, path: impl AsRef<Path>) -> Result<String, io::ErrorKind> {
        match storage.open(path.as_ref()).map_err(|error| error.kind())? {
            Node::File(opened) => {
                let mut text = String::new();
                (&*opened.file).read_to_string(&mut text).unwrap();
                assert_eq!(opened.stamp.size, text.len() as u64);
                Ok(text)
            }
            Node::Folder => Ok("<folder>".into()),
            Node::Other => Ok("<other>".into()),
        }
    }

    pub(in crate::files) fn make_fifo(path: &Path) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    fn stamp(storage: &Folder, path: &str) -> Stamp {
        match storage.open(Path::new(path)).unwrap() {
            Node::File(opened) => opened.stamp,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_and_folders_open() {
        let dir = tree();
        for outside in [false, true] {
            let storage = folder(&dir, outside);
            assert_eq!(read(&storage, "a.txt").unwrap(), "inside");
            assert_eq!(read(&storage, "sub/b.txt").unwrap(), "below");
            assert_eq!(read(&storage, "sub").unwrap(), "<folder>");
            assert_eq!(read(&storage, ".").unwrap(), "<folder>");
            assert_eq!(read(&storage, "none"), Err(NotFound));
            assert_eq!(read(&storage, "a.txt/b"), Err(NotADirectory));
            assert_eq!(read(&storage, "x".repeat(300)), Err(InvalidFilename));
        }
        assert_eq!(Folder::new(&dir.path().join("none"), false).unwrap_err().kind(), NotFound);
        assert_eq!(Folder::new(&dir.path().join("root/a.txt"), false).unwrap_err().kind(), NotADirectory);
    }

    #[test]
    fn the_sandbox_holds_even_where_paths_are_not_clean() {
        let dir = tree();
        let storage = folder(&dir, false);
        for path in ["../secret", "sub/../../secret", "/etc/passwd", "sub/deep/../../../secret"] {
            assert_eq!(read(&storage, path), Err(PermissionDenied), "{path}");
        }
    }

    #[test]
    fn links_lead_out_only_when_allowed() {
        let dir = tree();
        let root = dir.path().join("root");
        symlink("../secret", root.join("out")).unwrap();
        symlink(dir.path().join("secret"), root.join("absolute")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("sub/b.txt", root.join("in")).unwrap();
        symlink("../a.txt", root.join("sub/back")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("none", root.join("dangling")).unwrap();
        let (strict, lax) = (folder(&dir, false), folder(&dir, true));
        for path in ["out", "absolute", "up/secret"] {
            assert_eq!(read(&strict, path), Err(PermissionDenied), "{path}");
            assert_eq!(read(&lax, path).unwrap(), "outside", "{path}");
        }
        for storage in [&strict, &lax] {
            assert_eq!(read(storage, "in").unwrap(), "below");
            assert_eq!(read(storage, "sub/back").unwrap(), "inside");
            assert_eq!(read(storage, "loop"), Err(NotFound));
            assert_eq!(read(storage, "dangling"), Err(NotFound));
        }
        let shown = |storage: &Folder| {
            let mut names: Vec<_> = storage.list(Path::new("."), 99).unwrap().entries;
            names.sort_by(|a, b| a.name.cmp(&b.name));
            names.into_iter().map(|entry| entry.name.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&strict), "a.txt in sub");
        assert_eq!(shown(&lax), "a.txt absolute in out sub up");
    }

    #[test]
    fn a_root_that_was_replaced_is_seen() {
        let dir = tree();
        let (root, old) = (dir.path().join("root"), dir.path().join("old"));
        let both = [folder(&dir, false), folder(&dir, true)];
        fs::rename(&root, &old).unwrap();
        for storage in &both {
            assert_eq!(read(storage, "a.txt"), Err(NotFound));
            assert_eq!(storage.list(Path::new("."), 9).unwrap_err().kind(), NotFound);
        }
        fs::create_dir(&root).unwrap();
        fs::write(root.join("a.txt"), "new").unwrap();
        for storage in &both {
            assert_eq!(read(storage, "a.txt").unwrap(), "new");
            assert_eq!(storage.list(Path::new("."), 9).unwrap().entries.len(), 1);
        }
    }

    #[test]
    fn special_files_are_never_opened() {
        let dir = tree();
        let root = dir.path().join("root");
        let _socket = UnixListener::bind(root.join("socket")).unwrap();
        make_fifo(&root.join("fifo"));
        symlink("/dev/zero", root.join("zero")).unwrap();
        for outside in [false, true] {
            let storage = folder(&dir, outside);
            assert_eq!(read(&storage, "socket").unwrap(), "<other>");
            assert_eq!(read(&storage, "fifo").unwrap(), "<other>");
        }
        assert_eq!(read(&folder(&dir, false), "zero"), Err(PermissionDenied));
        assert_eq!(read(&folder(&dir, true), "zero").unwrap(), "<other>");
        // The opening itself does not wait either, should a FIFO come between the look and it.
        assert!(folder(&dir, false).root().unwrap().open_file(Path::new("fifo")).is_ok());
    }

    #[test]
    fn errors_without_a_name_get_one() {
        for (errno, kind) in [
            (Errno::MFILE, ResourceBusy),
            (Errno::NFILE, ResourceBusy),
            (Errno::LOOP, NotFound),
            (Errno::ACCESS, PermissionDenied),
        ] {
            assert_eq!(named(errno.into()).kind(), kind);
        }
    }

    #[test]
    fn names_are_bytes() {
        let dir = tree();
        let name = OsStr::from_bytes(b"caf\xe9 \x01.txt");
        fs::write(dir.path().join("root").join(name), "latin").unwrap();
        let storage = folder(&dir, false);
        assert_eq!(read(&storage, name).unwrap(), "latin");
        assert!(storage.list(Path::new("."), 99).unwrap().entries.iter().any(|entry| entry.name == name));
    }

    #[test]
    fn contents_of_short_files_at_rest_are_read() {
        let dir = tree();
        let storage = folder(&dir, false);
        let opened = || match storage.open(Path::new("a.txt")).unwrap() {
            Node::File(opened) => opened,
            other => panic!("{other:?}"),
        };
        let first = opened();
        let rest = first.stamp.touched().unwrap() + AT_REST;
        assert_eq!(first.contents(rest).unwrap(), "inside");
        assert_eq!(
            first.contents(rest - Duration::from_nanos(1)),
            None,
            "it may be written to in the same tick"
        );
        assert_eq!(first.contents(UNIX_EPOCH), None, "the file is of the future");

        let path = dir.path().join("root/a.txt");
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"!").unwrap();
        assert_eq!(first.contents(rest + AT_REST), None, "it was written to since it was opened");
        for (len, kept) in [(0, false), (1, true), (SHORT, true), (SHORT + 1, false)] {
            fs::write(&path, vec![b'a'; len]).unwrap();
            let opened = opened();
            let rest = opened.stamp.touched().unwrap() + AT_REST;
            assert_eq!(opened.contents(rest).is_some_and(|contents| contents.len() == len), kept, "{len}");
        }
    }

    #[test]
    fn lists_are_bounded() {
        let dir = tree();
        for outside in [false, true] {
            let storage = folder(&dir, outside);
            let all = storage.list(Path::new("."), 2).unwrap();
            assert_eq!((all.entries.len(), all.cut), (2, false));
            let some = storage.list(Path::new("."), 1).unwrap();
            assert_eq!((some.entries.len(), some.cut), (1, true));
            assert!(storage.list(Path::new("sub/deep"), 1).unwrap().entries.is_empty());
            assert_eq!(storage.list(Path::new("a.txt"), 1).unwrap_err().kind(), NotADirectory);
        }
        let entries = folder(&dir, false).list(Path::new("."), 99).unwrap().entries;
        let file = entries.iter().find(|entry| !entry.folder).unwrap();
        assert_eq!((file.name.to_str(), file.size), (Some("a.txt"), 6));
        assert!(file.modified.is_some());
    }

    #[test]
    fn stamps_differ_after_every_kind_of_change() {
        let dir = tree();
        let path = dir.path().join("root/a.txt");
        let storage = folder(&dir, false);
        let first = stamp(&storage, "a.txt");
        assert_eq!(stamp(&storage, "a.txt"), first);

        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"!").unwrap();
        let grown = stamp(&storage, "a.txt");
        assert_ne!(grown, first);

        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(3).unwrap();
        let cut = stamp(&storage, "a.txt");
        assert_ne!(cut, grown);

        // Another file of the same size and time of modification, moved over it.
        let other = dir.path().join("other");
        fs::write(&other, "xyz").unwrap();
        let times = fs::FileTimes::new().set_modified(cut.modified);
        File::options().write(true).open(&other).unwrap().set_times(times).unwrap();
        fs::rename(&other, &path).unwrap();
        let replaced = stamp(&storage, "a.txt");
        assert_eq!((replaced.size, replaced.modified), (cut.size, cut.modified));
        assert_ne!(replaced, cut);

        let times = fs::FileTimes::new().set_modified(cut.modified + Duration::from_nanos(1));
        File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        let touched = stamp(&storage, "a.txt");
        assert_ne!(touched, replaced);

        // Other contents of the same size, and the time of modification set back. The clock of the file
        // system may be coarse: until it ticks nobody could tell.
        let times = fs::FileTimes::new().set_modified(touched.modified);
        while (fs::metadata(&path).unwrap().ctime(), fs::metadata(&path).unwrap().ctime_nsec())
            == touched.changed
        {
            let mut file = File::options().write(true).open(&path).unwrap();
            file.write_all(b"XYZ").unwrap();
            file.set_times(times).unwrap();
        }
        let rewritten = stamp(&storage, "a.txt");
        assert_eq!((rewritten.size, rewritten.modified), (touched.size, touched.modified));
        assert_ne!(rewritten, touched);
    }
}

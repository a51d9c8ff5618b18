//! [`Tree`]: what suites know of file systems.

use crate::{Entry, Metadata, Path, Result, Space};
use std::{fmt::Debug, sync::Arc, time::SystemTime};

/// A folder and all that is in it. Every call blocks: on the loop use [`Storage`](crate::Storage).
///
/// Symbolic links are followed where a file or folder is opened or looked at, but not out of the tree; what changes
/// names ([`rename`](Tree::rename), [`remove_file`](Tree::remove_file), [`link`](Tree::link)) is about the link itself.
///
/// All methods fail with [`NotFound`](crate::ErrorKind::NotFound), [`NotAFolder`](crate::ErrorKind::NotAFolder),
/// [`Escape`](crate::ErrorKind::Escape) and [`Denied`](crate::ErrorKind::Denied) for a path that leads nowhere,
/// through a file, out of the tree, or to where the system lets us do nothing, with
/// [`Busy`](crate::ErrorKind::Busy) when no descriptor is left, and with [`Io`](crate::ErrorKind::Io). What else may go
/// wrong is said at each.
pub trait Tree: Debug + Send + Sync + 'static {
    /// Opens a regular file for reading. It never waits for the other end of a FIFO.
    ///
    /// # Errors
    /// [`IsAFolder`](crate::ErrorKind::IsAFolder), [`Special`](crate::ErrorKind::Special).
    fn open(&self, path: &Path) -> Result<Arc<dyn File>>;

    /// Keeps a folder open, for many of its files to be opened: what leads there is looked up once.
    ///
    /// # Errors
    /// Those of all methods; or [`OpenFolder::open`] has them.
    fn open_folder<'a>(&'a self, path: &Path) -> Result<Box<dyn OpenFolder + 'a>> {
        Ok(Box::new(Named { tree: self, folder: path.clone() }))
    }

    /// Opens or makes a regular file for writing.
    ///
    /// # Errors
    /// [`IsAFolder`](crate::ErrorKind::IsAFolder), [`Special`](crate::ErrorKind::Special); those that [`Write`] names;
    /// [`NoSpace`](crate::ErrorKind::NoSpace) and [`Quota`](crate::ErrorKind::Quota).
    fn write(&self, path: &Path, how: Write) -> Result<Box<dyn Writer>>;

    /// What lies at a path.
    ///
    /// # Errors
    /// Those of all methods.
    fn metadata(&self, path: &Path) -> Result<Metadata>;

    /// What a name itself stands for: of a symbolic link the link ([`FileKind::Link`](crate::FileKind::Link)), not what it
    /// leads to.
    ///
    /// # Errors
    /// Those of all methods.
    fn symlink_metadata(&self, path: &Path) -> Result<Metadata>;

    /// Begins to list a folder.
    ///
    /// # Errors
    /// Those of all methods.
    fn list(&self, path: &Path) -> Result<Box<dyn List>>;

    /// Makes a folder.
    ///
    /// # Errors
    /// [`Exists`](crate::ErrorKind::Exists); [`NoSpace`](crate::ErrorKind::NoSpace) and
    /// [`Quota`](crate::ErrorKind::Quota).
    fn make_folder(&self, path: &Path) -> Result;

    /// Takes a name from a file, from a link, or from a device, FIFO or socket. Who has it open keeps it.
    ///
    /// # Errors
    /// [`IsAFolder`](crate::ErrorKind::IsAFolder).
    fn remove_file(&self, path: &Path) -> Result;

    /// Removes a folder. Temporary files of writers that have died are removed with it, those of living ones too.
    ///
    /// # Errors
    /// [`NotEmpty`](crate::ErrorKind::NotEmpty).
    fn remove_folder(&self, path: &Path) -> Result;

    /// Gives a file or folder another name, at once: nobody sees it under both or none. With `replace` a file takes the
    /// place of a file, a folder that of an empty folder.
    ///
    /// # Errors
    /// [`Exists`](crate::ErrorKind::Exists): the new name is taken, and it is not to be replaced;
    /// [`IsAFolder`](crate::ErrorKind::IsAFolder), [`NotEmpty`](crate::ErrorKind::NotEmpty);
    /// [`Name`](crate::ErrorKind::Name): a folder would be inside itself; [`Unsupported`](crate::ErrorKind::Unsupported):
    /// the new place is on another file system.
    fn rename(&self, from: &Path, to: &Path, replace: bool) -> Result;

    /// Gives a regular file one more name.
    ///
    /// # Errors
    /// [`Exists`](crate::ErrorKind::Exists), [`IsAFolder`](crate::ErrorKind::IsAFolder),
    /// [`Special`](crate::ErrorKind::Special), [`Unsupported`](crate::ErrorKind::Unsupported).
    fn link(&self, from: &Path, to: &Path) -> Result;

    /// Sets the time of a file's or folder's last change.
    ///
    /// # Errors
    /// [`Special`](crate::ErrorKind::Special).
    fn set_modified(&self, path: &Path, time: SystemTime) -> Result;

    /// Sets who may do what with a file or folder, as `chmod` does; of the mode only the lowest nine bits, so nothing
    /// becomes set-user-id.
    ///
    /// # Errors
    /// Those of all methods.
    fn set_mode(&self, path: &Path, mode: u32) -> Result;

    /// Brings a file's bytes, or the names in a folder, to the medium (`fsync`), so that a loss of power does not take
    /// them. A file whose name is to be there too needs both.
    ///
    /// # Errors
    /// [`Special`](crate::ErrorKind::Special).
    fn sync(&self, path: &Path) -> Result;

    /// How much room there is.
    ///
    /// # Errors
    /// Those of all methods.
    fn space(&self) -> Result<Space>;

    /// Removes temporary files that nobody has written to since `before`: those of writers that died with their
    /// process. How many there were. Links are not followed.
    ///
    /// # Errors
    /// The root cannot be listed. What cannot be looked at below it is left alone.
    fn sweep(&self, before: SystemTime) -> Result<u64>;
}

/// A folder that is kept open.
pub trait OpenFolder: Debug {
    /// Opens a regular file in it for reading, as [`Tree::open`] does.
    ///
    /// # Errors
    /// Those of [`Tree::open`]; [`Name`](crate::ErrorKind::Name): this can be no name.
    fn open(&self, name: &[u8]) -> Result<Arc<dyn File>>;
}

/// A folder by its path, for trees that have no better way.
#[derive(Debug)]
struct Named<'a, T: ?Sized> {
    tree: &'a T,
    folder: Path,
}

impl<T: Tree + ?Sized> OpenFolder for Named<'_, T> {
    fn open(&self, name: &[u8]) -> Result<Arc<dyn File>> {
        self.tree.open(&self.folder.join(name)?)
    }
}

/// How a file is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// A file that nobody sees before it is whole: until [`Writer::commit`] it has a temporary name, and then takes the
    /// place of what is there, with its mode. If that is a symbolic link, of the link.
    Replace,
    /// The same for a name that is free. [`Exists`](crate::ErrorKind::Exists) now or at the commit, if it is taken.
    Create,
    /// A file that has its name at once, as a reservation. [`Exists`](crate::ErrorKind::Exists) if it is taken.
    New,
    /// The end of a file, which is made if there is none. Nobody else's bytes come between those of one call.
    Append,
    /// A file that is there, from this byte on; what was behind what is written stays.
    /// [`Range`](crate::ErrorKind::Range) if the file is shorter.
    At(u64),
}

/// A file that is open for reading. It stays what it is when it is renamed, replaced or removed.
pub trait File: Debug + Send + Sync {
    /// What was known of it when it was opened.
    fn opened(&self) -> &Metadata;

    /// What is known of it now.
    ///
    /// # Errors
    /// Those of the device.
    fn metadata(&self) -> Result<Metadata>;

    /// Reads from a place on; how many bytes, 0 only at the end or for an empty buffer.
    ///
    /// # Errors
    /// Those of the device.
    fn read_at(&self, into: &mut [u8], at: u64) -> Result<usize>;

    /// The file of the system behind it, for [`send_file`](trenza_core::Transport::send_file). None: it is read by
    /// [`File::read_at`] only.
    fn system(&self) -> Option<&Arc<std::fs::File>> {
        None
    }
}

/// A file that is open for writing.
///
/// What is dropped without a [`commit`](Writer::commit) was not meant to be: [`Write::Replace`] and [`Write::Create`]
/// leave nothing then, the others leave what was written.
pub trait Writer: Debug + Send {
    /// Writes all of it behind what was written before.
    ///
    /// # Errors
    /// [`NoSpace`](crate::ErrorKind::NoSpace), [`Quota`](crate::ErrorKind::Quota), [`Io`](crate::ErrorKind::Io); some
    /// of it may have been written.
    fn write(&mut self, bytes: &[u8]) -> Result;

    /// How many bytes were written.
    fn written(&self) -> u64;

    /// Brings what was written to the medium (`fsync`).
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io): nothing is known of what was written since the last success, and trying again does
    /// not help, since the system may have dropped it.
    fn sync(&mut self) -> Result;

    /// Ends the writing and gives the file its name. To survive a loss of power it needs a [`Writer::sync`] before and
    /// a [`Tree::sync`] of its folder afterwards.
    ///
    /// # Errors
    /// Those of [`Tree::rename`].
    fn commit(self: Box<Self>) -> Result<Metadata>;
}

/// The names of a folder, a batch at a time. What is made or removed meanwhile is seen or not.
pub trait List: Debug + Send {
    /// The next entries, at most so many; none: that was all. In no order. What cannot be looked at is left out, and so
    /// are [temporary](crate::TEMPORARY) files.
    ///
    /// # Errors
    /// Those of the device.
    fn next(&mut self, most: usize) -> Result<Vec<Entry>>;
}

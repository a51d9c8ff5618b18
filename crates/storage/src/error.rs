//! [`Error`]: what went wrong, as a kind that protocols choose their replies by.

use std::{fmt, io};

/// The result of an operation on a tree.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing is there. Also for links that lead to each other.
    NotFound,
    /// The name is taken.
    Exists,
    /// The system, or a [`Restricted`](crate::Restricted), does not allow it.
    Denied,
    /// A symbolic link on the way leads out of the tree.
    Escape,
    /// A file is where a folder was expected.
    NotAFolder,
    /// A folder is where a file was expected.
    IsAFolder,
    /// A device, FIFO or socket, which nobody may open.
    Special,
    /// The folder is not empty.
    NotEmpty,
    /// The disk is full, or the user's share of it that the system counts.
    NoSpace,
    /// The tree's [`Quota`](crate::Quota) is used up.
    Quota,
    /// No file can have this name, or this file cannot: it is too long, reserved, or a folder's in itself.
    Name,
    /// The place to write at is behind the end of the file.
    Range,
    /// So much is under way that this was refused: calls, or open files of the process. Later it may succeed.
    Busy,
    /// This tree cannot do it.
    Unsupported,
    /// Anything else: the device failed, say.
    Io,
}

impl ErrorKind {
    fn text(self) -> &'static str {
        match self {
            Self::NotFound => "nothing is there",
            Self::Exists => "the name is taken",
            Self::Denied => "it is not allowed",
            Self::Escape => "a link leads out of the tree",
            Self::NotAFolder => "it is not a folder",
            Self::IsAFolder => "it is a folder",
            Self::Special => "it is neither a file nor a folder",
            Self::NotEmpty => "the folder is not empty",
            Self::NoSpace => "no space is left",
            Self::Quota => "the quota is used up",
            Self::Name => "it cannot have this name",
            Self::Range => "this is behind the end of the file",
            Self::Busy => "too much is under way",
            Self::Unsupported => "this tree cannot do it",
            Self::Io => "input or output failed",
        }
    }

    fn of(error: &io::Error) -> Self {
        use rustix::io::Errno;
        match Errno::from_io_error(error) {
            Some(Errno::LOOP) => return Self::NotFound,
            Some(Errno::MFILE | Errno::NFILE) => return Self::Busy,
            Some(Errno::DQUOT) => return Self::NoSpace,
            Some(Errno::NXIO) => return Self::Special,
            _ => {}
        }
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::Exists,
            // The sandbox says so by an error of its own, the system by a number.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Self::Escape,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied,
            io::ErrorKind::NotADirectory => Self::NotAFolder,
            io::ErrorKind::IsADirectory => Self::IsAFolder,
            io::ErrorKind::DirectoryNotEmpty => Self::NotEmpty,
            io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace
            }
            io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput => Self::Name,
            io::ErrorKind::ResourceBusy => Self::Busy,
            io::ErrorKind::Unsupported | io::ErrorKind::CrossesDevices => Self::Unsupported,
            _ => Self::Io,
        }
    }
}

/// What went wrong with a tree.
///
/// ```
/// use trenza_storage::{Error, ErrorKind, Path};
///
/// assert_eq!(Path::new("a/../b").unwrap_err().kind(), ErrorKind::Name);
/// assert_eq!(Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull)).kind(), ErrorKind::NoSpace);
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Option<trenza_core::Error>,
}

impl Error {
    /// An error of this kind, with `source` behind it.
    pub fn new(kind: ErrorKind, source: impl Into<trenza_core::Error>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.text())?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source: &(dyn std::error::Error + 'static) = &**self.source.as_ref()?;
        Some(source)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self { kind: ErrorKind::of(&error), source: Some(error.into()) }
    }
}

/// The system's own error where there is one, else this one with the nearest kind.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::Exists => io::ErrorKind::AlreadyExists,
            ErrorKind::Denied | ErrorKind::Escape | ErrorKind::Special => io::ErrorKind::PermissionDenied,
            ErrorKind::NotAFolder => io::ErrorKind::NotADirectory,
            ErrorKind::IsAFolder => io::ErrorKind::IsADirectory,
            ErrorKind::NotEmpty => io::ErrorKind::DirectoryNotEmpty,
            ErrorKind::NoSpace => io::ErrorKind::StorageFull,
            ErrorKind::Quota => io::ErrorKind::QuotaExceeded,
            ErrorKind::Name => io::ErrorKind::InvalidFilename,
            ErrorKind::Range => io::ErrorKind::InvalidInput,
            ErrorKind::Busy => io::ErrorKind::ResourceBusy,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::Io => io::ErrorKind::Other,
        };
        match error.source.map(|source| source.downcast::<Self>()) {
            Some(Ok(own)) => *own,
            Some(Err(source)) => Self::new(kind, Error { kind: error.kind, source: Some(source) }),
            None => Self::new(kind, Error::from(error.kind)),
        }
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        io::Error::from(errno).into()
    }
}

/// The error of a [`Deferred`](trenza_core::Deferred) of this crate, as what it was before the engine carried it.
impl From<trenza_core::Error> for Error {
    fn from(error: trenza_core::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(error) => return *error,
            Err(error) => error,
        };
        let error = match error.downcast::<io::Error>() {
            Ok(error) => return (*error).into(),
            Err(error) => error,
        };
        let busy = error.is::<trenza_core::TooManyWaiters>() || error.is::<trenza_core::driver::PoolFull>();
        Self { kind: if busy { ErrorKind::Busy } else { ErrorKind::Io }, source: Some(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn kinds_are_told_from_the_systems_numbers() {
        for (errno, kind) in [
            (Errno::NOENT, ErrorKind::NotFound),
            (Errno::LOOP, ErrorKind::NotFound),
            (Errno::EXIST, ErrorKind::Exists),
            (Errno::ACCESS, ErrorKind::Denied),
            (Errno::PERM, ErrorKind::Denied),
            (Errno::ROFS, ErrorKind::Denied),
            (Errno::NOTDIR, ErrorKind::NotAFolder),
            (Errno::ISDIR, ErrorKind::IsAFolder),
            (Errno::NXIO, ErrorKind::Special),
            (Errno::NOTEMPTY, ErrorKind::NotEmpty),
            (Errno::NOSPC, ErrorKind::NoSpace),
            (Errno::DQUOT, ErrorKind::NoSpace),
            (Errno::FBIG, ErrorKind::NoSpace),
            (Errno::NAMETOOLONG, ErrorKind::Name),
            (Errno::INVAL, ErrorKind::Name),
            (Errno::MFILE, ErrorKind::Busy),
            (Errno::NFILE, ErrorKind::Busy),
            (Errno::XDEV, ErrorKind::Unsupported),
            (Errno::IO, ErrorKind::Io),
        ] {
            assert_eq!(Error::from(errno).kind(), kind, "{errno:?}");
        }
    }

    #[test]
    fn the_systems_errors_come_out_as_they_went_in() {
        let error = io::Error::from(Error::from(Errno::NOENT));
        assert_eq!(error.raw_os_error(), Some(Errno::NOENT.raw_os_error()));
        let error = io::Error::from(Error::from(ErrorKind::Quota));
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::QuotaExceeded, "the quota is used up")
        );
        let error = io::Error::from(Error::new(ErrorKind::Escape, "why"));
        assert_eq!(error.to_string(), "a link leads out of the tree: why");
    }

    #[test]
    fn the_engine_carries_errors_unchanged() {
        let carried = trenza_core::Error::from(Error::from(ErrorKind::Quota));
        assert_eq!(Error::from(carried).kind(), ErrorKind::Quota);
        let carried = trenza_core::Error::from(io::Error::from(Errno::NOSPC));
        assert_eq!(Error::from(carried).kind(), ErrorKind::NoSpace);
        let other = Error::from(trenza_core::Error::from("something else"));
        assert_eq!(
            (other.kind(), other.to_string().as_str()),
            (ErrorKind::Io, "input or output failed: something else")
        );
    }
}

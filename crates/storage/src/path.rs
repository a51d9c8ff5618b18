//! [`Path`]: where something is in a tree, checked once and for all.

use crate::{ErrorKind, Result};
use std::{ffi::OsStr, fmt, os::unix::ffi::OsStrExt as _};

/// The most bytes of a name.
pub const NAME_MAX: usize = 255;
/// The most bytes of a path, slashes included.
pub const PATH_MAX: usize = 4095;
/// The most names of a path: so deep may folders be inside each other.
pub const DEPTH_MAX: usize = 128;
/// How the names of files begin that are being written and have no name of their own yet. No [`Path`] has such a name,
/// no list shows one.
pub const TEMPORARY: &[u8] = b".trenza-";

/// Where something is in a tree: the names from the root on. The root has none.
///
/// A name is any bytes but `/` and NUL, not `.` nor `..`, at most [`NAME_MAX`] long, and does not begin with
/// [`TEMPORARY`]. So a path cannot say anything outside of the tree.
///
/// ```
/// use trenza_storage::Path;
///
/// let folder = Path::new("music/b")?;
/// assert_eq!(folder.join("caf\u{e9}")?.to_string(), "/music/b/caf\u{e9}");
/// // As users and clients write it, seen from a folder:
/// assert_eq!(folder.resolve("../c/./d.ogg")?.as_bytes(), b"music/c/d.ogg");
/// assert_eq!(folder.resolve("/../../etc")?.as_bytes(), b"etc", "the root is its own parent");
/// assert!(Path::new("/etc").is_err() && Path::new("a//b").is_err() && Path::new("..").is_err());
/// # Ok::<(), trenza_storage::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Path(Vec<u8>);

impl Path {
    /// The root of the tree.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path of names with a slash between each two; nothing is the root.
    ///
    /// # Errors
    /// [`ErrorKind::Name`]: one of them is no name, or there are more than [`DEPTH_MAX`], or more than [`PATH_MAX`]
    /// bytes.
    pub fn new(names: impl AsRef<[u8]>) -> Result<Self> {
        let names = names.as_ref();
        let mut path = Self::root();
        if !names.is_empty() {
            for name in names.split(|byte| *byte == b'/') {
                path.push(name)?;
            }
        }
        Ok(path)
    }

    /// The path of a name in this folder.
    ///
    /// # Errors
    /// Those of [`Path::new`].
    pub fn join(&self, name: impl AsRef<[u8]>) -> Result<Self> {
        let mut path = self.clone();
        path.push(name.as_ref())?;
        Ok(path)
    }

    /// What `text` stands for in this folder: from the root if it begins with a slash; `.` and empty names are left
    /// out, `..` goes up, and the root is its own parent. No link is looked at.
    ///
    /// # Errors
    /// Those of [`Path::new`].
    pub fn resolve(&self, text: impl AsRef<[u8]>) -> Result<Self> {
        let text = text.as_ref();
        let mut path = if text.starts_with(b"/") { Self::root() } else { self.clone() };
        for name in text.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => path = path.parent().unwrap_or_default(),
                name => path.push(name)?,
            }
        }
        Ok(path)
    }

    /// The folder that it is in; None for the root.
    pub fn parent(&self) -> Option<Self> {
        let name = self.name()?;
        let rest = self.0.len() - name.len();
        Some(Self(self.0.get(..rest.saturating_sub(1)).unwrap_or_default().to_vec()))
    }

    /// Its last name; None for the root.
    pub fn name(&self) -> Option<&[u8]> {
        self.names().next_back()
    }

    /// Its names, from the root on.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// True for the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// True when it is `folder` or something in it, at any depth.
    pub fn is_within(&self, folder: &Self) -> bool {
        self.0
            .strip_prefix(&*folder.0)
            .is_some_and(|rest| folder.is_root() || rest.is_empty() || rest.starts_with(b"/"))
    }

    /// The names with slashes between them, none before the first.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same for the system, relative to the root, which is `.`.
    pub fn as_system(&self) -> &std::path::Path {
        let bytes: &[u8] = if self.0.is_empty() { b"." } else { &self.0 };
        std::path::Path::new(OsStr::from_bytes(bytes))
    }

    fn push(&mut self, name: &[u8]) -> Result {
        let is_name = !name.is_empty()
            && name != b"."
            && name != b".."
            && name.len() <= NAME_MAX
            && !name.iter().any(|byte| matches!(byte, 0 | b'/'))
            && !name.starts_with(TEMPORARY);
        let depth = self.names().count();
        if !is_name || depth == DEPTH_MAX || self.0.len() + 1 + name.len() > PATH_MAX {
            return Err(ErrorKind::Name.into());
        }
        if !self.0.is_empty() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
        Ok(())
    }
}

/// From the root's slash on; bytes that are not UTF-8 are replaced.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"/{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "x".repeat(NAME_MAX + 1);
        for bad in
            ["/", "/a", "a/", "a//b", ".", "..", "a/..", "./a", "a\0b", ".trenza-1", "a/.trenza-", &long]
        {
            assert_eq!(Path::new(bad).unwrap_err().kind(), ErrorKind::Name, "{bad:?}");
            assert!(Path::root().join(bad).is_err(), "{bad:?}");
        }
        for good in
            ["", "a", "a/b", "...", ".a", " ", "a\nb", "\u{7f}", "trenza-", ".trenza", &"x".repeat(NAME_MAX)]
        {
            assert_eq!(Path::new(good).unwrap().as_bytes(), good.as_bytes());
        }
        assert!(Path::root().join("").is_err() && Path::root().join("a/b").is_err());
        assert_eq!(Path::new(b"caf\xe9").unwrap().as_bytes(), b"caf\xe9");
    }

    #[test]
    fn lengths_are_limited() {
        let deep = vec!["a"; DEPTH_MAX].join("/");
        let path = Path::new(&deep).unwrap();
        assert_eq!(path.join("b").unwrap_err().kind(), ErrorKind::Name);
        assert_eq!(path.resolve("../b").unwrap().names().count(), DEPTH_MAX);
        let long = vec!["x".repeat(NAME_MAX); 16].join("/");
        assert_eq!(long.len(), PATH_MAX);
        assert!(Path::new(&long).is_ok() && Path::new(format!("{long}y")).is_err());
        let short_by = |bytes: usize| Path::new(long.get(bytes..).unwrap()).unwrap();
        assert!(short_by(1).join("y").is_err() && short_by(2).join("y").is_ok());
    }

    #[test]
    fn texts_are_resolved() {
        let at = Path::new("a/b").unwrap();
        for (text, expected) in [
            ("", "/a/b"),
            (".", "/a/b"),
            ("..", "/a"),
            ("../..", "/"),
            ("../../../..", "/"),
            ("/", "/"),
            ("//x///y/", "/x/y"),
            ("c", "/a/b/c"),
            ("/../x", "/x"),
            ("c/../../d", "/a/d"),
        ] {
            assert_eq!(at.resolve(text).unwrap().to_string(), expected, "{text:?}");
        }
        assert!(at.resolve("a\0").is_err() && at.resolve("../.trenza-1").is_err());
    }

    #[test]
    fn parents_and_names() {
        let path = Path::new("a/b").unwrap();
        assert_eq!(path.name(), Some(&b"b"[..]));
        let parent = path.parent().unwrap();
        assert_eq!((parent.as_bytes(), parent.name()), (&b"a"[..], Some(&b"a"[..])));
        let root = parent.parent().unwrap();
        assert!(root.is_root() && root.parent().is_none() && root.name().is_none());
        assert_eq!((root.as_system().to_str(), path.as_system().to_str()), (Some("."), Some("a/b")));
        assert!(path.is_within(&path) && path.is_within(&parent) && path.is_within(&root));
        assert!(!parent.is_within(&path) && !Path::new("ab").unwrap().is_within(&parent));
        assert_eq!(format!("{:?}", Path::new(b"\xff\n").unwrap()), r#""/\xff\n""#);
    }
}

//! [`Opened`]: a file that was opened to be sent, and what it was then.

use bytes::Bytes;
use std::{
    fs,
    os::unix::fs::FileExt as _,
    sync::Arc,
    time::{Duration, SystemTime},
};
use trenza_storage::{ErrorKind, File, Metadata, Result};

/// The most bytes of a file whose contents may be kept while it is in the cache.
const SHORT: usize = 16 * 1024;

/// How long a file must have been left alone before its contents are believed to be what its metadata stand for: the
/// clocks of file systems are coarse, and within one tick it may be written to once more.
const AT_REST: Duration = Duration::from_secs(2);

/// An open file and what it was when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    /// For reading.
    pub(super) file: Arc<fs::File>,
    /// They differ after the file was replaced, grown, truncated or written to.
    pub(super) metadata: Metadata,
}

impl Opened {
    /// A file of a tree that the system has, since it is the system that sends it.
    pub(super) fn new(file: &dyn File) -> Result<Self> {
        let system = file.system().ok_or(ErrorKind::Unsupported)?;
        Ok(Self { file: system.clone(), metadata: file.opened().clone() })
    }

    /// All of it as it was opened, if it is short and at rest when the wall clock shows `wall`; else None. Blocks.
    pub(super) fn contents(&self, wall: SystemTime) -> Option<Bytes> {
        let size = usize::try_from(self.metadata.size).ok().filter(|size| (1..=SHORT).contains(size))?;
        let touched = self.metadata.modified.max(self.metadata.changed);
        if wall.duration_since(touched).ok()? < AT_REST {
            return None;
        }
        let mut contents = vec![0; size];
        self.file.read_exact_at(&mut contents, 0).ok()?;
        let after = Metadata::from(&self.file.metadata().ok()?);
        (after == self.metadata).then(|| contents.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write as _, time::UNIX_EPOCH};
    use trenza_storage::{Folder, Path, Tree as _};

    #[test]
    fn contents_of_short_files_at_rest_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        fs::write(&path, "inside").unwrap();
        let tree = Folder::new(dir.path()).unwrap();
        let opened = || Opened::new(&*tree.open(&Path::new("a.txt").unwrap()).unwrap()).unwrap();
        let touched = |opened: &Opened| opened.metadata.modified.max(opened.metadata.changed);
        let first = opened();
        let rest = touched(&first) + AT_REST;
        assert_eq!(first.contents(rest).unwrap(), "inside");
        assert_eq!(
            first.contents(rest - Duration::from_nanos(1)),
            None,
            "it may be written to in the same tick"
        );
        assert_eq!(first.contents(UNIX_EPOCH), None, "the file is of the future");

        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"!").unwrap();
        assert_eq!(first.contents(rest + AT_REST), None, "it was written to since it was opened");
        for (len, kept) in [(0, false), (1, true), (SHORT, true), (SHORT + 1, false)] {
            fs::write(&path, vec![b'a'; len]).unwrap();
            let opened = opened();
            let rest = touched(&opened) + AT_REST;
            assert_eq!(opened.contents(rest).is_some_and(|contents| contents.len() == len), kept, "{len}");
        }
    }

    #[test]
    fn files_that_the_system_does_not_have_are_not_sent() {
        let disk = trenza_sim::Disk::alone(1);
        let path = Path::new("a").unwrap();
        disk.write(&path, trenza_storage::Write::Create).unwrap().commit().unwrap();
        let refused = Opened::new(&*disk.open(&path).unwrap()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
    }
}

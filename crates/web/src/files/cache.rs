//! The descriptor cache: files that were asked for lately, open, with the heads of their responses.
//!
//! It is looked up on the loop and never touches the file system. An entry is used for [`FRESH_FOR`]; then
//! the next request opens the path again, so a file that was replaced, grown or truncated is served right
//! from then on. Contents are kept with their entry where they are short (16 KiB: of all entries 16 MiB).

use super::resource::Resource;
use foldhash::fast::FixedState;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// The most descriptors that are kept open between requests: a file and each of its compressed forms count
/// one.
const DESCRIPTORS_MAX: usize = 1000;

/// How long an entry is believed without another look at the file system.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// How long an entry that nobody asks for stays: a deleted file holds its disk space until then.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(10);

/// Open files by clean path.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// The clients choose among paths that exist, not freely, and there are few: a hash with a fixed seed
    /// will do.
    entries: HashMap<Box<[u8]>, Entry, FixedState>,
    descriptors: usize,
    /// Counts uses, so that the entry that was not used for longest can be told.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    resource: Arc<Resource>,
    checked: Instant,
    used: u64,
}

impl Cache {
    /// The file at `path`, if it was looked at less than [`FRESH_FOR`] before `now`.
    pub(super) fn get(&mut self, path: &[u8], now: Instant) -> Option<Arc<Resource>> {
        let entry = self.entries.get_mut(path)?;
        if now.saturating_duration_since(entry.checked) >= FRESH_FOR {
            return None;
        }
        self.uses += 1;
        entry.used = self.uses;
        Some(entry.resource.clone())
    }

    /// Puts in what was found at `path` by a look that began at `checked`, in the place of what was there.
    /// What was not used for longest makes room.
    pub(super) fn insert(&mut self, path: &[u8], resource: Arc<Resource>, checked: Instant) {
        self.remove(path);
        self.descriptors += resource.descriptors();
        self.uses += 1;
        self.entries.insert(path.into(), Entry { resource, checked, used: self.uses });
        while self.descriptors > DESCRIPTORS_MAX {
            let Some(oldest) = self.entries.iter().min_by_key(|(_, entry)| entry.used) else { return };
            let oldest = oldest.0.clone();
            self.remove(&oldest);
        }
    }

    /// Forgets a path, because no file is there any more.
    pub(super) fn remove(&mut self, path: &[u8]) {
        if let Some(entry) = self.entries.remove(path) {
            self.descriptors -= entry.resource.descriptors();
        }
    }

    /// Closes what nobody asked for within [`KEPT_FOR`]. True when something is left.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        self.entries.retain(|_, entry| now.saturating_duration_since(entry.checked) < KEPT_FOR);
        self.descriptors = self.entries.values().map(|entry| entry.resource.descriptors()).sum();
        !self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{encoding::Coding, opened::Opened};
    use std::{path::Path, time::UNIX_EPOCH};
    use trenza_storage::{Folder, Tree as _};

    fn opened() -> Opened {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "a").unwrap();
        let file = Folder::new(dir.path()).unwrap().open(&trenza_storage::Path::new("a").unwrap());
        Opened::new(&*file.unwrap()).unwrap()
    }

    /// A file with so many compressed forms.
    fn resource(coded: usize) -> Arc<Resource> {
        let coded = Coding::ALL.into_iter().take(coded).map(|coding| (coding, opened())).collect();
        Arc::new(Resource::new(Path::new("a"), opened(), coded, UNIX_EPOCH))
    }

    /// Some instant.
    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "any instant will do: nothing here depends on the clock"
        )]
        Instant::now()
    }

    #[test]
    fn entries_are_believed_for_a_second() {
        let (mut cache, start) = (Cache::default(), start());
        assert!(cache.get(b"/a", start).is_none());
        cache.insert(b"/a", resource(0), start);
        assert!(cache.get(b"/a", start).is_some());
        assert!(cache.get(b"/b", start).is_none());
        assert!(cache.get(b"/a", start + Duration::from_millis(999)).is_some());
        assert!(cache.get(b"/a", start + Duration::from_secs(1)).is_none(), "use does not make it fresh");
        let other = resource(0);
        cache.insert(b"/a", other.clone(), start + Duration::from_secs(1));
        assert!(
            cache.get(b"/a", start + Duration::from_secs(1)).is_some_and(|found| Arc::ptr_eq(&found, &other))
        );
        cache.remove(b"/a");
        assert!(cache.get(b"/a", start + Duration::from_secs(1)).is_none());
        assert_eq!(cache.descriptors, 0);
    }

    #[test]
    fn descriptors_are_bounded_and_the_unused_go_first() {
        let (mut cache, start) = (Cache::default(), start());
        let (one, three) = (resource(0), resource(2));
        let name = |n: usize| format!("/{n}").into_bytes();
        for n in 0..DESCRIPTORS_MAX {
            cache.insert(&name(n), one.clone(), start);
        }
        assert_eq!(cache.entries.len(), DESCRIPTORS_MAX);
        assert!(cache.get(&name(0), start).is_some());
        cache.insert(b"/new", three, start);
        assert_eq!(cache.descriptors, DESCRIPTORS_MAX);
        for (n, there) in [(0, true), (1, false), (2, false), (3, false), (4, true)] {
            assert_eq!(cache.get(&name(n), start).is_some(), there, "{n}");
        }
        assert!(cache.get(b"/new", start).is_some());
    }

    #[test]
    fn what_nobody_asks_for_is_closed() {
        let (mut cache, start) = (Cache::default(), start());
        let (old, young) = (resource(0), resource(2));
        cache.insert(b"/old", old.clone(), start);
        cache.insert(b"/young", young.clone(), start + Duration::from_secs(1));
        assert!(cache.expire(start + KEPT_FOR - Duration::from_nanos(1)));
        assert_eq!((Arc::strong_count(&old), cache.descriptors), (2, 4));
        assert!(cache.expire(start + KEPT_FOR));
        assert_eq!((Arc::strong_count(&old), Arc::strong_count(&young), cache.descriptors), (1, 2, 3));
        assert!(!cache.expire(start + KEPT_FOR + Duration::from_secs(1)));
        assert_eq!((Arc::strong_count(&young), cache.descriptors), (1, 0));
    }
}

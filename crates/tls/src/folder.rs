//! [`Folder`]: a folder of certificates, which is looked at again while connections go on.

use crate::{Certificates, Identity, TlsError};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use trenza_core::Reactor;

/// How often the folder is looked at, at most. It is looked at when a client comes, never on its own.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The most certificates of a folder.
const CERTIFICATES_MAX: usize = 10_000;

/// A folder of certificates: files `NAME.pem` that hold key and chain, and folders `NAME` with `fullchain.pem` and
/// `privkey.pem`, as certbot lays them.
///
/// What changes in it counts for the clients that come after it was noticed: the first client that comes a second or
/// more after the last look has a thread look again. A folder that cannot be read any more, or in which nothing is
/// usable, changes nothing; what is wrong with it is logged.
#[derive(Debug, Clone)]
pub struct Folder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    certificates: Certificates,
    looked: Mutex<Looked>,
}

#[derive(Debug, Default)]
struct Looked {
    at: Option<Instant>,
    state: Vec<Source>,
}

/// Where a certificate comes from, and what would differ if it were another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    chain: (PathBuf, SystemTime, u64),
    key: (PathBuf, SystemTime, u64),
}

impl Folder {
    /// Reads the folder, which blocks meanwhile.
    ///
    /// # Errors
    /// It cannot be read, or there is no usable certificate in it. What is not usable beside those that are is logged.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let path = path.into();
        let state = sources(&path).map_err(|error| file(&path, &error))?;
        let (certificates, looked) = (Certificates::many(load(&path, &state)?), Looked { at: None, state });
        Ok(Self(Arc::new(Inner { path, certificates, looked: Mutex::new(looked) })))
    }

    pub(crate) fn certificates(&self) -> &Certificates {
        &self.0.certificates
    }

    /// Has a thread look at the folder, if the last look was a while ago.
    pub(crate) fn look(&self, reactor: &Reactor) {
        let now = reactor.now();
        {
            let mut looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
            let last = *looked.at.get_or_insert(now);
            if now.saturating_duration_since(last) < LOOK_EVERY {
                return;
            }
            looked.at = Some(now);
        }
        let inner = self.0.clone();
        reactor.in_thread(move || Ok(inner.refresh()?)).then(|looked| {
            if let Err(error) = looked {
                tracing::warn!(%error, "the certificates stay as they are");
            }
        });
    }
}

impl Inner {
    /// Reads what has changed.
    fn refresh(&self) -> Result<(), TlsError> {
        let state = sources(&self.path).map_err(|error| file(&self.path, &error))?;
        if self.looked.lock().unwrap_or_else(PoisonError::into_inner).state == state {
            return Ok(());
        }
        let loaded = load(&self.path, &state);
        // Also when they cannot be used: they are not tried again until they change.
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).state = state;
        let loaded = loaded?;
        tracing::info!(folder = %self.path.display(), certificates = loaded.len(), "certificates were read again");
        self.certificates.replace(loaded);
        Ok(())
    }
}

fn file(path: &Path, error: &io::Error) -> TlsError {
    TlsError::File { path: path.into(), why: error.to_string() }
}

/// The pairs of files in the folder, sorted.
fn sources(folder: &Path) -> io::Result<Vec<Source>> {
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.path());
    }
    names.sort_unstable();
    let pairs = names.into_iter().filter_map(|path| {
        if path.is_dir() {
            return source(path.join("fullchain.pem"), path.join("privkey.pem"));
        }
        path.extension().filter(|extension| *extension == "pem")?;
        source(path.clone(), path)
    });
    Ok(pairs.take(CERTIFICATES_MAX).collect())
}

/// The pair, if both are there.
fn source(chain: PathBuf, key: PathBuf) -> Option<Source> {
    let stamped = |path: PathBuf| {
        let facts = fs::metadata(&path).ok()?;
        Some((path, facts.modified().ok()?, facts.len()))
    };
    Some(Source { chain: stamped(chain)?, key: stamped(key)? })
}

fn load(folder: &Path, state: &[Source]) -> Result<Vec<Identity>, TlsError> {
    let mut loaded = Vec::new();
    for Source { chain: (chain, ..), key: (key, ..) } in state {
        match Identity::from_files(chain, key) {
            Ok(identity) => loaded.push(identity),
            Err(error) => tracing::warn!(%error, "a certificate is left out"),
        }
    }
    match loaded.is_empty() {
        false => Ok(loaded),
        true => Err(TlsError::unusable(
            folder.display().to_string(),
            "it holds no usable certificate: neither NAME.pem with key and chain, nor NAME/fullchain.pem with \
             NAME/privkey.pem",
        )),
    }
}

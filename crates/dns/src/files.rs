//! [`Files`]: what a system says of names, and whether it says something else now.

use crate::{Config, HOSTS_BYTES_MAX, Hosts, ResolvConf};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How often a resolver looks whether its files have changed, at most, and only when it is asked something.
pub const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How many bytes of resolv.conf are read.
const RESOLV_CONF_BYTES_MAX: usize = 64 * 1024;

/// The files that say whom to ask, and which names need not be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    resolv_conf: PathBuf,
    hosts: PathBuf,
}

/// When each of the files was written and how long it is; None: it is not there.
pub(crate) type Stamp = [Option<(SystemTime, u64)>; 2];

impl Files {
    /// `/etc/resolv.conf` and `/etc/hosts`.
    pub fn system() -> Self {
        Self::new("/etc/resolv.conf", "/etc/hosts")
    }

    /// Files in these formats. One that is not there is empty.
    pub fn new(resolv_conf: impl Into<PathBuf>, hosts: impl Into<PathBuf>) -> Self {
        Self { resolv_conf: resolv_conf.into(), hosts: hosts.into() }
    }

    /// What they say. It blocks: call it before the loop runs, or on a thread.
    ///
    /// # Errors
    /// One of them is there and cannot be read.
    pub fn read(&self) -> io::Result<Config> {
        let conf = ResolvConf::parse(&beginning(&self.resolv_conf, RESOLV_CONF_BYTES_MAX)?);
        let hosts = Hosts::parse(&beginning(&self.hosts, HOSTS_BYTES_MAX)?);
        Ok(Config { hosts, ..conf.into() })
    }

    /// What they say, unless they are as they were.
    pub(crate) fn read_if_new(&self, before: Option<Stamp>) -> io::Result<Option<(Stamp, Config)>> {
        // Before the files: what is written meanwhile is seen the next time.
        let stamp = [&self.resolv_conf, &self.hosts].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        });
        if before == Some(stamp) { Ok(None) } else { Ok(Some((stamp, self.read()?))) }
    }
}

/// The beginning of a file; nothing, when there is no such file.
fn beginning(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(most as u64).read_to_end(&mut bytes).map(|_| bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(bytes),
        Err(error) => Err(error),
    }
    .map_err(|error| io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))
}

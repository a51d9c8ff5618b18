//! [`Plan`]: what a child needs on its way to the program, made before the fork: afterwards nothing may be allocated.

use std::{
    collections::BTreeMap,
    env,
    ffi::{CString, OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    ptr,
};
use trenza_core::driver::{Grouping, Spawn};

/// Where programs are looked for when there is no `PATH`.
const PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// Strings for the system, with the array of pointers that it wants.
pub(super) struct Strings {
    owned: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Strings {
    fn new(owned: Vec<CString>) -> Self {
        let pointers = owned.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Self { owned, pointers }
    }

    /// The array, which ends with a null pointer.
    pub(super) fn pointers(&self) -> *const *const libc::c_char {
        debug_assert_eq!(self.pointers.len(), self.owned.len() + 1);
        self.pointers.as_ptr()
    }
}

// SAFETY: the pointers lead to text on the heap that the same value owns, and that nobody changes.
#[allow(unsafe_code, reason = "a closure for the child must be Send and Sync")]
unsafe impl Send for Strings {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "a closure for the child must be Send and Sync")]
unsafe impl Sync for Strings {}

/// What a child does until it is the program.
pub(super) struct Plan {
    /// Paths to be tried, in order.
    pub(super) candidates: Vec<CString>,
    pub(super) arguments: Strings,
    pub(super) environment: Strings,
    pub(super) directory: Option<CString>,
    pub(super) user: Option<libc::uid_t>,
    pub(super) group: Option<libc::gid_t>,
    pub(super) groups: Option<Vec<libc::gid_t>>,
    pub(super) grouping: Grouping,
    pub(super) terminal: bool,
}

impl Plan {
    pub(super) fn new(spawn: &Spawn) -> io::Result<Self> {
        let environment = environment(spawn);
        let arguments = [&spawn.program].into_iter().chain(&spawn.arguments);
        let pairs = environment.iter().map(|(name, value)| {
            let pair = [name.as_bytes(), value.as_bytes()].join(&b'=');
            text(OsStr::from_bytes(&pair))
        });
        let directory = spawn.directory.as_ref().map(|directory| text(directory.as_os_str())).transpose()?;
        let groups = match (&spawn.groups, spawn.user) {
            (None, Some(_)) => Some(Vec::new()),
            (groups, _) => groups.clone(),
        };
        Ok(Self {
            candidates: candidates(&spawn.program, environment.get(OsStr::new("PATH")))?,
            arguments: Strings::new(arguments.map(text).collect::<io::Result<_>>()?),
            environment: Strings::new(pairs.collect::<io::Result<_>>()?),
            directory,
            user: spawn.user,
            group: spawn.group,
            groups,
            grouping: spawn.grouping,
            terminal: spawn.terminal.is_some(),
        })
    }
}

fn environment(spawn: &Spawn) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<_, _> = if spawn.clear { BTreeMap::new() } else { env::vars_os().collect() };
    for (name, value) in &spawn.environment {
        match value {
            Some(value) => drop(all.insert(name.clone(), value.clone())),
            None => drop(all.remove(name)),
        }
    }
    all
}

/// The paths that a program may be at.
fn candidates(program: &OsString, path: Option<&OsString>) -> io::Result<Vec<CString>> {
    if program.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the program has no name"));
    }
    if program.as_bytes().contains(&b'/') {
        return Ok(vec![text(program)?]);
    }
    let path = path.map_or_else(|| OsStr::new(PATH), OsString::as_os_str).as_bytes();
    path.split(|byte| *byte == b':')
        .map(|folder| {
            // An empty one is where the child begins.
            let folder = if folder.is_empty() { &b"."[..] } else { folder };
            text(OsStr::from_bytes(&[folder, program.as_bytes()].join(&b'/')))
        })
        .collect()
}

fn text(text: impl AsRef<OsStr>) -> io::Result<CString> {
    CString::new(text.as_ref().to_owned().into_vec()).map_err(|error| {
        let what = format!("{:?} has a byte 0 within", OsString::from_vec(error.into_vec()));
        io::Error::new(io::ErrorKind::InvalidInput, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_in_the_childs_path() {
        let found = |program: &str, path: Option<&str>| {
            let path = path.map(OsString::from);
            let all = candidates(&program.into(), path.as_ref()).unwrap();
            all.into_iter().map(|path| path.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found("ls", Some("/a:/b")), ["/a/ls", "/b/ls"]);
        assert_eq!(found("ls", Some(":/b")), ["./ls", "/b/ls"]);
        assert_eq!(found("ls", None), ["/usr/local/bin/ls", "/bin/ls", "/usr/bin/ls"]);
        assert_eq!(found("./ls", Some("/a")), ["./ls"]);
        assert!(candidates(&OsString::new(), None).is_err());
    }

    #[test]
    fn the_environment_is_what_was_said() {
        let mut spawn = Spawn::new("x");
        spawn.environment.insert("PATH".into(), None);
        spawn.environment.insert("A".into(), Some("b".into()));
        assert!(env::var_os("PATH").is_some());
        let all = environment(&spawn);
        assert!(!all.contains_key(OsStr::new("PATH")) && all.len() > 1);
        spawn.clear = true;
        assert_eq!(environment(&spawn), BTreeMap::from([("A".into(), "b".into())]));
    }

    #[test]
    fn a_byte_0_is_refused() {
        let mut spawn = Spawn::new("x");
        spawn.arguments.push("a\0b".into());
        assert!(Plan::new(&spawn).err().unwrap().to_string().contains("byte 0"));
    }
}

//! [`Account`]: who somebody is, for every suite.

use crate::Rights;
use std::{collections::BTreeMap, path::PathBuf};

/// The longest name of an account, in bytes.
pub const NAME_MAX: usize = 255;

/// Who somebody is and what he may: one for FTP, mail and all the others. What each protocol makes of it is its
/// [`Realm`](crate::Realm)'s.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The name that is logged in with. See [`check_name`] for what it may be.
    pub name: String,
    /// The folder that is the account's own; None: the service's. One that is relative lies in the service's.
    pub root: Option<PathBuf>,
    /// What it may do there.
    pub rights: Rights,
    /// How many bytes it may store; None: as many as there is room for.
    pub quota: Option<u64>,
    /// Groups that it belongs to; what they mean is the program's.
    pub groups: Vec<String>,
    /// Whatever else a program wants to know of it.
    pub attributes: BTreeMap<String, String>,
}

impl Account {
    /// An account with the service's root, all rights and no quota.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            root: None,
            rights: Rights::ALL,
            quota: None,
            groups: Vec::new(),
            attributes: BTreeMap::new(),
        }
    }

    /// With a folder of its own.
    #[must_use]
    pub fn root(self, root: impl Into<PathBuf>) -> Self {
        Self { root: Some(root.into()), ..self }
    }

    /// With these rights.
    #[must_use]
    pub fn rights(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }

    /// With so many bytes.
    #[must_use]
    pub fn quota(self, bytes: u64) -> Self {
        Self { quota: Some(bytes), ..self }
    }
}

/// A name that no account can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no account can have this name: {0}")]
pub struct NameError(
    /// What is wrong with it.
    pub &'static str,
);

/// Looks whether an account can have this name: 1 to [`NAME_MAX`] bytes of UTF-8; `@`, dots and spaces inside it are
/// fine. Names become folders, stand in lines of logs and before colons, so control characters, `/`, `:`, `.` and `..`
/// are not.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let what = match name {
        "" => "it is empty",
        "." | ".." => "it means a folder",
        _ if name.len() > NAME_MAX => "it has more than 255 bytes",
        _ if name.contains(char::is_control) => "it has a control character",
        _ if name.contains(['/', ':']) => "it has a slash or colon",
        _ if name.trim() != name => "it begins or ends with a space",
        _ if name.starts_with('#') => "it begins like a comment",
        _ => return Ok(()),
    };
    Err(NameError(what))
}

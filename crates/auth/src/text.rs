//! [`TextError`]: what is wrong in a text with accounts.

use crate::{FileError, Record, record::Records};
use std::path::Path;

/// What is wrong in a text with accounts, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct TextError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl TextError {
    pub(crate) fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }

    pub(crate) fn at(self, path: &Path) -> FileError {
        FileError::Content { path: path.to_owned(), line: self.line, what: self.what }
    }
}

/// The records of a text, wherever it comes from; [`AccountsFile`](crate::AccountsFile) is for files.
impl Record {
    /// Those of a text in the format of [`users`](crate::users).
    ///
    /// # Errors
    /// The first thing in it that is wrong.
    pub fn all_of_toml(text: &str) -> Result<Vec<Self>, TextError> {
        crate::users::parse(text).map(Records::into_vec)
    }

    /// Those of a text as `htpasswd` writes it.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn all_of_htpasswd(text: &str) -> Result<Vec<Self>, TextError> {
        crate::htpasswd::parse(text).map(Records::into_vec)
    }
}

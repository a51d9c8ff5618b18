//! [`UsersEditor`]: changes `users.toml`.

use super::read::{parse, written};
use crate::{
    Account, FileError, NameError, Rights, Secret, Size, TextError, Verifier, check_name,
    file::read_text,
    scram::{self, ScramKeys},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, value};

/// What stands at the top of a new file.
const HEAD: &str = "\
# Accounts of Trenza. `trenza user` changes this file; so may you: it is read again when it has changed.
# Keep it to yourself: who has the hashes in it can try passwords as fast as his machine goes.

";

/// What is stored of a new password: a hash by argon2id, and keys for SCRAM-SHA-256.
#[derive(Debug, Clone)]
pub struct Stored {
    password: Verifier,
    scram: ScramKeys,
}

impl Stored {
    /// Hashes a password. This takes its time: not for the loop. `random` are bytes of
    /// [`Reactor::random`](trenza_core::Reactor::random), the salts.
    ///
    /// ```
    /// # use trenza_auth::{Secret, users::Stored};
    /// let stored = Stored::of(&Secret::new("secret"), &[7; 32]);
    /// assert!(stored.fits(&"secret".into()) && !stored.fits(&"Secret".into()));
    /// ```
    pub fn of(password: &Secret, random: &[u8; 32]) -> Self {
        let (mut one, mut other) = ([0; 16], [0; 16]);
        one.iter_mut().chain(&mut other).zip(random).for_each(|(to, from)| *to = *from);
        let mut scram = ScramKeys::of_password(password, other, scram::ITERATIONS);
        let decoy = || ScramKeys::decoy(random, "", None);
        Self { password: Verifier::argon2id(password, one), scram: scram.take().unwrap_or_else(decoy) }
    }

    /// Is it this password, by both?
    pub fn fits(&self, password: &Secret) -> bool {
        self.password.fits(password) && self.scram.fits(password)
    }
}

/// An account that cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// No account can have this name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Its folder has a name that is no UTF-8, as all in the file is.
    #[error("the name of its folder is no text in UTF-8")]
    Root,
}

/// Changes `users.toml`. From [`UsersEditor::open`] on it is locked for other editors, so that none loses what another
/// one does; [`UsersEditor::save`] writes a new file beside it and puts that in its place, so that readers see the old or
/// the new one, whole. Comments and the order of accounts stay. All of it blocks.
///
/// ```
/// use trenza_auth::{Account, AccountsFile, Rights, users::{Stored, UsersEditor}};
///
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("users.toml");
/// let mut users = UsersEditor::open(&path, &[1; 32])?;
/// let ann = Account::new("ann@example.org").rights(Rights::READ_ONLY);
/// assert!(users.add(&ann, &Stored::of(&"secret".into(), &[2; 32]))?);
/// users.save()?;
/// assert_eq!(AccountsFile::toml(&path)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct UsersEditor {
    path: PathBuf,
    document: DocumentMut,
    /// Of the file that is there.
    facts: Option<fs::Metadata>,
    /// The folder, which is locked: the file is another one after each change.
    folder: File,
}

impl UsersEditor {
    /// Opens a file, or begins a new one, with `random` as its seed. Waits for another editor to end.
    ///
    /// # Errors
    /// It or its folder cannot be read; something in it is wrong.
    pub fn open(path: impl AsRef<Path>, random: &[u8; 32]) -> Result<Self, FileError> {
        // Where a link leads is what is to be replaced; one that leads nowhere yet would be replaced itself.
        let path = path.as_ref();
        let path = match fs::canonicalize(path) {
            Ok(path) => path,
            Err(error) if fs::symlink_metadata(path).is_ok() => return Err(FileError::io(path, error)),
            Err(_) => path.to_owned(),
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let folder = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
        let folder = folder.map_err(|error| FileError::io(&path, error))?;
        let (text, facts) = match read_text(&path) {
            Ok((text, facts)) => (text, Some(facts)),
            Err(FileError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {
                (format!("{HEAD}seed = \"{}\"\n", BASE64_STANDARD.encode(random)), None)
            }
            Err(error) => return Err(error),
        };
        // What is wrong is not made worse.
        parse(&text).map_err(|wrong| wrong.at(&path))?;
        let document = text.parse().map_err(|_| TextError::new(1, "this is no TOML").at(&path))?;
        Ok(Self { path, document, facts, folder })
    }

    /// Is there a file already?
    pub fn exists(&self) -> bool {
        self.facts.is_some()
    }

    /// Is there such an account?
    pub fn contains(&self, name: &str) -> bool {
        self.document.get("user").and_then(Item::as_table_like).is_some_and(|users| users.contains_key(name))
    }

    /// Adds an account; false when there is one of this name.
    ///
    /// # Errors
    /// No account can have this name, or its folder cannot be written.
    pub fn add(&mut self, account: &Account, stored: &Stored) -> Result<bool, AddError> {
        check_name(&account.name)?;
        // Left out, it would stand for the service's.
        let root = account.root.as_ref().map(|root| root.to_str().ok_or(AddError::Root)).transpose()?;
        if self.contains(&account.name) {
            return Ok(false);
        }
        let mut table = Table::new();
        store(&mut table, stored);
        if let Some(root) = root {
            table.insert("root", value(root));
        }
        if account.rights != Rights::ALL {
            table.insert("rights", value(account.rights.to_string()));
        }
        if let Some(quota) = account.quota {
            table.insert("quota", value(Size(quota).to_string()));
        }
        if !account.groups.is_empty() {
            table.insert("groups", value(Array::from_iter(&account.groups)));
        }
        if !account.attributes.is_empty() {
            table.insert("attributes", value(InlineTable::from_iter(&account.attributes)));
        }
        if let Some(users) = self.users() {
            users.insert(&account.name, Item::Table(table));
        }
        Ok(true)
    }

    /// Changes a password; false when there is no such account.
    pub fn set_password(&mut self, name: &str, stored: &Stored) -> bool {
        let users = self.document.get_mut("user").and_then(Item::as_table_like_mut);
        let account = users.and_then(|users| users.get_mut(name)).and_then(Item::as_table_like_mut);
        account.map(|account| store(account, stored)).is_some()
    }

    /// Removes an account; false when there is none.
    pub fn remove(&mut self, name: &str) -> bool {
        let users = self.document.get_mut("user").and_then(Item::as_table_like_mut);
        users.and_then(|users| users.remove(name)).is_some()
    }

    /// Writes what was changed, on the disk when this returns. A new file is for its owner only; one that is there keeps
    /// owner and mode.
    ///
    /// # Errors
    /// It cannot be written; the old one is there still.
    pub fn save(self) -> Result<(), FileError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let beside = self.path.with_file_name(format!(".{name}.new"));
        let saved = self.write(&beside).and_then(|()| fs::rename(&beside, &self.path));
        if saved.is_err() {
            // Perhaps it was never there.
            let _ = fs::remove_file(&beside);
        }
        let saved = saved.and_then(|()| self.folder.sync_all());
        saved.map_err(|error| FileError::io(&self.path, error))
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        // One that an editor left behind when it was killed: nobody else has the lock.
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        if let Some(facts) = &self.facts {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (facts.uid(), facts.gid()) {
                fchown(&file, Some(facts.uid()), Some(facts.gid()))?;
            }
            file.set_permissions(fs::Permissions::from_mode(facts.mode() & 0o777))?;
        }
        file.write_all(self.document.to_string().as_bytes())?;
        file.sync_all()
    }

    fn users(&mut self) -> Option<&mut Table> {
        let users = self.document.entry("user").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        // `user = { ... }` becomes a table.
        if let Some(inline) = users.as_inline_table().cloned() {
            *users = Item::Table(inline.into_table());
        }
        users.as_table_mut()
    }
}

impl fmt::Debug for UsersEditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsersEditor").field("path", &self.path).finish_non_exhaustive()
    }
}

fn store(table: &mut dyn toml_edit::TableLike, stored: &Stored) {
    table.insert("password", value(stored.password.text().unwrap_or_default()));
    table.insert("scram", value(written(&stored.scram)));
}

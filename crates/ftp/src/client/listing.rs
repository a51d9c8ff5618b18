//! What is in folders.

use super::{Client, ClientError, control::shown};
use crate::{
    Command, Entry, ascii,
    command::{Listed, TransferType},
    listing::{Kind, mlsx, parse_line},
};
use trenza_core::Reactor;

impl Client {
    /// What is in a folder, None: the current one. By MLSD, or where the server does not know that by LIST. The folder
    /// itself and its parent are left out.
    ///
    /// # Errors
    /// The server says no; the listing exceeds a limit.
    pub async fn list(&mut self, path: Option<&[u8]>) -> Result<Vec<Entry>, ClientError> {
        if self.features().await?.has_mlst() {
            return self.mlsd(path).await;
        }
        // Without -a, some servers hide what begins with a dot; others take -a for a name.
        let all = Listed { path: path.map(plain), all: true, ..Listed::default() };
        match self.parse_list(all.clone()).await {
            Ok(entries) if !entries.is_empty() => Ok(entries),
            Err(error) if error.code().is_none() => Err(error),
            _ => self.parse_list(Listed { all: false, ..all }).await,
        }
    }

    /// What is in a folder, by MLSD (RFC 3659 section 7).
    ///
    /// # Errors
    /// Those of [`Client::list`].
    pub async fn mlsd(&mut self, path: Option<&[u8]>) -> Result<Vec<Entry>, ClientError> {
        let command = Command::Mlsd(path.map(Into::into));
        let text = self.collect(&command, None).await?;
        self.entries(&command, &text, mlsx::parse)
    }

    async fn parse_list(&mut self, listed: Listed) -> Result<Vec<Entry>, ClientError> {
        let command = Command::List(listed);
        let text = self.collect(&command, Some(TransferType::Ascii)).await?;
        let now = Reactor::current().wall();
        self.entries(&command, &text, |line| parse_line(line, now))
    }

    fn entries(
        &self,
        command: &Command,
        text: &[u8],
        parse: impl Fn(&[u8]) -> Option<Entry>,
    ) -> Result<Vec<Entry>, ClientError> {
        let max = self.options.limits.entries;
        let entries = ascii::lines(text).filter_map(parse).filter(Entry::is_inside);
        let entries: Vec<Entry> = entries.take(max.saturating_add(1)).collect();
        if entries.len() > max {
            let what = format!("a listing has more than {max} entries");
            return Err(ClientError::local(shown(command), what));
        }
        Ok(entries)
    }

    /// What LIST shows, as it is: for people.
    ///
    /// # Errors
    /// Those of [`Client::list`].
    pub async fn list_text(&mut self, path: Option<&[u8]>) -> Result<Vec<u8>, ClientError> {
        let listed = Listed { path: path.map(plain), ..Listed::default() };
        self.collect(&Command::List(listed), Some(TransferType::Ascii)).await
    }

    /// What can be found out of one file: by MLST, or where the server does not know that by SIZE and MDTM, of which neither
    /// need be known.
    ///
    /// # Errors
    /// The server says no to MLST; the connection has ended.
    pub async fn entry(&mut self, path: impl AsRef<[u8]>) -> Result<Entry, ClientError> {
        let path = path.as_ref();
        if self.features().await?.has_mlst() {
            return self.facts(path).await;
        }
        let size = known(self.size(path).await)?;
        let modified = known(self.mdtm(path).await)?;
        Ok(Entry { size, modified, ..Entry::new(path, Kind::File) })
    }

    /// The names of what is in a folder, None: the current one. Some servers put the folder's name before each.
    ///
    /// # Errors
    /// Those of [`Client::list`].
    pub async fn nlst(&mut self, path: Option<&[u8]>) -> Result<Vec<Vec<u8>>, ClientError> {
        let command = Command::Nlst(Listed { path: path.map(plain), ..Listed::default() });
        let text = self.collect(&command, Some(TransferType::Ascii)).await?;
        let names = ascii::lines(&text).filter(|name| !name.is_empty());
        Ok(names.take(self.options.limits.entries).map(Into::into).collect())
    }
}

/// What the server does not know is no error.
fn known<T>(result: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match result {
        Err(error) if error.code().is_some() => Ok(None),
        known => known.map(Some),
    }
}

/// A path that is not taken for options.
fn plain(path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"-") { [b"./", path].concat() } else { path.into() }
}

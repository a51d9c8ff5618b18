//! [`Reader`] and [`Listing`]: what a tree gives piece by piece, read ahead off the loop.

use crate::{Entry, File, List, Result, Storage};
use bytes::Bytes;
use std::{ops::Range, sync::Arc};
use trenza_core::Wait;

/// How many bytes of a file are read at once. A [`Reader`] holds twice as many at the most.
pub const PIECE: usize = 256 * 1024;
/// How many names of a folder are read at once.
pub const BATCH: usize = 256;

/// The bytes of a file, in pieces of up to [`PIECE`]; while one is used the next is read.
///
/// Dropping the future of [`Reader::next`] loses nothing: the next call goes on with it.
#[derive(Debug)]
pub struct Reader {
    storage: Storage,
    file: Arc<dyn File>,
    left: Range<u64>,
    ahead: Option<Wait<Bytes>>,
}

impl Reader {
    pub(crate) fn new(storage: Storage, file: Arc<dyn File>, range: Range<u64>) -> Self {
        Self { storage, file, left: range, ahead: None }
    }

    /// The next piece; None at the end of the range or of the file.
    ///
    /// # Errors
    /// Those of [`File::read_at`]; what comes after them is the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.read_ahead();
        let Some(ahead) = &mut self.ahead else { return Ok(None) };
        let piece = ahead.await;
        self.ahead = None;
        match piece {
            Ok(piece) if !piece.is_empty() => {
                self.left.start += piece.len() as u64;
                self.read_ahead();
                Ok(Some(piece))
            }
            ended => {
                self.left = 0..0;
                ended.map(|_| None).map_err(Into::into)
            }
        }
    }

    fn read_ahead(&mut self) {
        if self.ahead.is_some() || self.left.is_empty() {
            return;
        }
        let (file, at) = (self.file.clone(), self.left.start);
        let most = usize::try_from(self.left.end - at).unwrap_or(PIECE).min(PIECE);
        let read = move || {
            let mut piece = vec![0; most];
            let mut done = 0;
            // A piece is short at the end only.
            while let Some(rest) = piece.get_mut(done..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, at + done as u64)? {
                    0 => break,
                    count => done += count,
                }
            }
            piece.truncate(done);
            Ok(Bytes::from(piece))
        };
        self.ahead = Some(self.storage.job(read, |piece| piece).into_future());
    }
}

/// The names of a folder, in batches of up to [`BATCH`]; while one is used the next is read.
///
/// Dropping the future of [`Listing::next`] loses nothing: the next call goes on with it.
#[derive(Debug)]
pub struct Listing {
    storage: Storage,
    ahead: Option<Wait<Batch>>,
}

/// A batch, and what gives the next one.
type Batch = (Vec<Entry>, Box<dyn List>);

impl Listing {
    pub(crate) fn new(storage: Storage, list: Box<dyn List>) -> Self {
        let mut listing = Self { storage, ahead: None };
        listing.read_ahead(list);
        listing
    }

    /// The next batch, which is not empty; None: that was all.
    ///
    /// # Errors
    /// Those of [`List::next`]; what comes after them is the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        let Some(ahead) = &mut self.ahead else { return Ok(None) };
        let batch = ahead.await;
        self.ahead = None;
        let (entries, list) = batch?;
        if entries.is_empty() {
            return Ok(None);
        }
        self.read_ahead(list);
        Ok(Some(entries))
    }

    fn read_ahead(&mut self, mut list: Box<dyn List>) {
        let read = move || Ok((list.next(BATCH)?, list));
        self.ahead = Some(self.storage.job(read, |batch| batch).into_future());
    }
}

//! [`Source`]: what a data connection sends.

use super::listing::Rows;
use crate::ascii::Encoder;
use std::sync::Arc;
use trenza_core::{Result, Transport};
use trenza_storage::{File, Storage};

/// What a data connection sends.
pub(super) enum Source {
    /// A file as it is, from a byte on.
    Bytes { file: Arc<dyn File>, from: u64 },
    /// A file as text; so many bytes of what goes over the wire are left out (RFC 3659 section 5.3).
    Text { file: Arc<dyn File>, skip: u64 },
    /// A listing.
    Rows(Rows),
}

impl Source {
    /// Hands all of it to a connection.
    pub(super) async fn send(self, storage: &Storage, to: &Transport) -> Result {
        match self {
            Self::Bytes { file, from } => {
                let size = file.opened().size;
                Ok(storage.send(file, from..size, to).await?)
            }
            Self::Text { file, skip } => text(storage, file, skip, to).await,
            Self::Rows(rows) => rows.send(to).await,
        }
    }
}

async fn text(storage: &Storage, file: Arc<dyn File>, mut skip: u64, to: &Transport) -> Result {
    let size = file.opened().size;
    let (mut reader, mut encoder) = (storage.read(file, 0..size), Encoder::new());
    while let Some(piece) = reader.next().await? {
        let mut wire = Vec::new();
        encoder.encode(&piece, &mut wire);
        let skipped = skip.min(wire.len() as u64);
        skip -= skipped;
        wire.drain(..usize::try_from(skipped).unwrap_or(wire.len()));
        to.flushed().await?;
        to.write_bytes(wire.into());
    }
    Ok(())
}

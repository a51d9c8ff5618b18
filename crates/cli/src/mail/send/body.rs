//! [`Body`]: what follows the header, in memory while it is small, and in a file without a name.

use std::{
    env,
    fs::{File, OpenOptions, remove_file},
    io::{self, ErrorKind, Read, Seek, Write},
    mem,
    os::unix::fs::OpenOptionsExt,
    process,
};
use trenza::{Reactor, Result};

/// So much of it is kept in memory, in bytes.
pub(super) const KEPT: usize = 1024 * 1024;
/// How much is read at once.
const PIECE: usize = 64 * 1024;
/// How many names are tried for a file.
const NAMES_MAX: u32 = 1000;

/// What follows the header. It is read whole before anything is sent.
#[derive(Default)]
pub(super) struct Body {
    /// Its beginning, or all of it.
    start: Vec<u8>,
    /// The rest.
    file: Option<File>,
    pub(super) size: u64,
    pub(super) is_ascii: bool,
}

impl Body {
    /// Reads what is left of a message behind these bytes of it.
    pub(super) fn read(first: Vec<u8>, input: &mut impl Read) -> io::Result<Self> {
        let mut body =
            Self { is_ascii: first.is_ascii(), size: first.len() as u64, start: first, file: None };
        let mut piece = vec![0; PIECE];
        loop {
            let read = match input.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => piece.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            body.size += read.len() as u64;
            body.is_ascii &= read.is_ascii();
            match &mut body.file {
                None if body.start.len() < KEPT => body.start.extend_from_slice(read),
                Some(file) => file.write_all(read)?,
                None => body.file.insert(unnamed()?).write_all(read)?,
            }
        }
        if let Some(file) = &mut body.file {
            file.rewind()?;
        }
        Ok(body)
    }

    /// The next piece; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>> {
        if !self.start.is_empty() {
            return Ok(mem::take(&mut self.start));
        }
        let Some(mut file) = self.file.take() else { return Ok(Vec::new()) };
        let reading = Reactor::current().in_thread(move || {
            let mut piece = Vec::with_capacity(PIECE);
            (&mut file).take(PIECE as u64).read_to_end(&mut piece)?;
            Ok((file, piece))
        });
        let (file, piece) = reading.await?;
        self.file = Some(file);
        Ok(piece)
    }
}

/// A file that is gone when the program is.
fn unnamed() -> io::Result<File> {
    for number in 0..NAMES_MAX {
        let path = env::temp_dir().join(format!(".trenza-mail-{}-{number}", process::id()));
        // Nobody can have put another one in its place: it must not be there.
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            opened => {
                let file = opened?;
                remove_file(&path)?;
                return Ok(file);
            }
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
impl Body {
    /// All of it.
    pub(super) fn bytes(mut self) -> Vec<u8> {
        let mut bytes = mem::take(&mut self.start);
        if let Some(mut file) = self.file {
            file.read_to_end(&mut bytes).unwrap();
        }
        assert_eq!((bytes.len() as u64, bytes.is_ascii()), (self.size, self.is_ascii));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_is_in_a_file() {
        for length in [0, 1, KEPT - 1, KEPT, KEPT + 1, 3 * KEPT + 7] {
            let text: Vec<u8> = (0..length).map(|at| b'a' + (at % 26) as u8).collect();
            let body = Body::read(b"\xe4".to_vec(), &mut &*text).unwrap();
            assert_eq!(body.file.is_some(), length > KEPT, "{length}");
            assert_eq!(body.bytes(), [b"\xe4", &*text].concat());
        }
    }
}

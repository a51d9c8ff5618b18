//! Transfers: what moves over data connections.

use super::{
    Client, ClientError,
    control::{Moved, shown},
    data::Data,
};
use crate::{
    Command, Reply,
    ascii::{Decoder, Encoder},
    command::TransferType,
};
use bytes::Bytes;
use std::{fs::File, io, ops::Range, sync::Arc, time::Duration};
use trenza_core::{Error, Result as CoreResult, Stream, timeout};

/// How much of a file is queued at once, in bytes: how finely progress is told.
const PIECE: u64 = 256 * 1024;
/// How long the server may take to close a data connection that was ended at this end.
const END: Duration = Duration::from_secs(5);

/// What ended the moving of data.
pub(super) enum Failure {
    /// What took or gave them.
    Local(Error),
    /// The data connection.
    Data(Error),
}

/// A transfer that the server has agreed to.
struct Begun {
    asked: String,
    /// None: the server was done before it had any data.
    stream: Option<Stream>,
    /// The final reply, if it was the first one.
    reply: Option<Reply>,
}

impl Client {
    /// Retrieves a file from a byte on, and hands its pieces to `sink`; gives their size in all, at this end.
    ///
    /// What comes is not read while `sink` waits.
    ///
    /// # Errors
    /// The server says no, also in the middle; the data connection ended too early; an error of `sink`.
    pub async fn retrieve(
        &mut self,
        path: impl AsRef<[u8]>,
        offset: u64,
        mut sink: impl AsyncFnMut(Bytes) -> CoreResult,
    ) -> Result<u64, ClientError> {
        let ascii = self.wanted == TransferType::Ascii;
        let begun = self.begin(&Command::Retr(path.as_ref().into()), offset, self.wanted).await?;
        self.receive(begun, ascii, &mut sink).await
    }

    /// Stores what `source` gives until None, from a byte of the file on; gives the size of it all, at this end.
    ///
    /// # Errors
    /// The server says no, also in the middle; the data connection ended too early; an error of `source`, after which the
    /// server has what came before it.
    pub async fn store(
        &mut self,
        path: impl AsRef<[u8]>,
        offset: u64,
        source: impl AsyncFnMut() -> CoreResult<Option<Bytes>>,
    ) -> Result<u64, ClientError> {
        let begun = self.begin(&Command::Stor(path.as_ref().into()), offset, self.wanted).await?;
        self.send_from(begun, source).await
    }

    /// Appends what `source` gives to a file.
    ///
    /// # Errors
    /// Those of [`Client::store`].
    pub async fn append(
        &mut self,
        path: impl AsRef<[u8]>,
        source: impl AsyncFnMut() -> CoreResult<Option<Bytes>>,
    ) -> Result<u64, ClientError> {
        let begun = self.begin(&Command::Appe(path.as_ref().into()), 0, self.wanted).await?;
        self.send_from(begun, source).await
    }

    /// Stores a range of a file as it is, from the same byte on, and tells `moved` of each piece that is on its way. The
    /// system sends the file by itself where there is no TLS. Where the server cannot restart, what is to follow is
    /// appended.
    ///
    /// # Errors
    /// Those of [`Client::store`]; the file is shorter than its range.
    pub async fn store_file(
        &mut self,
        path: impl AsRef<[u8]>,
        file: &Arc<File>,
        range: Range<u64>,
        moved: impl Fn(u64),
    ) -> Result<u64, ClientError> {
        let path = path.as_ref();
        let restarts = range.start == 0 || self.features().await?.has_restart();
        let (command, offset) = match restarts {
            true => (Command::Stor(path.into()), range.start),
            false => (Command::Appe(path.into()), 0),
        };
        let begun = self.begin(&command, offset, TransferType::Image).await?;
        let sending = async |stream: &mut Stream| {
            let mut at = range.start;
            while at < range.end {
                let next = range.end.min(at + PIECE);
                stream.send_file(file.clone(), at..next).await.map_err(Failure::Data)?;
                moved(next - at);
                at = next;
            }
            Ok(range.end.saturating_sub(range.start))
        };
        self.send(begun, sending).await
    }

    /// Sends a command that moves data, with all that goes before it.
    async fn begin(
        &mut self,
        command: &Command,
        offset: u64,
        wanted: TransferType,
    ) -> Result<Begun, ClientError> {
        self.apply_type(wanted).await?;
        let data = self.prepare_data().await?;
        if offset > 0 || self.restarted {
            self.restarted = true;
            self.ask(&Command::Rest(offset)).await?;
        }
        self.control.send(command).await?;
        let asked = shown(command);
        let reply = self.control.reply(&asked).await?;
        if reply.code().is_preliminary() {
            self.restarted = false;
            let stream = self.begin_data(data).await?;
            return Ok(Begun { asked, stream: Some(stream), reply: None });
        }
        if !reply.code().is_completion() {
            return Err(ClientError::Refused { asked, reply });
        }
        let stream = match data {
            Data::Open(_) => Some(self.begin_data(data).await?),
            Data::Awaited(_) => None,
        };
        Ok(Begun { asked, stream, reply: Some(reply) })
    }

    /// Receives what a transfer brings.
    async fn receive(
        &mut self,
        begun: Begun,
        ascii: bool,
        sink: &mut impl AsyncFnMut(Bytes) -> CoreResult,
    ) -> Result<u64, ClientError> {
        let Begun { asked, stream, reply } = begun;
        let Some(mut stream) = stream else { return Ok(0) };
        let receiving = async {
            let (mut decoder, mut count) = (Decoder::new(), 0);
            let mut take = async |piece: Bytes| {
                count += piece.len() as u64;
                sink(piece).await.map_err(Failure::Local)
            };
            while let Some(piece) = stream.read().await.map_err(Failure::Data)? {
                if ascii {
                    let mut text = Vec::new();
                    decoder.decode(&piece, &mut text);
                    take(text.into()).await?;
                } else {
                    take(piece).await?;
                }
            }
            let mut last = Vec::new();
            decoder.finish(&mut last);
            if !last.is_empty() {
                take(last.into()).await?;
            }
            // It has said all; how it takes our goodbye does not matter.
            stream.transport().close();
            Ok(count)
        };
        self.complete(asked, reply, receiving).await
    }

    /// Sends what a source gives.
    async fn send_from(
        &mut self,
        begun: Begun,
        mut source: impl AsyncFnMut() -> CoreResult<Option<Bytes>>,
    ) -> Result<u64, ClientError> {
        let ascii = self.wanted == TransferType::Ascii;
        let sending = async |stream: &mut Stream| {
            let (mut encoder, mut count) = (Encoder::new(), 0);
            while let Some(piece) = source().await.map_err(Failure::Local)? {
                count += piece.len() as u64;
                let piece = match ascii {
                    true => {
                        let mut text = Vec::new();
                        encoder.encode(&piece, &mut text);
                        text.into()
                    }
                    false => piece,
                };
                stream.write_bytes(piece).await.map_err(Failure::Data)?;
            }
            Ok(count)
        };
        self.send(begun, sending).await
    }

    /// Sends, and tells the end: what is not ended properly the server must not take for whole.
    async fn send(
        &mut self,
        begun: Begun,
        sending: impl AsyncFnOnce(&mut Stream) -> Result<u64, Failure>,
    ) -> Result<u64, ClientError> {
        let Begun { asked, stream, reply } = begun;
        let Some(mut stream) = stream else { return Err(ClientError::closed(asked)) };
        let all = async {
            let count = sending(&mut stream).await?;
            // Half of it only: who closes gives up a handshake that still goes on, and an empty file has nothing else to
            // wait for.
            stream.close_write();
            stream.flush().await.map_err(Failure::Data)?;
            let end = async {
                while stream.read().await?.is_some() {}
                Ok(())
            };
            // However the server ends it, and if it does not: its reply says whether it has all.
            let _ = timeout(END, end).await;
            Ok(count)
        };
        self.complete(asked, reply, all).await
    }

    /// Moves data, and brings them together with the final reply, whichever comes first.
    async fn complete(
        &mut self,
        asked: String,
        reply: Option<Reply>,
        data: impl Future<Output = Result<u64, Failure>>,
    ) -> Result<u64, ClientError> {
        let moved = match reply {
            Some(reply) => Moved { data: Some(data.await), reply: Some(reply) },
            None => self.control.during(&asked, data).await?,
        };
        if let Some(Err(Failure::Local(source))) = moved.data {
            return Err(ClientError::Local { asked, source });
        }
        let reply = match moved.reply {
            Some(reply) => reply,
            None => self.control.finish(&asked).await?,
        };
        if let Some(Err(Failure::Data(error))) = moved.data {
            let error = ClientError::connection(&*asked, error);
            let idle = error.io_kind() == Some(io::ErrorKind::TimedOut);
            // Otherwise the server knows best why the connection has ended.
            return Err(match reply.code().is_completion() || idle {
                true => error,
                false => ClientError::Refused { asked, reply },
            });
        }
        match moved.data {
            Some(Ok(count)) if reply.code().is_completion() => Ok(count),
            _ => Err(ClientError::Refused { asked, reply }),
        }
    }

    /// All that a listing's command brings.
    pub(super) async fn collect(
        &mut self,
        command: &Command,
        wanted: Option<TransferType>,
    ) -> Result<Vec<u8>, ClientError> {
        let max = self.options.limits.listing;
        let wanted = wanted.or(self.set).unwrap_or(TransferType::Image);
        let begun = self.begin(command, 0, wanted).await?;
        let mut all = Vec::new();
        let mut sink = async |piece: Bytes| {
            if all.len() + piece.len() > max {
                return Err(format!("a listing has more than {max} bytes").into());
            }
            all.extend_from_slice(&piece);
            Ok(())
        };
        self.receive(begun, false, &mut sink).await?;
        Ok(all)
    }
}

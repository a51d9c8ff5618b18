//! The text of a message: behind DATA, or in chunks of BDAT.

use super::{Cause, Client, ClientError, Source, Step, letter::Letter};
use crate::smtp::{Command, data::Encoder};
use trenza_core::{OutBuf, WriteHalf, timeout};

/// How much of a message is written at once, in bytes.
const BLOCK: usize = 64 * 1024;
/// The size of a chunk of BDAT, in bytes.
const CHUNK: usize = 256 * 1024;
/// How many chunks are on their way before the reply to the first one is waited for, with PIPELINING.
const CHUNKS_MAX: usize = 2;

impl Client {
    /// The server waits for a message although nobody is to get it: it gets an empty one (RFC 2920 section 3.1).
    pub(super) async fn send_nothing(&mut self) -> Result<(), ClientError> {
        let send = async |writer: &mut WriteHalf| {
            writer.transport().write(b".\r\n");
            Ok(())
        };
        self.dialogue.sending(send).await?;
        if self.options.lmtp {
            // There would be a reply for each recipient that was accepted, of whom there are none (RFC 2033 section 4.2).
            self.dialogue.give_up(Step::Data, Cause::Protocol("the server wants a message for nobody"));
            return Ok(());
        }
        self.dialogue.reply(Step::Message, self.options.limits.end).await?;
        self.begun = false;
        Ok(())
    }

    /// Sends the message behind DATA.
    pub(super) async fn send_text(&mut self, mut message: impl Source) -> Result<(), ClientError> {
        let (block_max, all_max) = (self.options.limits.block, self.options.limits.message);
        let send = async |writer: &mut WriteHalf| {
            let mut encoder = Encoder::new();
            let all = async {
                while let Some(piece) = message.next().await.map_err(Cause::local)? {
                    for block in piece.chunks(BLOCK) {
                        writer.transport().compose(|out| encoder.encode(block, out));
                        timeout(block_max, writer.room()).await.map_err(Cause::connection)?;
                    }
                }
                Ok(())
            };
            timeout(all_max, async { Ok(all.await) }).await.map_err(Cause::connection)??;
            writer.transport().compose(|out| encoder.finish(out));
            Ok(())
        };
        self.dialogue.sending(send).await
    }

    /// Sends the message by BDAT (RFC 3030).
    pub(super) async fn send_chunks(
        &mut self,
        message: impl Source,
        binary: bool,
    ) -> Result<(), ClientError> {
        let limit = self.options.limits.message;
        match timeout(limit, async { Ok(self.all_chunks(message, binary).await) }).await {
            Ok(sent) => sent,
            Err(error) => Err(self.dialogue.cut(Cause::connection(error))),
        }
    }

    async fn all_chunks(&mut self, mut message: impl Source, binary: bool) -> Result<(), ClientError> {
        let (mut encoder, mut chunk) = (Encoder::undotted(), OutBuf::new());
        loop {
            let piece = match message.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => return Err(self.dialogue.cut(Cause::local(error))),
            };
            for block in piece.chunks(BLOCK) {
                if binary {
                    chunk.push_slice(block);
                } else {
                    encoder.encode(block, &mut chunk);
                }
                if chunk.queued() >= CHUNK {
                    self.send_chunk(&mut chunk, false).await?;
                }
            }
        }
        if !binary {
            encoder.finish(&mut chunk);
        }
        self.send_chunk(&mut chunk, true).await
    }

    /// Sends a chunk, and waits until there may be another one. The reply to the last one is left to be read.
    async fn send_chunk(&mut self, chunk: &mut OutBuf, last: bool) -> Result<(), ClientError> {
        self.dialogue.say(&Command::Bdat { size: chunk.queued() as u64, last });
        self.dialogue.stream().transport().send(chunk);
        let most = if self.extensions.has("PIPELINING") { CHUNKS_MAX } else { 1 };
        let left = if last { 1 } else { most - 1 };
        let mut refusal = None;
        while self.dialogue.owed() > left || refusal.is_some() && self.dialogue.owed() > 0 {
            let reply = self.dialogue.reply(Step::Message, self.options.limits.end).await?;
            if let Err(error) = self.dialogue.done(Step::Message, reply) {
                refusal.get_or_insert(error);
            }
        }
        let Some(error) = refusal else { return Ok(()) };
        if last && self.options.lmtp {
            // An answer for each recipient is on its way (RFC 2033 section 4.2), and none of them says more.
            self.dialogue.give_up(Step::Message, Cause::closed());
        }
        Err(error)
    }

    /// The message was sent: hears what came of it.
    pub(super) async fn end(&mut self, letter: &mut Letter) -> Result<(), ClientError> {
        let limit = self.options.limits.end;
        if !self.options.lmtp {
            let reply = self.dialogue.reply(Step::Message, limit).await?;
            self.begun = false;
            letter.settle(&self.dialogue.done(Step::Message, reply));
            return Ok(());
        }
        self.dialogue.owe(letter.accepted.len().saturating_sub(1));
        for at in &letter.accepted {
            let reply = self.dialogue.reply(Step::Message, limit).await?;
            let fate = self.dialogue.done(Step::Message, reply);
            if let Some(known) = letter.fates.get_mut(*at) {
                *known = Some(fate);
            }
        }
        self.begun = false;
        Ok(())
    }
}

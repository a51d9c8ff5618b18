//! Coroutines at both ends.

use super::{draw, moment};
use crate::{ledger::End, watched::IDLE};
use trenza_core::{Result, Stream};

/// Tells the books when a coroutine is over, whichever way.
struct Presence(End);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.gone();
    }
}

fn enter(end: &End, stream: &Stream, role: &'static str) -> Presence {
    end.made(stream.transport(), role);
    stream.transport().set_timeout(Some(IDLE));
    Presence(end.clone())
}

fn leave(end: &End, result: Result) -> Result {
    if let Err(error) = &result {
        end.broke(error);
    }
    result
}

/// A server that echoes.
pub(crate) async fn serve(end: End, stream: Stream) -> Result {
    let presence = enter(&end, &stream, "coroutine server");
    let result = echo(&end, stream).await;
    drop(presence);
    leave(&end, result)
}

async fn echo(end: &End, mut stream: Stream) -> Result {
    while let Some(data) = stream.read().await? {
        end.called(stream.transport(), "read");
        end.read(&data);
        if draw(stream.transport(), 6) == 0 {
            let (reactor, delay) = (stream.transport().reactor().clone(), moment(stream.transport()));
            reactor.sleep(delay).await;
        }
        end.write(stream.transport(), &data);
        stream.room().await?;
    }
    finish(end, stream).await
}

/// Nothing more will be read: the peer's stream has ended, or at a stop the next message would have to be waited for.
async fn finish(end: &End, stream: Stream) -> Result {
    if !stream.is_stopping() {
        end.ended();
    }
    end.close(stream.transport());
    stream.close().await
}

/// A client that writes and reads in turns.
pub(crate) async fn open(end: End, stream: Stream, rounds: usize) -> Result {
    let presence = enter(&end, &stream, "coroutine client");
    let result = talk(&end, stream, rounds).await;
    drop(presence);
    leave(&end, result)
}

async fn talk(end: &End, mut stream: Stream, rounds: usize) -> Result {
    let mut echoed = 0;
    for _ in 0..rounds {
        let n = 1 + draw(stream.transport(), 400);
        end.write(stream.transport(), &end.fresh(n));
        stream.room().await?;
        let Some(data) = stream.read_exact(n).await? else {
            return if stream.is_stopping() {
                finish(end, stream).await
            } else {
                Err("the echo ended early".into())
            };
        };
        end.read(&data);
        end.echoes(0, echoed, &data);
        echoed += n;
    }
    end.close_write(stream.transport());
    if let Some(data) = stream.read().await? {
        end.read(&data);
        end.close(stream.transport());
        return stream.close().await;
    }
    finish(end, stream).await
}

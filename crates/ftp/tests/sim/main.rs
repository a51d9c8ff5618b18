//! The client in the simulator: control and data connections together, in networks of all kinds, with a server that
//! follows a script.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod hostile;
mod mirrors;
mod ours;
mod server;
mod sessions;
mod transfers;

use server::{Script, Shared, Trick};
use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::Result;
use trenza_ftp::{Client, ClientOptions, Dial};
use trenza_sim::{HostHandle, Net};

/// A network with a server, `srv:21`.
struct Site {
    net: Net,
    script: Shared,
}

impl Site {
    fn new(net: Net) -> Self {
        let script: Shared = Rc::new(RefCell::new(Script::default()));
        server::serve_on(&net.host("srv"), &script);
        Self { net, script }
    }

    fn gentle() -> Self {
        Self::new(Net::gentle(1))
    }

    fn file(self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.script.borrow_mut().files.insert(name.into(), content.into());
        self
    }

    fn trick(self, verb: &'static str, trick: Trick) -> Self {
        self.script.borrow_mut().tricks.push((verb, trick));
        self
    }

    fn stored(&self, name: &str) -> Option<Vec<u8>> {
        self.script.borrow().files.get(name.as_bytes()).cloned()
    }

    fn heard(&self, verb: &str) -> usize {
        self.script.borrow().heard.iter().filter(|heard| *heard == verb).count()
    }

    fn client(&self) -> HostHandle {
        self.net.host("cli")
    }

    /// Runs a client that is logged in.
    fn with<T: 'static>(
        &self,
        options: ClientOptions,
        body: impl AsyncFnOnce(&mut Client) -> Result<T> + 'static,
    ) -> Result<T> {
        let dial = Dial::new("tcp:srv:21", options)?.account("ann", "secret");
        self.net.block_on(&self.client(), async move {
            let mut client = dial.open().await?;
            let result = body(&mut client).await;
            if client.is_open() {
                client.quit().await?;
            }
            result
        })
    }

    /// Nothing of the client's is left.
    fn assert_quiet(&self) {
        self.net.advance(Duration::from_secs(60));
        let left = self.client().left();
        assert_eq!(
            (left.connections, left.ports, left.tasks, left.timers),
            (0, 0, 0, 0),
            "{:?}",
            self.client().leftovers()
        );
    }
}

/// Bytes that show where something is missing.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// All that a file has, from a byte on.
async fn fetch(client: &mut Client, path: &str, offset: u64) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let sink = async |piece: bytes::Bytes| {
        all.extend_from_slice(&piece);
        Ok(())
    };
    client.retrieve(path, offset, sink).await?;
    Ok(all)
}

/// Stores bytes in pieces.
async fn put(client: &mut Client, path: &str, offset: u64, content: &[u8]) -> Result<u64> {
    let mut pieces = content.chunks(5000).map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter();
    Ok(client.store(path, offset, async || Ok(pieces.next().map(Into::into))).await?)
}

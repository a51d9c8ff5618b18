//! [`Pool`]: several connections that take one item after another.

use crate::{Client, ClientError, Dial};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};
use trenza_core::join;

/// Connections to one server, made when they are needed first.
pub(super) struct Pool {
    dial: Dial,
    clients: Vec<Option<Client>>,
    attempts: usize,
}

/// What came of items, in any order.
pub(super) struct Done<T, R> {
    pub(super) results: Vec<(T, Result<R, ClientError>)>,
    /// What nobody was left to do.
    pub(super) left: Vec<T>,
}

/// What came of one attempt of a worker.
enum Turn<R> {
    Done(Result<R, ClientError>),
    /// The server takes no further connection.
    NoConnection(ClientError),
}

impl Pool {
    pub(super) fn new(dial: &Dial, connections: usize, attempts: usize) -> Self {
        let clients = (0..connections.max(1)).map(|_| None).collect();
        Self { dial: dial.clone(), clients, attempts: attempts.max(1) }
    }

    /// Does `work` for each item. Who gets no connection leaves its items to the others; without any the first item fails,
    /// and the rest is left.
    pub(super) async fn each<T, R>(
        &mut self,
        items: Vec<T>,
        work: impl AsyncFn(&mut Client, &T) -> Result<R, ClientError>,
    ) -> Done<T, R> {
        let workers = self.clients.len().min(items.len());
        let (queue, results) = (RefCell::new(VecDeque::from(items)), RefCell::new(Vec::new()));
        self.take_turns(workers, |_| true, &queue, &results, &work).await;
        // The others may have been done before one learned that there is no connection for it.
        while !queue.borrow().is_empty() && self.clients.iter().any(Option::is_some) {
            self.take_turns(workers, Option::is_some, &queue, &results, &work).await;
        }
        Done { results: results.into_inner(), left: queue.into_inner().into() }
    }

    /// Has those clients that are asked for take one item after another.
    async fn take_turns<T, R>(
        &mut self,
        workers: usize,
        who: impl Fn(&Option<Client>) -> bool,
        queue: &RefCell<VecDeque<T>>,
        results: &RefCell<Vec<(T, Result<R, ClientError>)>>,
        work: &impl AsyncFn(&mut Client, &T) -> Result<R, ClientError>,
    ) {
        let (dial, attempts) = (&self.dial, self.attempts);
        let connected = &Cell::new(self.clients.iter().flatten().count());
        let working = self.clients.iter_mut().filter(|slot| who(slot)).take(workers).map(|slot| async move {
            loop {
                let next = queue.borrow_mut().pop_front();
                let Some(item) = next else { return Ok(()) };
                match turn(dial, slot, connected, attempts, &item, work).await {
                    Turn::Done(result) => results.borrow_mut().push((item, result)),
                    Turn::NoConnection(_) if connected.get() > 0 => {
                        queue.borrow_mut().push_front(item);
                        return Ok(());
                    }
                    Turn::NoConnection(error) => {
                        results.borrow_mut().push((item, Err(error)));
                        return Ok(());
                    }
                }
            }
        });
        // No worker ends with an error.
        let _: Result<Vec<()>, _> = join(working).await;
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        let goodbyes = self.clients.into_iter().flatten().map(|client| async {
            // Some servers are gone before.
            let _ = client.quit().await;
            Ok(())
        });
        let _: Result<Vec<()>, _> = join(goodbyes).await;
    }
}

/// Tries one item until it went well, or the server has said no.
async fn turn<T, R>(
    dial: &Dial,
    slot: &mut Option<Client>,
    connected: &Cell<usize>,
    attempts: usize,
    item: &T,
    work: &impl AsyncFn(&mut Client, &T) -> Result<R, ClientError>,
) -> Turn<R> {
    let mut attempt = 1;
    loop {
        let client = match slot {
            Some(client) => client,
            None => match dial.open().await {
                Ok(client) => {
                    connected.set(connected.get() + 1);
                    slot.insert(client)
                }
                Err(error) => return Turn::NoConnection(error),
            },
        };
        let result = work(client, item).await;
        if client.is_open() {
            return Turn::Done(result);
        }
        *slot = None;
        connected.set(connected.get().saturating_sub(1));
        if attempt >= attempts || !result.as_ref().is_err_and(ClientError::is_transient) {
            return Turn::Done(result);
        }
        attempt += 1;
    }
}

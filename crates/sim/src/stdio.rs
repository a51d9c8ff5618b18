//! Standard input and output of a host's program: two pipes, whose other ends a test holds.

use crate::{link::End, world::World};
use std::{io, mem};
use trenza_core::driver::{Ends, Socket};

/// The ends that nobody has taken so far.
#[derive(Debug)]
pub(crate) struct Stdio {
    /// What the program reads, and what it writes.
    inner: Option<[End; 2]>,
    /// What writes to its input, and what reads its output.
    outer: Option<[End; 2]>,
}

impl World {
    /// Standard input and output for the program.
    ///
    /// # Errors
    /// They were taken before, or the network is full.
    pub(crate) fn take_stdio(&mut self, host: usize) -> io::Result<Ends> {
        let inner = self.stdio(host)?.inner.take();
        let [read, write] = inner.ok_or(io::ErrorKind::ResourceBusy)?.map(|end| Some(Socket::Simulated(end)));
        Ok(Ends::Two { read, write })
    }

    /// Their other ends, for a test.
    ///
    /// # Errors
    /// Those of [`World::take_stdio`].
    pub(crate) fn take_console(&mut self, host: usize) -> io::Result<[End; 2]> {
        self.stdio(host)?.outer.take().ok_or_else(|| io::ErrorKind::ResourceBusy.into())
    }

    fn stdio(&mut self, host: usize) -> io::Result<&mut Stdio> {
        let machine = self.hosts.get_mut(host).ok_or(io::ErrorKind::NotFound)?;
        let made = match mem::take(&mut machine.stdio) {
            Some(made) => made,
            None => {
                let [typed, read] = self.pair(host, "stdin", true)?;
                let [write, shown] = self.pair(host, "stdout", true)?;
                Stdio { inner: Some([read, write]), outer: Some([typed, shown]) }
            }
        };
        let machine = self.hosts.get_mut(host).ok_or(io::ErrorKind::NotFound)?;
        Ok(machine.stdio.insert(made))
    }
}

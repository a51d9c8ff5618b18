//! [`Watch`]: descriptors that others read and write ([`Reactor::watch`]).

use crate::{
    Reactor,
    driver::{Close, Driver, Interest, Open, Ready, Socket, Token},
    engine::{
        command::Command,
        lost::contained,
        turn::{Slot, Turn},
    },
};
use std::{cell::Cell, fmt, io, os::fd::AsFd, panic::Location, rc::Rc};

/// Called when a watched descriptor is ready.
pub(crate) type OnReady = Box<dyn FnMut(Ready)>;

/// What the handle of a watch shares with the loop.
pub(crate) struct WatchState {
    /// The code that watches.
    pub(crate) made: &'static Location<'static>,
    pub(crate) name: String,
    token: Cell<Option<Token>>,
    over: Cell<bool>,
}

/// A watch in the loop's table.
pub(crate) struct WatchEntry {
    pub(crate) state: Rc<WatchState>,
    on_ready: Option<OnReady>,
}

impl Reactor {
    /// Calls `on_ready` whenever a descriptor is ready that somebody else reads or writes: a C library, another runtime.
    /// Dropping the [`Watch`] ends it.
    ///
    /// A copy of the descriptor is watched, so it stays open until the watch ends. It is called once a turn while there
    /// is something to do: who is told and does nothing is told again. A panic in `on_ready` ends the watch. What no
    /// poller takes, as regular files, is always ready. Descriptors are real ones; for the simulator see
    /// [`Reactor::watch_socket`].
    ///
    /// # Errors
    /// There is no descriptor left for the copy, or `interest` names nothing.
    #[track_caller]
    pub fn watch(
        &self,
        descriptor: impl AsFd,
        interest: Interest,
        on_ready: impl FnMut(Ready) + 'static,
    ) -> io::Result<Watch> {
        let copy = descriptor.as_fd().try_clone_to_owned()?;
        self.watch_socket(Socket::Descriptor(copy), interest, on_ready)
    }

    /// Like [`Reactor::watch`], for a descriptor that is given away or a simulated one: a simulated host makes some that a
    /// test says are ready, since it cannot watch real ones.
    ///
    /// # Errors
    /// `interest` names nothing.
    #[track_caller]
    pub fn watch_socket(
        &self,
        socket: Socket,
        interest: Interest,
        on_ready: impl FnMut(Ready) + 'static,
    ) -> io::Result<Watch> {
        if !interest.read && !interest.write {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a watch for neither reading nor writing",
            ));
        }
        let name = match &socket {
            Socket::Descriptor(fd) => format!("{fd:?}"),
            Socket::Simulated(number) => format!("simulated descriptor {number}"),
        };
        let (made, token, over) = (Location::caller(), Cell::new(None), Cell::new(false));
        let state = Rc::new(WatchState { made, name, token, over });
        self.0.command(Command::Watch(socket, interest, state.clone(), Box::new(on_ready)));
        Ok(Watch { reactor: self.clone(), state })
    }
}

/// A descriptor that is watched; dropping it ends that. See [`Reactor::watch`].
#[must_use = "dropping a Watch ends it"]
pub struct Watch {
    reactor: Reactor,
    state: Rc<WatchState>,
}

impl Watch {
    /// False when the system could not watch the descriptor, when `on_ready` has panicked, or when the loop is gone.
    pub fn is_active(&self) -> bool {
        !self.state.over.get() && !self.reactor.0.ended.get()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.over.set(true);
        self.reactor.0.command(Command::Unwatch(self.state.clone()));
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.state.name)
    }
}

impl Turn {
    pub(crate) fn watch(
        &mut self,
        driver: &mut dyn Driver,
        (socket, interest): (Socket, Interest),
        state: Rc<WatchState>,
        on_ready: OnReady,
    ) {
        if state.over.get() {
            return;
        }
        match driver.open(Open::Watch(socket, interest)) {
            Ok(token) => {
                state.token.set(Some(token));
                driver.read(token, true);
                let entry = WatchEntry { state, on_ready: Some(on_ready) };
                drop(self.place(token, Slot::Watch(Box::new(entry))));
            }
            Err(error) => {
                state.over.set(true);
                tracing::error!(descriptor = %state.name, %error, "cannot be watched");
            }
        }
    }

    pub(crate) fn unwatch(&mut self, driver: &mut dyn Driver, state: &WatchState) {
        let Some(token) = state.token.take() else { return };
        driver.close(token, Close::Abort);
        let gone = self.place(token, Slot::Free);
        contained("a drop", || drop(gone));
    }

    /// A watched descriptor is ready.
    pub(crate) fn ready(&mut self, token: Token, ready: Ready) {
        let Some(entry) = self.watch_entry(token).filter(|entry| !entry.state.over.get()) else { return };
        let state = entry.state.clone();
        let Some(mut on_ready) = entry.on_ready.take() else { return };
        let ended = contained("a watch", || on_ready(ready));
        match self.watch_entry(token) {
            Some(entry) if ended => {
                entry.on_ready = Some(on_ready);
                self.rearm.push(token);
            }
            _ => {
                contained("a drop", || drop(on_ready));
                state.over.set(true);
                self.reactor.0.command(Command::Unwatch(state));
            }
        }
    }

    fn watch_entry(&mut self, token: Token) -> Option<&mut WatchEntry> {
        match self.slots.get_mut(token.index)? {
            Slot::Watch(entry) if entry.state.token.get() == Some(token) => Some(entry),
            _ => None,
        }
    }

    /// The loop ends.
    pub(crate) fn end_watch(driver: &mut dyn Driver, entry: Box<WatchEntry>) {
        entry.state.over.set(true);
        if let Some(token) = entry.state.token.take() {
            driver.close(token, Close::Abort);
        }
        contained("a drop", || drop(entry));
    }
}

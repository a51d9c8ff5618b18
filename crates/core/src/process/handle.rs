//! [`Process`]: a child process seen from outside, and [`State`]: what its handles share with the loop.

use super::{
    children::Order,
    protocol::{ProcessProtocol, find},
    spawn::TERMINAL,
};
use crate::{
    Deferred, ExitStatus, Handle, Limit, Reactor, Reason, Resolver, Result, Signal, Timeout, Timer,
    Transport,
    engine::command::Command,
    handle::sealed::{Cancels, Home},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt, io,
    panic::Location,
    rc::{Rc, Weak},
    time::{Duration, Instant},
};

/// How far a child has come in the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It runs, but its protocol was not told.
    Coming,
    /// Its protocol knows it.
    Told,
    /// It is over, also for its protocol.
    Ended,
}

/// Our end of a pipe.
pub(crate) enum Pipe {
    /// The loop has not opened it.
    Coming,
    Open(Transport),
    Closed,
}

/// What was asked for before the pipes were there.
pub(crate) enum Early {
    Write(u32, Vec<u8>),
    Close(u32),
}

/// What a child's handles share with the loop: never its protocol.
pub(crate) struct State {
    pub(crate) reactor: Reactor,
    /// The loop's number of it, which no other has.
    pub(crate) number: u64,
    /// The system's, which may be another's once it has exited.
    pub(crate) pid: u32,
    pub(crate) program: Rc<str>,
    /// The code that started it.
    pub(crate) made: &'static Location<'static>,
    /// It leads a group, which is ended with it.
    pub(crate) leads_group: bool,
    /// Its descriptors 0, 1 and 2 are one.
    pub(crate) terminal: bool,
    pub(crate) stage: Cell<Stage>,
    pub(crate) pipes: RefCell<BTreeMap<u32, Pipe>>,
    pub(crate) early: RefCell<Vec<Early>>,
    early_bytes: Cell<usize>,
    pub(crate) status: Cell<Option<ExitStatus>>,
    /// Why it was ended, if it was: its protocol hears nothing but `ended` then.
    pub(crate) reason: Cell<Option<Reason>>,
    pub(crate) failed: Cell<bool>,
    pub(crate) awaiting_exit: RefCell<Vec<Resolver<ExitStatus>>>,
    pub(crate) awaiting_end: RefCell<Vec<Resolver<ExitStatus>>>,
    cancels: RefCell<Cancels>,
    deadline: Cell<Option<Timer>>,
    idle: Cell<Option<(Duration, Timer)>>,
    /// When a byte has moved, as far as no pipe knows better.
    active: Cell<Instant>,
    held: RefCell<Weak<Held>>,
}

/// Somebody holds a handle.
struct Held(Weak<State>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(state) = self.0.upgrade() {
            state.fail(Reason::Aborted);
        }
    }
}

/// How a child is to be made known.
pub(crate) struct Newborn {
    pub(crate) pid: u32,
    pub(crate) program: Rc<str>,
    pub(crate) made: &'static Location<'static>,
    pub(crate) leads_group: bool,
    pub(crate) terminal: bool,
}

impl State {
    pub(crate) fn new(reactor: &Reactor, newborn: Newborn) -> Self {
        let Newborn { pid, program, made, leads_group, terminal } = newborn;
        Self {
            reactor: reactor.clone(),
            number: reactor.0.next_serial(),
            pid,
            program,
            made,
            leads_group,
            terminal,
            stage: Cell::new(Stage::Coming),
            pipes: RefCell::default(),
            early: RefCell::default(),
            early_bytes: Cell::new(0),
            status: Cell::new(None),
            reason: Cell::new(None),
            failed: Cell::new(false),
            awaiting_exit: RefCell::default(),
            awaiting_end: RefCell::default(),
            cancels: RefCell::default(),
            deadline: Cell::new(None),
            idle: Cell::new(None),
            active: Cell::new(reactor.now()),
            held: RefCell::default(),
        }
    }

    /// The handle that a program gets; with `kill` the child ends when the last of its clones is dropped.
    pub(crate) fn first_handle(self: &Rc<Self>, kill: bool) -> Process {
        let held = kill.then(|| Rc::new(Held(Rc::downgrade(self))));
        if let Some(held) = &held {
            *self.held.borrow_mut() = Rc::downgrade(held);
        }
        Process { state: self.clone(), held }
    }

    /// A handle for a callback.
    pub(crate) fn handle(self: &Rc<Self>) -> Process {
        Process { state: self.clone(), held: self.held.borrow().upgrade() }
    }

    pub(crate) fn order(self: &Rc<Self>, order: Order) {
        self.reactor.0.command(Command::Process(self.clone(), order));
    }

    /// Ends the child at once, for a reason; the first one counts. It is killed before its pipes are closed: it must not
    /// take what was cut short for the whole.
    pub(crate) fn fail(self: &Rc<Self>, reason: Reason) {
        if self.stage.get() == Stage::Ended || self.failed.replace(true) {
            return drop(reason);
        }
        tracing::debug!(pid = self.pid, program = %self.program, %reason, "a child process is ended");
        self.reason.set(Some(reason));
        // It may have exited, which will be told.
        let _ = self.signal(Signal::Kill, self.leads_group);
        self.transports().iter().for_each(Transport::abort);
        self.order(Order::Settle);
    }

    pub(crate) fn signal(&self, signal: Signal, group: bool) -> io::Result<()> {
        if self.status.get().is_some() || self.stage.get() == Stage::Ended {
            let what = format!("{} (process {}) has exited", self.program, self.pid);
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        self.reactor.0.host.signal(self.pid, signal, group)
    }

    /// The pipes that are open.
    pub(crate) fn transports(&self) -> Vec<Transport> {
        let open =
            |pipe: &Pipe| if let Pipe::Open(transport) = pipe { Some(transport.clone()) } else { None };
        self.pipes.borrow().values().filter_map(open).collect()
    }

    /// The number of the pipe that stands for a descriptor.
    fn pipe_of(&self, which: u32) -> u32 {
        if self.terminal && which <= 2 { TERMINAL } else { which }
    }

    fn transport(&self, which: u32) -> Option<Transport> {
        match self.pipes.borrow().get(&self.pipe_of(which))? {
            Pipe::Open(transport) => Some(transport.clone()),
            Pipe::Coming | Pipe::Closed => None,
        }
    }

    pub(crate) fn set_pipe(&self, which: u32, pipe: Pipe) {
        let former = self.pipes.borrow_mut().insert(which, pipe);
        drop(former);
    }

    /// True when nothing more can come from it.
    pub(crate) fn is_silent(&self) -> bool {
        self.pipes.borrow().values().all(|pipe| matches!(pipe, Pipe::Closed))
    }

    fn is_coming(&self, which: u32) -> bool {
        let coming = matches!(self.pipes.borrow().get(&self.pipe_of(which)), Some(Pipe::Coming));
        coming || self.stage.get() == Stage::Coming && !self.early.borrow().is_empty()
    }

    pub(crate) fn write(self: &Rc<Self>, which: u32, data: &[u8]) {
        if !self.is_coming(which) {
            return self.transport(which).into_iter().for_each(|transport| transport.write(data));
        }
        let held = self.early_bytes.get().saturating_add(data.len());
        self.early_bytes.set(held);
        let limit = self.reactor.0.limits.borrow().unsent;
        if held > limit {
            return self.fail(Reason::Overflow(Limit::Unsent));
        }
        self.early.borrow_mut().push(Early::Write(which, data.to_vec()));
    }

    pub(crate) fn close(&self, which: u32) {
        if !self.is_coming(which) {
            return self.transport(which).into_iter().for_each(|transport| transport.close());
        }
        self.early.borrow_mut().push(Early::Close(which));
    }

    /// Does what was asked for before the pipes were there.
    pub(crate) fn catch_up(self: &Rc<Self>) {
        for early in self.early.take() {
            match early {
                Early::Write(which, data) => self.write(which, &data),
                Early::Close(which) => self.close(which),
            }
        }
    }

    fn set_deadline(self: &Rc<Self>, after: Option<Duration>) {
        let timer = after.filter(|_| self.stage.get() != Stage::Ended).map(|after| {
            let state = Rc::downgrade(self);
            let ring = move || {
                state.upgrade().into_iter().for_each(|state| state.order(Order::TimedOut(Timeout::Deadline)));
            };
            self.reactor.call_later_from(self.made, after, ring)
        });
        drop(self.deadline.replace(timer));
    }

    fn set_timeout(self: &Rc<Self>, idle: Option<Duration>) {
        self.active.set(self.reactor.now());
        let idle = idle.filter(|_| self.stage.get() != Stage::Ended);
        drop(self.idle.replace(idle.map(|idle| (idle, self.idle_timer(idle)))));
    }

    fn idle_timer(self: &Rc<Self>, after: Duration) -> Timer {
        let state = Rc::downgrade(self);
        let ring = move || state.upgrade().into_iter().for_each(|state| state.look_whether_idle());
        self.reactor.call_later_from(self.made, after, ring)
    }

    /// The idle time may be over: bytes that have moved since cost no timer operation.
    fn look_whether_idle(self: &Rc<Self>) {
        let Some((idle, _)) = self.idle.take() else { return };
        let times = self.transports();
        let moved = times.iter().map(|transport| transport.0.times().active);
        let last = moved.chain([self.active.get()]).max().unwrap_or_else(|| self.active.get());
        let now = self.reactor.now();
        let silent = now.saturating_duration_since(last);
        if silent >= idle {
            self.active.set(now);
            self.order(Order::TimedOut(Timeout::Idle));
            self.idle.set(Some((idle, self.idle_timer(idle))));
        } else {
            self.idle.set(Some((idle, self.idle_timer(idle - silent))));
        }
    }

    /// What was waited for and what was to be cancelled with the child, when it is over.
    pub(crate) fn end(&self) {
        self.stage.set(Stage::Ended);
        drop((self.deadline.take(), self.idle.take()));
        self.early.take();
        let status = self.status.get().ok_or("the loop ended before the child process did");
        let exit = self.awaiting_exit.take();
        for resolver in exit.into_iter().chain(self.awaiting_end.take()) {
            resolver.fire(status.map_err(Into::into));
        }
        self.cancels.take().cancel();
    }
}

/// A child process seen from outside: a cheap clone. Dropping it changes nothing unless
/// [`Command::kill_on_drop`](crate::Command::kill_on_drop) says so: the process goes on, and its protocol hears of it.
///
/// For an example see [`Reactor::spawn_process`].
#[derive(Clone)]
pub struct Process {
    pub(crate) state: Rc<State>,
    held: Option<Rc<Held>>,
}

impl Process {
    /// The system's number of the process. After its end it may become somebody else's.
    pub fn pid(&self) -> u32 {
        self.state.pid
    }

    /// Queues a copy of `data` for a descriptor that the child reads. Never blocks, never fails.
    ///
    /// Beyond [`Limits::unsent`](crate::Limits::unsent) the child is ended. When the pipe is closed they are dropped.
    pub fn write(&self, which: u32, data: &[u8]) {
        self.state.write(which, data);
    }

    /// Closes a pipe. The child gets all that was written before, and then finds the end; or, where it writes itself,
    /// that nobody reads.
    pub fn close(&self, which: u32) {
        self.state.close(which);
    }

    /// True from the moment that unsent bytes exceed [`Limits::high`](crate::Limits::high) until they are down to
    /// [`Limits::low`](crate::Limits::low), which [`ProcessProtocol::writable`] tells.
    pub fn is_full(&self, which: u32) -> bool {
        self.state.transport(which).is_some_and(|transport| transport.is_full())
    }

    /// A pipe as the connection that it is: to pause, to throttle, to send files, to wait until all was taken; and to
    /// give it to another protocol or to a coroutine, so that this one hears nothing more of it than
    /// [`ProcessProtocol::pipe_closed`] with [`Reason::Switched`]. None before [`ProcessProtocol::started`] and when it is
    /// closed.
    pub fn pipe(&self, which: u32) -> Option<Transport> {
        self.state.transport(which)
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    /// `NotFound`: it has exited. Or the system does not permit it, as for a program that runs as somebody else.
    pub fn signal(&self, signal: Signal) -> Result {
        Ok(self.state.signal(signal, false)?)
    }

    /// Sends a signal to the process and to all that belong to its group, which is what it has started as a rule.
    ///
    /// # Errors
    /// Those of [`Process::signal`]; `InvalidInput`: it was not started with a group or session of its own.
    pub fn signal_group(&self, signal: Signal) -> Result {
        if !self.state.leads_group {
            let what = format!("{} has no group of its own: use Command::new_group", self.state.program);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what).into());
        }
        Ok(self.state.signal(signal, true)?)
    }

    /// Asks it to end, with SIGTERM. Where it has exited, and only what it has started holds its pipes open, these are
    /// closed.
    pub fn terminate(&self) {
        if self.state.status.get().is_some() {
            self.state.transports().iter().for_each(Transport::close);
        }
        // It may have exited, and then there is nothing to be done.
        let _ = self.state.signal(Signal::Terminate, self.state.leads_group);
    }

    /// Ends it at once, with SIGKILL; its pipes are closed, and what was not sent is dropped.
    pub fn abort(&self) {
        self.fail(Reason::Aborted);
    }

    /// Calls [`ProcessProtocol::timed_out`] when no byte has moved in any pipe for so long.
    pub fn set_timeout(&self, idle: Option<Duration>) {
        self.state.set_timeout(idle);
    }

    /// Calls [`ProcessProtocol::timed_out`] after so long, whatever it does, until it has ended.
    pub fn set_deadline(&self, after: Option<Duration>) {
        self.state.set_deadline(after);
    }

    /// How it has exited, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        self.state.status.get()
    }

    /// Fires when it has exited; its pipes may be open still.
    pub fn exited(&self) -> Deferred<ExitStatus> {
        self.waits(&self.state.awaiting_exit, self.status().is_some())
    }

    /// Fires when it has exited and all its pipes are closed, after [`ProcessProtocol::ended`].
    pub fn ended(&self) -> Deferred<ExitStatus> {
        self.waits(&self.state.awaiting_end, self.state.stage.get() == Stage::Ended)
    }

    fn waits(&self, list: &RefCell<Vec<Resolver<ExitStatus>>>, done: bool) -> Deferred<ExitStatus> {
        if done {
            let status = self.status().ok_or("the loop ended before the child process did");
            return self.state.reactor.fired(status.map_err(Into::into));
        }
        let (deferred, resolver) = self.state.reactor.deferred();
        let mut list = list.borrow_mut();
        // One that was cancelled holds nothing of anybody's, so it may be dropped here.
        crate::connection::push_pruning(&mut list, resolver, |other| !other.is_cancelled());
        deferred
    }

    /// The typed way back into the protocol.
    pub fn handle<P: ProcessProtocol>(&self) -> Handle<P, Self> {
        Handle::new(self.clone())
    }

    /// The reactor that it was started by.
    pub fn reactor(&self) -> &Reactor {
        &self.state.reactor
    }

    pub(crate) fn fail(&self, reason: Reason) {
        self.state.fail(reason);
    }
}

impl<P: ProcessProtocol> Home<P> for Process {
    fn reactor(&self) -> &Reactor {
        self.reactor()
    }

    fn queue(&self, f: impl FnOnce(&mut P, &Self) -> Result + 'static) {
        let call = move |protocol: &mut dyn ProcessProtocol, process: &Self| match find::<P>(protocol) {
            Some(protocol) => f(protocol, process),
            None => {
                tracing::debug!(pid = process.pid(), "a call for a process protocol that is not there");
                Ok(())
            }
        };
        self.state.order(Order::Call(Box::new(call)));
    }

    fn with_cancels<T>(&self, f: impl FnOnce(&mut Cancels) -> T) -> Option<T> {
        (self.state.stage.get() != Stage::Ended).then(|| f(&mut self.state.cancels.borrow_mut()))
    }
}

impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.state, &other.state)
    }
}

impl Eq for Process {}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, held } = self;
        f.debug_struct("Process")
            .field("program", &state.program)
            .field("pid", &state.pid)
            .field("status", &state.status.get())
            .field("kill_on_drop", &held.is_some())
            .finish()
    }
}

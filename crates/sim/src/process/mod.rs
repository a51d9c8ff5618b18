//! Programs on simulated hosts: coroutines that are started, signalled and reaped like processes.
//!
//! Each has a machine of its own, which nobody can name, with an engine that [`crate::Net`] steps like any other. So its
//! pipes are links as others, and its turns come in the order that the seed decides. Between it and its host no time
//! passes.

mod fake;

pub use fake::{Fake, Signals};

use crate::{
    link::End,
    machine::HostHandle,
    world::{Due, HOSTS_MAX, Shared, World},
};
use fake::Inbox;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    ExitStatus, Result, Signal,
    driver::{Child, Descriptor, Ends, Socket, Spawn, TERMINAL},
};

/// The most processes that a network has at a time.
pub const PROCESSES_MAX: usize = 2048;

pub(crate) type Program = Rc<dyn Fn(Fake) -> Pin<Box<dyn Future<Output = Result<ExitStatus>>>>>;

/// A process that runs, or has exited and was not buried.
struct Process {
    /// Whose child it is, and at which start of the machine.
    parent: (usize, u32),
    machine: usize,
    inbox: Rc<Inbox>,
    ended: Option<ExitStatus>,
    /// Whoever started it is gone: nobody is told.
    orphan: bool,
}

/// A process that was started and has no engine yet.
pub(crate) struct Birth {
    pid: u32,
    machine: usize,
    program: Program,
    how: Rc<Spawn>,
    inbox: Rc<Inbox>,
    ends: Vec<(u32, Ends)>,
    nowhere: BTreeSet<u32>,
}

/// The processes of a network.
#[derive(Default)]
pub(crate) struct Processes {
    programs: BTreeMap<(usize, OsString), Program>,
    live: BTreeMap<u32, Process>,
    births: VecDeque<Birth>,
    last_pid: u32,
    /// Numbers that are nobody's any more: the one given back last is given out first.
    free_pids: Vec<u32>,
    /// Machines of processes that are over.
    free: Vec<usize>,
}

impl Processes {
    /// Forgets all programs, for the caller to drop: they may hold hosts.
    pub(crate) fn take_programs(&mut self) -> impl Sized + use<> {
        (std::mem::take(&mut self.programs), std::mem::take(&mut self.births))
    }

    fn next_pid(&mut self) -> u32 {
        self.free_pids.pop().unwrap_or_else(|| {
            self.last_pid += 1;
            self.last_pid
        })
    }

    /// Whoever started a process was told of its end.
    pub(crate) fn give_back(&mut self, pid: u32) {
        self.free_pids.push(pid);
    }

    pub(crate) fn add_program(&mut self, host: usize, name: OsString, program: Program) -> Option<Program> {
        self.programs.insert((host, name), program)
    }
}

impl World {
    /// Starts a program.
    ///
    /// # Errors
    /// Nobody has said what it does; a descriptor is one that the simulator has not; there are too many.
    pub(crate) fn spawn(&mut self, host: usize, boot: u32, mut how: Spawn) -> io::Result<Child> {
        let program = self.processes.programs.get(&(self.home(host), how.program.clone())).cloned();
        let program = program.ok_or(io::ErrorKind::NotFound)?;
        if self.processes.live.len() >= PROCESSES_MAX {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let mut wanted = std::mem::take(&mut how.descriptors);
        for number in 0..=2 {
            wanted.entry(number).or_insert(Descriptor::Null);
        }
        if how.terminal.is_some() {
            (0..=2).for_each(|number| drop(wanted.remove(&number)));
            wanted.insert(TERMINAL, Descriptor::Both);
        }
        if wanted.values().any(|what| matches!(what, Descriptor::Given(_))) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a simulated host has no descriptors to give",
            ));
        }
        let pid = self.processes.next_pid();
        let name = format!("{}/{}({pid})", self.name(host), how.program.to_string_lossy());
        let machine = match self.processes.free.pop() {
            Some(machine) => machine,
            None => {
                // Their addresses are above those of all hosts.
                let number = HOSTS_MAX as u32 + self.hosts.len() as u32;
                self.add_machine(&name, number, Some(host))
            }
        };
        if let Some(again) = self.hosts.get_mut(machine) {
            again.name = name.as_str().into();
            again.parent = Some(host);
        }
        let (mut pipes, mut ends, mut nowhere) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (number, what) in wanted {
            let Some((ours, theirs)) = self.pipe_to(host, machine, &name, &what)? else {
                nowhere.insert(number);
                continue;
            };
            pipes.push((number, ours));
            ends.push((number, theirs));
        }
        let inbox = Rc::<Inbox>::default();
        let process =
            Process { parent: (host, boot), machine, inbox: inbox.clone(), ended: None, orphan: false };
        self.processes.live.insert(pid, process);
        let how = Rc::new(how);
        self.processes.births.push_back(Birth { pid, machine, program, how, inbox, ends, nowhere });
        self.note(format_args!("{name} is started"));
        Ok(Child { pid, pipes })
    }

    /// Our end and the child's of what a descriptor is to be.
    fn pipe_to(
        &mut self,
        host: usize,
        machine: usize,
        name: &str,
        what: &Descriptor,
    ) -> io::Result<Option<(Ends, Ends)>> {
        let (end, both) = match what {
            Descriptor::ToChild | Descriptor::FromChild => (true, false),
            Descriptor::Both => (false, true),
            _ => return Ok(None),
        };
        let [first, second] = self.pair(host, name, end)?;
        let read = |end: End| Ends::Two { read: Some(Socket::Simulated(end)), write: None };
        let write = |end: End| Ends::Two { read: None, write: Some(Socket::Simulated(end)) };
        // Of a pipe the first end is written.
        let (ours, theirs, given) = match what {
            _ if both => {
                let [ours, theirs] = [first, second].map(|end| Ends::One(Socket::Simulated(end)));
                (ours, theirs, second)
            }
            Descriptor::ToChild => (write(first), read(second), second),
            _ => (read(second), write(first), first),
        };
        if let Some(side) = self.sides.get_mut(&given) {
            side.host = machine;
        }
        Ok(Some((ours, theirs)))
    }

    /// The host that a machine is part of: its own, or that of whoever started the process.
    pub(crate) fn home(&self, machine: usize) -> usize {
        let mut home = machine;
        while let Some(parent) = self.hosts.get(home).and_then(|machine| machine.parent) {
            home = parent;
        }
        home
    }

    /// Sends a signal to a process that was started by this host.
    pub(crate) fn signal(&mut self, host: usize, boot: u32, pid: u32, signal: Signal) -> io::Result<()> {
        let process = self.processes.live.get_mut(&pid).filter(|process| process.parent == (host, boot));
        let process = process.ok_or(io::ErrorKind::NotFound)?;
        if process.ended.is_some() {
            // As with a zombie.
            return Ok(());
        }
        match signal {
            Signal::Stop => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "a simulated program cannot be halted",
                ));
            }
            signal if process.inbox.deliver(signal) => {}
            Signal::Continue | Signal::Window => {}
            signal => process.ended = Some(signal.into()),
        }
        self.note(format_args!("process {pid} gets {signal}"));
        Ok(())
    }

    /// The coroutine of a process has ended.
    pub(crate) fn exits(&mut self, pid: u32, status: ExitStatus) {
        if let Some(process) = self.processes.live.get_mut(&pid) {
            process.ended.get_or_insert(status);
        }
    }

    /// Whoever started them is gone: ends all that a host has started, without a word.
    pub(crate) fn end_children(&mut self, host: usize) {
        for process in self.processes.live.values_mut().filter(|process| process.parent.0 == host) {
            process.orphan = true;
            process.ended.get_or_insert_with(|| Signal::Kill.into());
        }
    }

    /// Takes a process that has ended out of the network, as the system does: its pipes are closed. Gives its machine.
    fn bury(&mut self) -> Option<usize> {
        let pid = *self.processes.live.iter().find(|(_, process)| process.ended.is_some())?.0;
        let process = self.processes.live.remove(&pid)?;
        self.processes.births.retain(|birth| birth.pid != pid);
        let machine = process.machine;
        self.end_children(machine);
        if let Some(gone) = self.hosts.get_mut(machine) {
            // Its driver does nothing any more.
            gone.boot += 1;
            gone.hot.clear();
            gone.exits.clear();
        }
        self.listeners.retain(|_, listener| listener.host != machine);
        let ends: Vec<End> =
            self.sides.iter().filter(|(_, side)| side.host == machine).map(|(end, _)| *end).collect();
        ends.into_iter().for_each(|end| self.release(end));
        let status = process.ended.unwrap_or(ExitStatus::Unknown);
        self.note(format_args!("process {pid}: {status}"));
        if !process.orphan {
            let jitter = self.dice.below(self.hostility.jitter.as_micros() as usize + 1);
            let at = self.elapsed() + Duration::from_micros(jitter as u64);
            self.schedule(at, Due::Exit(process.parent, pid, status));
        }
        Some(machine)
    }

    /// The system has noticed that a process has exited.
    pub(crate) fn notice_exit(&mut self, (host, boot): (usize, u32), pid: u32, status: ExitStatus) {
        if self.lives(host, boot)
            && let Some(machine) = self.hosts.get_mut(host)
        {
            machine.exits.push_back((pid, status));
        }
    }
}

/// Lets processes begin and end; true when one did.
pub(crate) fn tend(world: &Shared, hosts: &mut Vec<HostHandle>) -> Tended {
    let buried = world.borrow_mut().bury();
    if let Some(machine) = buried {
        let place = hosts.iter().position(|host| host.index() == machine);
        return Tended::Ended(machine, place.map(|place| hosts.remove(place)));
    }
    let born = world.borrow_mut().processes.births.pop_front();
    match born {
        Some(birth) => {
            let host = HostHandle::new(world.clone(), birth.machine);
            hosts.push(host.clone());
            Tended::Begun(host, birth)
        }
        None => Tended::Nothing,
    }
}

/// What has become of a process.
pub(crate) enum Tended {
    Begun(HostHandle, Birth),
    Ended(usize, Option<HostHandle>),
    Nothing,
}

impl Tended {
    /// Starts or drops an engine, while nothing is borrowed; false when there is none.
    pub(crate) fn finish(self, world: &Shared) -> bool {
        match self {
            Self::Nothing => return false,
            Self::Begun(host, birth) => host.run(|reactor| fake::begin(world, birth, reactor)),
            Self::Ended(machine, host) => {
                host.iter().for_each(HostHandle::kill);
                let jobs = world.borrow_mut().take_jobs(Some(machine));
                drop(jobs);
                world.borrow_mut().processes.free.push(machine);
            }
        }
        true
    }
}

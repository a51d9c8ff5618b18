//! Child processes: [`Reactor::spawn_process`].
//!
//! ```text
//!   Process (handle) ──▶ State ◀── the loop's table ──▶ Seat: the ProcessProtocol
//!                          │                             ▲
//!                          └─ pipes: Transport ──▶ Entry: PipeEnd
//! ```
//!
//! Each pipe is a connection of the loop with a protocol of ours, which passes on to the child's one protocol. So limits,
//! flushing and backpressure are those of every connection.

pub(crate) mod children;
mod command;
pub(crate) mod exec;
pub(crate) mod handle;
mod output;
mod pipe;
pub(crate) mod protocol;
mod signal;
pub(crate) mod spawn;
mod status;

pub use command::Command;
pub use handle::Process;
pub use output::{Output, OutputTooLong};
pub use protocol::ProcessProtocol;
pub use signal::Signal;
pub use status::ExitStatus;

use crate::{Reactor, Reason, Result, driver::Ends, process::spawn::Descriptor, shared::Stop};
use children::{Order, Seat};
use handle::{Newborn, Pipe, State};
use std::{cell::RefCell, io, panic::Location, rc::Rc};

/// Our ends of a child's pipes, by its descriptors.
type OurEnds = Vec<(u32, Ends)>;

/// A program that could not be started. It stands within the [`io::Error`] of
/// [`Reactor::spawn_process`] ([`io::Error::get_ref`]).
#[derive(Debug, thiserror::Error)]
#[error("cannot start {program:?}: {cause}")]
pub struct SpawnError {
    /// The program.
    pub program: String,
    /// Why: there is none of that name, it may not be run, its directory is not there, no more processes may be made.
    pub cause: io::Error,
}

impl Reactor {
    /// Starts a program. Twisted's `spawnProcess`.
    ///
    /// How many children there are is limited by the system only: each is the program's own doing.
    ///
    /// ```
    /// use trenza_core::{Command, ExitStatus, Input, Process, ProcessProtocol, Reason, Result};
    ///
    /// struct Sort;
    ///
    /// impl ProcessProtocol for Sort {
    ///     fn started(&mut self, process: &Process) -> Result {
    ///         process.write(0, b"pear\napple\n");
    ///         process.close(0);
    ///         Ok(())
    ///     }
    ///     fn received(&mut self, _: &Process, which: u32, input: &mut Input<'_>) -> Result {
    ///         while let Some(line) = input.line_lf(80)? {
    ///             println!("{which}: {}", String::from_utf8_lossy(line));
    ///         }
    ///         Ok(())
    ///     }
    ///     fn ended(&mut self, process: &Process, _: &Reason) {
    ///         assert_eq!(process.status(), Some(ExitStatus::Code(0)));
    ///     }
    /// }
    ///
    /// let net = trenza_sim::Net::new(1);
    /// let host = net.host("here");
    /// host.program("sort", async |mut fake| {
    ///     let mut lines: Vec<_> = fake.read_all(0).await?.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    ///     lines.sort();
    ///     fake.write(1, &lines.join(&b'\n')).await?;
    ///     Ok(ExitStatus::Code(0))
    /// });
    /// host.run(|reactor| reactor.spawn_process(Command::new("sort"), Sort))?;
    /// net.run();
    /// assert_eq!(host.left(), Default::default());
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// An [`io::Error`] with a [`SpawnError`] in it: there is no such program, it may not be run, its directory is not
    /// there, or the system has no place for one more. The reactor is stopping.
    #[track_caller]
    pub fn spawn_process(&self, mut command: Command, protocol: impl ProcessProtocol) -> Result<Process> {
        command.default_descriptor(0, Descriptor::ToChild);
        command.default_descriptor(1, Descriptor::FromChild);
        command.default_descriptor(2, Descriptor::FromChild);
        self.start_process(Location::caller(), command, Box::new(protocol))
    }

    /// Starts a program, for code that asked for it there.
    pub(crate) fn start_process(
        &self,
        made: &'static Location<'static>,
        command: Command,
        protocol: Box<dyn ProcessProtocol>,
    ) -> Result<Process> {
        let (process, seat, pipes) = self.fork(made, command, protocol)?;
        let known = pipes.iter().map(|(which, _)| (*which, Pipe::Coming)).collect();
        process.state.pipes.replace(known);
        process.state.order(Order::Start(seat, pipes));
        Ok(process)
    }

    /// Starts a program whose protocol has nothing to do with its pipes: they are given back.
    pub(crate) fn start_apart(
        &self,
        made: &'static Location<'static>,
        command: Command,
        protocol: Box<dyn ProcessProtocol>,
    ) -> Result<(Process, OurEnds)> {
        let (process, seat, pipes) = self.fork(made, command, protocol)?;
        process.state.order(Order::Start(seat, Vec::new()));
        Ok((process, pipes))
    }

    fn fork(
        &self,
        made: &'static Location<'static>,
        command: Command,
        protocol: Box<dyn ProcessProtocol>,
    ) -> Result<(Process, Seat, OurEnds)> {
        let Command { spawn, kill_on_drop, time_limit, .. } = command;
        if self.0.stop.get() == Stop::Begun {
            return Err(Reason::Stopped.into());
        }
        let program: Rc<str> = spawn.program.to_string_lossy().into();
        let (leads_group, terminal) = (spawn.leads_group(), spawn.terminal.is_some());
        let child = self.0.host.spawn(spawn).map_err(|cause| {
            io::Error::new(cause.kind(), SpawnError { program: program.as_ref().into(), cause })
        })?;
        let newborn = Newborn { pid: child.pid, program, made, leads_group, terminal };
        let state = Rc::new(State::new(self, newborn));
        let seat: Seat = Rc::new(RefCell::new(Some(protocol)));
        let process = state.first_handle(kill_on_drop);
        process.set_deadline(time_limit);
        Ok((process, seat, child.pipes))
    }
}

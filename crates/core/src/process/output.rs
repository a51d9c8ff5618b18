//! One-shot commands: [`Reactor::output`] and [`Reactor::status`].

use super::{Command, Process, ProcessProtocol, spawn::Descriptor};
use crate::{Deferred, Error, ExitStatus, Reactor, Reason, Resolver, Result};
use bytes::Bytes;
use std::{io, panic::Location};
use trenza_wire::Input;

/// What a one-shot command has said, and how it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it has ended.
    pub status: ExitStatus,
    /// What it has written to its descriptor 1.
    pub stdout: Vec<u8>,
    /// What it has written to its descriptor 2.
    pub stderr: Vec<u8>,
}

/// A one-shot command has written more than [`Command::output_max`] allows; it was ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{program:?} has written more than {max} bytes to its descriptor {which}")]
pub struct OutputTooLong {
    /// The program.
    pub program: String,
    /// Its descriptor.
    pub which: u32,
    /// How many bytes were allowed.
    pub max: usize,
}

/// Collects what a command says.
struct Collect {
    program: String,
    input: Option<Bytes>,
    max: usize,
    said: [Vec<u8>; 2],
    tell: Option<Resolver<Output>>,
    /// What is told instead of the output.
    error: Option<Error>,
}

impl ProcessProtocol for Collect {
    fn started(&mut self, process: &Process) -> Result {
        if let (Some(input), Some(pipe)) = (self.input.take(), process.pipe(0)) {
            pipe.write_bytes(input);
            pipe.close();
        }
        Ok(())
    }

    fn received(&mut self, process: &Process, which: u32, input: &mut Input<'_>) -> Result {
        let Some(said) = self.said.get_mut(which.wrapping_sub(1) as usize) else {
            input.rest();
            return Ok(());
        };
        let rest = input.rest();
        if said.len() + rest.len() > self.max {
            let program = self.program.clone();
            self.error = Some(OutputTooLong { program, which, max: self.max }.into());
            process.abort();
            return Ok(());
        }
        said.extend_from_slice(rest);
        Ok(())
    }

    fn ended(&mut self, process: &Process, reason: &Reason) {
        let Some(tell) = self.tell.take() else { return };
        let [stdout, stderr] = std::mem::take(&mut self.said);
        tell.fire(match (self.error.take(), process.status(), reason) {
            (Some(error), ..) => Err(error),
            (None, Some(status), Reason::Closed) => Ok(Output { status, stdout, stderr }),
            (None, _, reason) => {
                let kind = match reason {
                    Reason::TimedOut(_) => io::ErrorKind::TimedOut,
                    Reason::Overflow(_) => io::ErrorKind::QuotaExceeded,
                    _ => io::ErrorKind::Other,
                };
                Err(io::Error::new(kind, format!("{:?} was ended: {reason}", self.program)).into())
            }
        });
    }
}

/// Nobody waits for the command any more, or it has ended.
struct AbortOnDrop(Process);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Reactor {
    /// Runs a program to its end, and gives what it has written. Its descriptor 0 has what [`Command::input`] says.
    /// Twisted's `getProcessOutputAndValue`.
    ///
    /// Dropping the result ends the program. The error is that of [`Reactor::spawn_process`], [`OutputTooLong`] beyond
    /// [`Command::output_max`], or an [`io::Error`]: `TimedOut` when [`Command::time_limit`] is over.
    ///
    /// ```
    /// use trenza_core::{Command, ExitStatus};
    ///
    /// # let net = trenza_sim::Net::new(1);
    /// # let host = net.host("here");
    /// # host.program("date", async |mut fake| {
    /// #     fake.write(1, b"Thu Jan  1 00:00:00 UTC 2026\n").await?;
    /// #     Ok(ExitStatus::Code(0))
    /// # });
    /// # let reactor = host.reactor();
    /// # net.block_on(&host, async move {
    /// let date = reactor.output(Command::new("date").arg("-u")).await?;
    /// assert!(date.status.success() && date.stdout.ends_with(b"2026\n"));
    ///
    /// let error = reactor.output(Command::new("daet")).await.unwrap_err();
    /// assert!(error.to_string().starts_with(r#"cannot start "daet": "#));
    /// # Ok(())
    /// # })?;
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    #[track_caller]
    pub fn output(&self, mut command: Command) -> Deferred<Output> {
        command.default_descriptor(1, Descriptor::FromChild);
        command.default_descriptor(2, Descriptor::FromChild);
        self.one_shot(Location::caller(), command)
    }

    /// Runs a program to its end, and gives how it has ended; what it writes goes nowhere, unless
    /// [`Command::descriptor`] says otherwise. Twisted's `getProcessValue`.
    ///
    /// Dropping the result ends the program. The errors are those of [`Reactor::output`].
    #[track_caller]
    pub fn status(&self, command: Command) -> Deferred<ExitStatus> {
        let output = self.one_shot(Location::caller(), command);
        self.spawn(async move { Ok(output.await?.status) })
    }

    fn one_shot(&self, made: &'static Location<'static>, mut command: Command) -> Deferred<Output> {
        let (deferred, resolver) = self.deferred();
        let program = command.spawn.program.to_string_lossy().into_owned();
        let (input, max) = (command.input.take(), command.output_max);
        if input.is_some() {
            command.default_descriptor(0, Descriptor::ToChild);
        }
        let said = Default::default();
        let collect = Collect { program, input, max, said, tell: Some(resolver), error: None };
        match self.start_process(made, command, Box::new(collect)) {
            Err(error) => self.fired(Err(error)),
            Ok(process) => {
                deferred.on_cancel_guard(AbortOnDrop(process));
                deferred
            }
        }
    }
}

//! [`Keeper`]: a process protocol that notes what it hears, and does more where a case says so.

use crate::{actor::told, ground::Ground, log::Log};
use trenza_core::{Command, ExitStatus, Input, Process, ProcessProtocol, Reason, Result, Timeout};

type Hook = Box<dyn FnMut(&Process) -> Result>;
type InputHook = Box<dyn FnMut(&Process, u32, &mut Input<'_>) -> Result>;
type PipeHook = Box<dyn FnMut(&Process, u32) -> Result>;

/// A process protocol that notes what it hears under a name. What it reads is noted as of `1`, `2` and so on.
pub(crate) struct Keeper {
    name: &'static str,
    log: Log,
    started: Option<Hook>,
    received: Option<InputHook>,
    writable: Option<PipeHook>,
    closed: Option<PipeHook>,
    exited: Option<Hook>,
    stopping: Option<Hook>,
    timed_out: Option<Hook>,
}

impl Keeper {
    pub(crate) fn new(ground: &Ground, name: &'static str) -> Self {
        Self {
            name,
            log: ground.log().clone(),
            started: None,
            received: None,
            writable: None,
            closed: None,
            exited: None,
            stopping: None,
            timed_out: None,
        }
    }

    pub(crate) fn started(mut self, hook: impl FnMut(&Process) -> Result + 'static) -> Self {
        self.started = Some(Box::new(hook));
        self
    }

    pub(crate) fn received(
        mut self,
        hook: impl FnMut(&Process, u32, &mut Input<'_>) -> Result + 'static,
    ) -> Self {
        self.received = Some(Box::new(hook));
        self
    }

    pub(crate) fn writable(mut self, hook: impl FnMut(&Process, u32) -> Result + 'static) -> Self {
        self.writable = Some(Box::new(hook));
        self
    }

    pub(crate) fn closed(mut self, hook: impl FnMut(&Process, u32) -> Result + 'static) -> Self {
        self.closed = Some(Box::new(hook));
        self
    }

    pub(crate) fn exited(mut self, hook: impl FnMut(&Process) -> Result + 'static) -> Self {
        self.exited = Some(Box::new(hook));
        self
    }

    pub(crate) fn stopping(mut self, hook: impl FnMut(&Process) -> Result + 'static) -> Self {
        self.stopping = Some(Box::new(hook));
        self
    }

    pub(crate) fn timed_out(mut self, hook: impl FnMut(&Process) -> Result + 'static) -> Self {
        self.timed_out = Some(Box::new(hook));
        self
    }

    fn note(&self, what: impl AsRef<str>) {
        self.log.note(self.name, what);
    }
}

/// The name under which what a descriptor has said is noted.
pub(crate) fn pipe(which: u32) -> &'static str {
    ["0", "1", "2", "3", "4", "5"].get(which as usize).copied().unwrap_or("?")
}

impl ProcessProtocol for Keeper {
    fn started(&mut self, process: &Process) -> Result {
        self.note("started");
        self.started.as_mut().map_or(Ok(()), |hook| hook(process))
    }

    fn received(&mut self, process: &Process, which: u32, input: &mut Input<'_>) -> Result {
        if let Some(hook) = &mut self.received {
            return hook(process, which, input);
        }
        self.log.receive(pipe(which), input.rest());
        Ok(())
    }

    fn eof_received(&mut self, _: &Process, which: u32, _: &mut Input<'_>) -> Result {
        self.note(format!("eof {which}"));
        Ok(())
    }

    fn pipe_closed(&mut self, process: &Process, which: u32, reason: &Reason) -> Result {
        self.note(format!("closed {which} {}", told(reason)));
        self.closed.as_mut().map_or(Ok(()), |hook| hook(process, which))
    }

    fn writable(&mut self, process: &Process, which: u32) -> Result {
        self.note(format!("writable {which}"));
        self.writable.as_mut().map_or(Ok(()), |hook| hook(process, which))
    }

    fn timed_out(&mut self, process: &Process, which: Timeout) -> Result {
        self.note(format!("timed out {which:?}"));
        match &mut self.timed_out {
            Some(hook) => hook(process),
            None => Bare.timed_out(process, which),
        }
    }

    fn stopping(&mut self, process: &Process) -> Result {
        self.note("stopping");
        match &mut self.stopping {
            Some(hook) => hook(process),
            None => Bare.stopping(process),
        }
    }

    fn exited(&mut self, process: &Process, status: ExitStatus) -> Result {
        self.note(format!("exited {status}"));
        self.exited.as_mut().map_or(Ok(()), |hook| hook(process))
    }

    fn ended(&mut self, _: &Process, reason: &Reason) {
        self.note(format!("ended {}", told(reason)));
    }
}

/// A process protocol with every default.
pub(crate) struct Bare;

impl ProcessProtocol for Bare {
    fn received(&mut self, _: &Process, _: u32, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// Starts a program with a keeper called `kid`.
pub(crate) fn spawn(ground: &Ground, command: Command, keeper: Keeper) -> Result<Process> {
    ground.reactor().spawn_process(command, keeper)
}

pub(crate) fn kid(ground: &Ground) -> Keeper {
    Keeper::new(ground, "kid")
}

/// Waits until `kid` has heard the end; says why it ended, and checks that it came once and last.
pub(crate) async fn ended(ground: &Ground) -> String {
    let log = ground.log();
    log.until(|log| log.of("kid").iter().any(|line| line.starts_with("ended "))).await;
    ground.settle().await;
    let lines = log.of("kid");
    assert_eq!(lines.iter().filter(|line| line.starts_with("ended ")).count(), 1, "{lines:?}");
    assert!(lines.iter().filter(|line| line.starts_with("exited ")).count() <= 1, "{lines:?}");
    lines.last().unwrap().strip_prefix("ended ").unwrap().to_owned()
}

pub(crate) fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

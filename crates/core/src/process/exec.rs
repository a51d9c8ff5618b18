//! The kind `exec`: a program as the far end of a connection.
//!
//! It is a connection as any other: with a program that writes much while it reads, as filters do, whoever writes much
//! without reading sets [`Limits::read_while_full`](crate::Limits::read_while_full), or both wait for each other.

use super::{Command, Process, ProcessProtocol, spawn::Descriptor};
use crate::{
    Addr, Choice, ConnectTo, Connecting, EndpointKind, Form, Given, Reactor, Reason, Result, Timeout, Usage,
    driver::{Ends, Established},
};
use std::{cell::RefCell, panic::Location, rc::Rc, time::Duration};
use trenza_wire::Input;

/// How long a program has to end by itself when its connection is gone, and again when it was asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// `exec:PROGRAM:ARGUMENT...`
pub(crate) struct Exec;

const FORM: Form = Form {
    values: &["PROGRAM", "ARGUMENT..."],
    options: &[Choice { name: "directory", value: "PATH", about: "where the program begins" }],
    inner: false,
    below: None,
    about: "a program that is started: what it reads and writes",
    examples: &["exec:cat", "exec:ssh:host:nc:localhost:25"],
};

impl EndpointKind for Exec {
    fn usage(&self) -> Usage {
        Usage { name: "exec", server: None, client: Some(FORM) }
    }

    fn connect(&self, given: &Given<'_>, _: &Reactor) -> Result<Connecting> {
        let arguments: Vec<_> = given.values().skip(1).map(|value| value.as_str().to_owned()).collect();
        let mut command = Command::new(given.value(0)?.as_str())
            .args(arguments)
            .descriptor(0, Descriptor::ToChild)
            .descriptor(1, Descriptor::FromChild)
            .descriptor(2, Descriptor::Inherited);
        if let Some(directory) = given.option("directory") {
            command = command.current_dir(directory.as_str());
        }
        let child = Rc::<RefCell<Option<Process>>>::default();
        let started = child.clone();
        let make = move |reactor: &Reactor| reactor.fired(start(reactor, command, &started));
        let mut connecting = Connecting::to(ConnectTo::Stream(Box::new(make)), given.shown());
        connecting.kept = Some(Box::new(Companion(child)));
        Ok(connecting)
    }
}

fn start(reactor: &Reactor, command: Command, child: &RefCell<Option<Process>>) -> Result<Established> {
    let made = reactor.0.asked.get().unwrap_or(Location::caller());
    let (process, pipes) = reactor.start_apart(made, command, Box::new(Unheard::default()))?;
    let name = Addr::named(format!("{} ({})", process.state.program, process.pid()));
    *child.borrow_mut() = Some(process);
    let (mut read, mut write) = (None, None);
    for (_, ends) in pipes {
        if let Ends::Two { read: from, write: to } = ends {
            read = read.or(from);
            write = write.or(to);
        }
    }
    Ok(Established { remote: name.clone(), local: name, ends: Ends::Two { read, write } })
}

/// Goes with the connection: when that is gone the program is to end too.
struct Companion(Rc<RefCell<Option<Process>>>);

impl Drop for Companion {
    fn drop(&mut self) {
        if let Some(process) = self.0.take() {
            process.set_deadline(Some(PATIENCE));
        }
    }
}

/// The protocol of a child whose pipes are a connection with a protocol of its own.
#[derive(Default)]
struct Unheard {
    /// It was asked to end.
    asked: bool,
}

impl ProcessProtocol for Unheard {
    fn received(&mut self, _: &Process, _: u32, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }

    /// The connection is gone and the program is not. It is asked to end, then made to.
    fn timed_out(&mut self, process: &Process, which: Timeout) -> Result {
        if self.asked {
            process.fail(Reason::TimedOut(which));
        } else {
            self.asked = true;
            process.terminate();
            process.set_deadline(Some(PATIENCE));
        }
        Ok(())
    }

    /// The connection is told by itself, and its end is the program's.
    fn stopping(&mut self, _: &Process) -> Result {
        Ok(())
    }
}

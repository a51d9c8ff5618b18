//! What a driver is told to start, and what it gives back: [`Spawn`] and [`Child`].

use crate::driver::Ends;
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::fd::OwnedFd,
    path::PathBuf,
};

/// What a child process finds at one of its descriptors.
#[derive(Debug)]
#[non_exhaustive]
pub enum Descriptor {
    /// A pipe that it reads and we write to.
    ToChild,
    /// A pipe that it writes to and we read.
    FromChild,
    /// A socket, for both directions.
    Both,
    /// This descriptor of ours. It must be one that blocks, as programs expect.
    Given(OwnedFd),
    /// What this program itself has there; of the descriptors 0, 1 and 2 only.
    Inherited,
    /// Nothing: what is read has an end, and what is written goes nowhere.
    Null,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many stand in a line.
    pub columns: u16,
    /// How many lines there are.
    pub rows: u16,
}

impl Default for Window {
    /// 80 by 24.
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

/// Which processes a child belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grouping {
    /// Those of this program: Ctrl-C at the terminal reaches it too.
    #[default]
    Ours,
    /// A group of its own, so that it and what it starts can be signalled together.
    Group,
    /// A session of its own, without a terminal.
    Session,
}

/// What to start, and how: see [`Command`](crate::Command), which makes it.
#[derive(Debug)]
pub struct Spawn {
    /// The program: a path, or a name that is looked for in the `PATH` that the child gets.
    pub program: OsString,
    /// Its arguments, without the program's name, which comes first by itself.
    pub arguments: Vec<OsString>,
    /// It gets nothing of our environment.
    pub clear: bool,
    /// Variables that it gets, or (None) does not.
    pub environment: BTreeMap<OsString, Option<OsString>>,
    /// Where it begins, or where we are.
    pub directory: Option<PathBuf>,
    /// Whom it runs as, by the number.
    pub user: Option<u32>,
    /// The number of its group.
    pub group: Option<u32>,
    /// Its other groups. Unless said, it has ours; none if `user` is set.
    pub groups: Option<Vec<u32>>,
    /// What it finds at its descriptors; it has no others. What is missing of 0, 1 and 2 is [`Descriptor::Null`].
    pub descriptors: BTreeMap<u32, Descriptor>,
    /// Descriptors 0, 1 and 2 are a terminal of this size, which controls a session of its own.
    pub terminal: Option<Window>,
    /// Which processes it belongs to; with a terminal, a session of its own.
    pub grouping: Grouping,
}

impl Spawn {
    /// A program with our environment, in our directory, without descriptors.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            clear: false,
            environment: BTreeMap::new(),
            directory: None,
            user: None,
            group: None,
            groups: None,
            descriptors: BTreeMap::new(),
            terminal: None,
            grouping: Grouping::Ours,
        }
    }

    /// True when it leads a group of processes, which can be signalled together.
    pub fn leads_group(&self) -> bool {
        self.terminal.is_some() || self.grouping != Grouping::Ours
    }
}

/// A process that was started: it runs.
#[derive(Debug)]
pub struct Child {
    /// The system's number of it, which stands for it until its end was told
    /// ([`Event::Exited`](crate::driver::Event::Exited)).
    pub pid: u32,
    /// Our ends of its pipes, by the child's descriptor; a terminal stands at [`TERMINAL`].
    pub pipes: Vec<(u32, Ends)>,
}

/// The descriptor of a child that stands for its whole terminal: what is written there or to 0 or 2 is typed, and what
/// the child writes anywhere comes from there.
pub const TERMINAL: u32 = 1;

//! [`Command`]: a program, and how to start it.

use super::spawn::{Descriptor, Grouping, Spawn, Window};
use bytes::Bytes;
use std::{ffi::OsStr, fmt, path::PathBuf, time::Duration};

/// The most bytes of an output of a one-shot command unless told otherwise.
const OUTPUT_MAX: usize = 16 * 1024 * 1024;

/// A program, and how to start it: for [`Reactor::spawn_process`](crate::Reactor::spawn_process),
/// [`Reactor::output`](crate::Reactor::output) and [`Reactor::status`](crate::Reactor::status).
///
/// Nothing passes through a shell: arguments reach the program as they are. The child has the descriptors that are said
/// here and no others, whatever else this program has open; signals do in it what they do by default.
///
/// ```
/// use trenza_core::{Command, driver::Descriptor};
///
/// let command = Command::new("rsync")
///     .args(["--server", "."])
///     .env_clear()
///     .env("PATH", "/usr/bin")
///     .current_dir("/srv")
///     .descriptor(3, Descriptor::FromChild);
/// assert_eq!(format!("{command:?}"), r#"Command("rsync" "--server" ".")"#);
/// ```
pub struct Command {
    pub(crate) spawn: Spawn,
    pub(crate) kill_on_drop: bool,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) input: Option<Bytes>,
    pub(crate) output_max: usize,
}

impl Command {
    /// A program by its path, or by a name that is looked for in the `PATH` of the child's environment. A relative path
    /// begins in the child's directory.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let spawn = Spawn::new(program);
        Self { spawn, kill_on_drop: false, time_limit: None, input: None, output_max: OUTPUT_MAX }
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.spawn.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args(self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Sets a variable of its environment, which otherwise is this program's own.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.spawn.environment.insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Leaves a variable out of its environment.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.spawn.environment.insert(name.as_ref().to_owned(), None);
        self
    }

    /// It gets nothing of this program's environment, and nothing that was set here before.
    pub fn env_clear(mut self) -> Self {
        self.spawn.clear = true;
        self.spawn.environment.clear();
        self
    }

    /// The directory that it begins in.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.spawn.directory = Some(directory.into());
        self
    }

    /// The user that it runs as, by the number. It loses this program's other groups, unless [`Command::groups`] says
    /// which it has.
    pub fn uid(mut self, user: u32) -> Self {
        self.spawn.user = Some(user);
        self
    }

    /// The group that it runs as, by the number.
    pub fn gid(mut self, group: u32) -> Self {
        self.spawn.group = Some(group);
        self
    }

    /// The other groups that it belongs to.
    pub fn groups(mut self, groups: impl IntoIterator<Item = u32>) -> Self {
        self.spawn.groups = Some(groups.into_iter().collect());
        self
    }

    /// What it finds at a descriptor. Unless said, 0 is a pipe that it reads, 1 and 2 are pipes that it writes; for a
    /// one-shot command, what that does not need is [`Descriptor::Null`].
    pub fn descriptor(mut self, number: u32, what: Descriptor) -> Self {
        self.spawn.descriptors.insert(number, what);
        self
    }

    /// Gives it a terminal of this size as descriptors 0, 1 and 2, in a session of its own. What comes from there is
    /// told as of descriptor 1, what is written to 0 is typed; when it is closed, the session hears SIGHUP.
    pub fn terminal(mut self, window: Window) -> Self {
        self.spawn.terminal = Some(window);
        self
    }

    /// Makes it lead a group of processes. What ends it ends the group: [`Process::abort`](crate::Process::abort), a
    /// stop of the loop, [`Process::signal_group`](crate::Process::signal_group).
    pub fn new_group(mut self) -> Self {
        self.spawn.grouping = Grouping::Group;
        self
    }

    /// Makes it lead a session, without a terminal; otherwise as [`Command::new_group`].
    pub fn new_session(mut self) -> Self {
        self.spawn.grouping = Grouping::Session;
        self
    }

    /// Ends it, as [`Process::abort`](crate::Process::abort) does, when the last [`Process`](crate::Process) that somebody
    /// holds is dropped.
    pub fn kill_on_drop(mut self) -> Self {
        self.kill_on_drop = true;
        self
    }

    /// The most time that it may take: then [`ProcessProtocol::timed_out`](crate::ProcessProtocol::timed_out) is called,
    /// which ends it unless told otherwise; a one-shot command fails.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// What a one-shot command reads from its descriptor 0. Others have nothing to read, or what
    /// [`Process::write`](crate::Process::write) gives them.
    pub fn input(mut self, input: impl Into<Bytes>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// How many bytes a one-shot command may write to each of its descriptors 1 and 2. Default 16 MiB. Beyond, it is
    /// ended, and the error is [`OutputTooLong`](crate::OutputTooLong).
    pub fn output_max(mut self, bytes: usize) -> Self {
        self.output_max = bytes;
        self
    }

    /// What it finds at a descriptor, if nothing was said.
    pub(crate) fn default_descriptor(&mut self, number: u32, what: Descriptor) {
        let own = self.spawn.terminal.is_some() && number <= 2;
        if !own {
            self.spawn.descriptors.entry(number).or_insert(what);
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({:?}", self.spawn.program)?;
        self.spawn.arguments.iter().try_for_each(|argument| write!(f, " {argument:?}"))?;
        f.write_str(")")
    }
}

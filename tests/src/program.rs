//! [`Program`]: `trenza` as a process.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test fails rather than hangs. Far more than any of it needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running `trenza`. Dropping it kills the process.
#[derive(Debug)]
pub struct Program {
    child: Child,
    stderr: Receiver<String>,
    /// What it has said on standard error so far and was looked at.
    said: Vec<String>,
}

impl Program {
    /// Starts the program at `path` with these arguments.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(path: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let pipe = BufReader::new(child.stderr.take().expect("standard error is a pipe"));
        let (lines, stderr) = channel();
        // Read to the end whoever listens: a full pipe would stop the program.
        thread::spawn(move || pipe.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line))));
        Self { child, stderr, said: Vec::new() }
    }

    /// `trenza web FOLDER` on a free port of 127.0.0.1, with more options; and the address it serves,
    /// as `http://127.0.0.1:PORT/`.
    ///
    /// # Panics
    /// When it does not say its address.
    pub fn web(path: &Path, folder: &Path, options: &[&str]) -> (Self, String) {
        let fixed = [OsStr::new("web"), folder.as_os_str(), "--listen=tcp:0:interface=127.0.0.1".as_ref()];
        let mut program = Self::start(path, fixed.into_iter().chain(options.iter().map(OsStr::new)));
        let url = program.hear_url("http://");
        (program, url)
    }

    /// The address with this scheme in the next line on standard error that has one.
    ///
    /// # Panics
    /// When there is none.
    pub fn hear_url(&mut self, scheme: &str) -> String {
        let line = self.hear(scheme);
        let from = line.find(scheme).unwrap_or(0);
        line.get(from..).and_then(|url| url.split_whitespace().next()).unwrap_or_default().to_owned()
    }

    /// The next line on standard error that has `what` in it.
    ///
    /// # Panics
    /// When there is none.
    pub fn hear(&mut self, what: &str) -> String {
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(error) => panic!("{what:?} was not said ({error}) after: {:#?}", self.said),
            }
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A size that Linux tells of the process, in KiB: `VmRSS` is what it has in memory, `VmHWM` the most it ever had.
    ///
    /// # Panics
    /// The system tells nothing like it.
    pub fn memory_kib(&self, name: &str) -> usize {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let size = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        size.unwrap_or_else(|| panic!("no {name} in {path}"))
    }

    /// Sends a signal by its name without `SIG`.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().expect("kill runs");
        assert!(status.success(), "kill -s {name} {id}");
    }

    /// Waits for the end, and gives all that was said on standard error.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(mut self) -> (ExitStatus, String) {
        let late = Instant::now() + PATIENCE;
        loop {
            match self.stderr.recv_timeout(late.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end; it said: {:#?}", self.said),
            }
        }
        let status = self.child.wait().expect("the process is ours");
        (status, self.said.join("\n"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Either may fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! [`Family`]: a server as a process, with all that it has started.

use std::{
    fs, io,
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What the kernel counts CPU time of ended children in.
const TICK: Duration = Duration::from_millis(10);
/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that listens, with its children and theirs. It is killed with this, but they are not.
#[derive(Debug)]
pub(crate) struct Family(Child);

impl Family {
    /// Starts a server, which is to listen on this port of 127.0.0.1.
    ///
    /// # Errors
    /// It cannot be started, or does not listen.
    pub(crate) fn start(command: &mut Command, port: u16) -> io::Result<Self> {
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let family = Self(process);
        let late = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > late {
                return Err(io::Error::other(format!("{command:?} does not listen")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(family)
    }

    /// CPU time of all processes so far, those that have ended included.
    pub(crate) fn spent(&self) -> Duration {
        TICK * self.processes().into_iter().map(|process| ticks(process).unwrap_or(0)).sum::<u32>()
    }

    /// Memory of all processes in bytes, of what they share each its part.
    pub(crate) fn memory(&self) -> u64 {
        let of = |process: u32| {
            let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        self.processes().into_iter().filter_map(of).sum::<u64>() * 1024
    }

    /// Asks it to stop, as some must be if nothing is to be left of them, and waits until it has.
    ///
    /// # Errors
    /// It cannot be asked.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        let status = Command::new("kill").args(["-s", "TERM", &self.0.id().to_string()]).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("kill: {status}")));
        }
        self.0.wait().map(drop)
    }

    /// It and its children, and theirs.
    fn processes(&self) -> Vec<u32> {
        let (mut all, mut at) = (vec![self.0.id()], 0);
        while let Some(process) = all.get(at).copied() {
            let file = format!("/proc/{process}/task/{process}/children");
            let children = fs::read_to_string(file).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            at += 1;
        }
        all
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// User and system time of a process, and of its children that have ended: the 14th to 17th field.
fn ticks(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields = text.rsplit(')').next()?.split_whitespace();
    Some(fields.skip(11).take(4).filter_map(|field| field.parse::<u32>().ok()).sum())
}

/// Runs a program to its end, which must be a good one.
///
/// # Errors
/// It is not.
pub(crate) fn done(command: &mut Command) -> io::Result<()> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(io::Error::other(format!("{command:?}: {status}"))),
        Err(error) => Err(io::Error::other(format!("{command:?}: {error}"))),
    }
}

/// Adds the account ann with the password `secret` to a `users.toml`.
///
/// # Errors
/// What `trenza user add` says.
pub(crate) fn add_ann(trenza: &std::path::Path, users: &str) -> io::Result<()> {
    use io::Write as _;
    let mut command = Command::new(trenza);
    command.args(["user", "add", "ann", "--password-stdin", "--file", users]);
    let (mut reader, mut writer) = io::pipe()?;
    writer.write_all(b"secret\n")?;
    drop(writer);
    done(command.stdin(reader.try_clone()?).stderr(Stdio::null()))?;
    io::copy(&mut reader, &mut io::sink()).map(drop)
}

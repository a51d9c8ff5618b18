//! [`EchoLoad`]: the program `load` of the peers, which is told line by line what to do.

use crate::load::Done;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// Bytes that are compared before anything is measured.
const VERIFIED: usize = 16 << 20;

/// Clients of one server; connected, and silent between runs.
#[derive(Debug)]
pub(crate) struct EchoLoad {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    size: usize,
}

impl EchoLoad {
    /// Starts it: `work` is one of its own.
    ///
    /// # Errors
    /// It cannot be started, or cannot connect.
    pub(crate) fn start(
        program: &Path,
        work: &str,
        port: u16,
        connections: usize,
        size: usize,
        depth: usize,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .arg(work)
            .args([usize::from(port), connections, size, depth].map(|number| number.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("both are pipes"));
        };
        let mut load = Self { child, orders, answers: BufReader::new(answers), size };
        match load.hear()?.trim() {
            "ready" => Ok(load),
            other => Err(io::Error::other(format!("the load said {other:?}"))),
        }
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Compares each byte of some operations.
    ///
    /// # Errors
    /// One was wrong, or none came.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        self.order("verify", (VERIFIED / self.size).min(20_000) as u64).map(drop)
    }

    /// Runs for a time.
    ///
    /// # Errors
    /// The server has failed.
    pub(crate) fn run(&mut self, time: Duration) -> io::Result<Done> {
        self.order("run", time.as_millis() as u64)
    }

    fn order(&mut self, what: &str, count: u64) -> io::Result<Done> {
        writeln!(self.orders, "{what} {count}")?;
        let line = self.hear()?;
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(operations)), Some(Ok(nanoseconds)), Some(Ok(lost))) => {
                Ok(Done { operations, took: Duration::from_nanos(nanoseconds), lost })
            }
            _ => Err(io::Error::other(format!("the load said {line:?}"))),
        }
    }

    /// Its next line; its error, if there is none.
    fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? > 0 {
            return Ok(line);
        }
        let mut error = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut error)?;
        }
        Err(io::Error::other(format!("the load has failed: {}", error.trim())))
    }
}

impl Drop for EchoLoad {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

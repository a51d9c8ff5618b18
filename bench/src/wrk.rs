//! [`Wrk`]: load over HTTP by the program of that name.

use crate::load::Done;
use std::{fs, io, path::Path, process::Command, time::Duration};

/// How to ask.
#[derive(Debug)]
pub(crate) struct Wrk {
    arguments: Vec<String>,
    url: String,
}

impl Wrk {
    /// Clients that ask for `url`: several requests at a time when they pipeline, or one on each connection when they are
    /// `closing`. A script is written into the folder if there must be one.
    ///
    /// # Errors
    /// The script cannot be written.
    pub(crate) fn new(
        url: String,
        connections: usize,
        pipeline: usize,
        closing: bool,
        folder: &Path,
    ) -> io::Result<Self> {
        let mut arguments = vec!["-t1".into(), format!("-c{connections}"), "--timeout".into(), "10s".into()];
        if closing {
            arguments.extend(["-H".into(), "Connection: close".into()]);
        }
        if pipeline > 1 {
            let script = folder.join(format!("pipeline-{pipeline}.lua"));
            fs::write(&script, pipelining(pipeline))?;
            arguments.extend(["-s".into(), script.display().to_string()]);
        }
        Ok(Self { arguments, url })
    }

    /// Runs for so many seconds, with one thread.
    ///
    /// # Errors
    /// It cannot be run, or it reported an error of a socket, a timeout, or a status other than 2xx and 3xx.
    pub(crate) fn run(&self, seconds: u32) -> io::Result<Done> {
        let mut command = Command::new("wrk");
        let output = command.args(&self.arguments).arg(format!("-d{seconds}s")).arg(&self.url).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("wrk failed: {text}{error}")));
        }
        parse(&text)
    }
}

/// Lua that asks for the same several times at once.
fn pipelining(depth: usize) -> String {
    format!(
        "init = function()\n  local all = {{}}\n  for i = 1, {depth} do all[i] = wrk.format() end\n  \
         requests = table.concat(all)\nend\nrequest = function() return requests end\n"
    )
}

fn parse(text: &str) -> io::Result<Done> {
    let lines = || text.lines().map(str::trim);
    if let Some(bad) = lines().find(|line| line.starts_with("Socket errors") || line.starts_with("Non-2xx")) {
        return Err(io::Error::other(format!("wrk met errors: {bad}")));
    }
    let line = lines().find_map(|line| line.split_once(" requests in "));
    let operations = line.and_then(|(count, _)| count.parse().ok());
    // More exact than the time, which is rounded.
    let rate = lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse::<f64>().ok());
    match (operations, rate) {
        (Some(operations), Some(rate)) if operations > 0 && rate > 0.0 => {
            Ok(Done { operations, took: Duration::from_secs_f64(operations as f64 / rate), lost: 0 })
        }
        _ => Err(io::Error::other("wrk had no whole answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Running 1s test\n  1 threads and 64 connections\n  1000 requests in 2.00s, 1.00MB read\n\
        Requests/sec:    500.25\nTransfer/sec:      0.50MB\n";

    #[test]
    fn a_run_is_read() {
        let done = parse(GOOD).unwrap();
        assert_eq!((done.operations, done.rate().round()), (1000, 500.0));
    }

    #[test]
    fn errors_are_seen() {
        for bad in ["  Socket errors: connect 0, read 3, write 0, timeout 0", "  Non-2xx or 3xx responses: 5"]
        {
            assert!(parse(&format!("{GOOD}{bad}\n")).unwrap_err().to_string().contains(bad.trim()));
        }
        assert!(parse("").is_err());
    }
}

//! [`wrk`]: load over HTTP by the program of that name.

use std::{io, process::Command};

/// What a run of `wrk` came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Requests answered.
    pub requests: f64,
    /// Requests answered in a second.
    pub rate: f64,
}

/// Runs `wrk` with one thread pinned to a core.
///
/// # Errors
/// It cannot be run, or it reported an error of a socket, a timeout, or a status other than 2xx and 3xx.
pub fn wrk(url: &str, connections: u32, seconds: u32, core: u32) -> io::Result<Load> {
    let mut command = Command::new("taskset");
    command.args([
        "-c",
        &core.to_string(),
        "wrk",
        "-t1",
        &format!("-c{connections}"),
        &format!("-d{seconds}s"),
    ]);
    let output = command.args(["--timeout", "10s", url]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "wrk failed: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    parse(&text)
}

fn parse(text: &str) -> io::Result<Load> {
    let lines = || text.lines().map(str::trim);
    if let Some(bad) = lines().find(|line| line.starts_with("Socket errors") || line.starts_with("Non-2xx")) {
        return Err(io::Error::other(format!("wrk met errors: {bad}")));
    }
    let requests = lines().find_map(|line| line.split_once(" requests in ")?.0.parse().ok());
    let rate = lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    match (requests, rate) {
        (Some(requests), Some(rate)) if requests > 0.0 => Ok(Load { requests, rate }),
        _ => Err(io::Error::other(format!("wrk had no answer: {text}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Running 1s test\n  1 threads and 64 connections\n  1000 requests in 2.00s, 1.00MB read\n\
        Requests/sec:    500.25\nTransfer/sec:      0.50MB\n";

    #[test]
    fn a_run_is_read() {
        assert_eq!(parse(GOOD).unwrap(), Load { requests: 1000.0, rate: 500.25 });
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

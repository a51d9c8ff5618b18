//! `trenza web`: a folder over HTTP.

use crate::{
    complaint::Complaint,
    lines::Lines,
    terminal::{Style, paint},
};
use clap::ValueEnum;
use std::{
    cell::RefCell,
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

const EXAMPLES: &str = "\
Examples:
  trenza web
      The current folder, for this machine only: http://127.0.0.1:8080/
  trenza web site --listen tcp:8000
      The folder `site`, for every machine that reaches this one, on port 8000
  trenza web --listen tcp:0:interface=127.0.0.1
      On any port that is free; the first lines say which
  trenza web site --log-format json 2>> web.log
      A line of JSON for each request, added to a file

Ctrl-C (or SIGTERM) stops: responses that have begun are finished first. A second one stops at once.
Exit codes: 0 after a graceful stop, 1 error, 2 wrong usage, 130 or 143 when a second signal cut it short.";

/// Serves the files of a folder over HTTP.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder to serve
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,

    /// Where to listen: tcp:PORT for all addresses of this machine, tcp:PORT:interface=ADDRESS for one; port 0 is
    /// any that is free. May be repeated
    #[arg(short, long, value_name = "ENDPOINT", default_value = "tcp:8080:interface=127.0.0.1")]
    listen: Vec<String>,

    /// Serve and list names that begin with a dot, too
    #[arg(long, help_heading = "Files")]
    hidden: bool,

    /// Show no list of names for a folder without an index.html
    #[arg(long, help_heading = "Files")]
    no_listing: bool,

    /// Follow symbolic links that lead out of the folder
    #[arg(long, help_heading = "Files")]
    follow_symlinks: bool,

    /// The line that each request leaves on standard error
    #[arg(long, value_name = "FORMAT", default_value = "common", help_heading = "Log")]
    log_format: LogFormat,

    /// Leave no line for requests
    #[arg(short, long, conflicts_with = "log_format", help_heading = "Log")]
    quiet: bool,

    /// Connections at once; more of them wait
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_connections: Option<usize>,

    /// Connections at once from one address; more of them are refused
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_connections_per_address: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// The common log format, which most tools read
    Common,
    /// A JSON object a line
    Json,
}

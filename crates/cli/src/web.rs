//! `trenza web`: a folder over HTTP.

use crate::{
    complaint::Complaint,
    lines::Lines,
    terminal::{Style, paint, say},
};
use clap::ValueEnum;
use http::Request;
use jiff::tz::TimeZone;
use std::{fs, path::PathBuf};
use trenza::{
    Addr, Factory, Protocol, Reactor, Result, Transport,
    web::{Body, FileOptions, Files, Server, ServerLimits, log},
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

    /// Connections at once; more of them wait [default: 10000]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_connections: Option<usize>,

    /// Connections at once from one address to one port; more of them are refused [default: 10000]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_connections_per_address: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// The common log format with referrer and user agent behind it, which most tools read
    Common,
    /// A JSON object a line
    Json,
}

/// Serves until it is told to stop.
pub(crate) fn run(args: &Args) -> Result {
    // To be opened a folder need not be one that may be entered; `.` in it says whether it is.
    let files = fs::metadata(args.folder.join(".")).and_then(|_| Files::new(&args.folder, args.files()));
    let files = files.map_err(|error| Complaint::folder(&args.folder, &error))?;
    let lines = Lines::new();
    let ended = trenza::run(|reactor| args.serve(reactor, &files, &lines));
    lines.finish();
    ended
}

impl Args {
    fn serve(&self, reactor: &Reactor, files: &Files, lines: &Lines) -> Result {
        if let Some(max) = self.max_connections {
            reactor.set_connections_max(max);
        }
        let mut addresses = Vec::new();
        for endpoint in &self.listen {
            let server = self.server(reactor, files.clone(), lines.clone());
            let port = reactor.listen_with(endpoint, Told { server, first: addresses.is_empty() });
            addresses.push(port.map_err(|error| Complaint::listen(endpoint, &*error))?.addr());
        }
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        say(&format!("Serving {}", folder.display()));
        for address in &addresses {
            say(&format!("  {}", link(address)));
        }
        say("Ctrl-C stops.");
        Ok(())
    }

    /// One for each port.
    fn server(&self, reactor: &Reactor, files: Files, lines: Lines) -> Server {
        let server = Server::new(move |request: Request<Body>| files.answer(&request.into_parts().0));
        let server = server.limits(self.limits());
        let reactor = reactor.clone();
        match self.log_format {
            _ if self.quiet => server,
            LogFormat::Common => {
                let zone = TimeZone::system();
                server.on_response(move |record| lines.push(&reactor, &log::common(record, &zone)))
            }
            LogFormat::Json => server.on_response(move |record| lines.push(&reactor, &log::json(record))),
        }
    }

    fn limits(&self) -> ServerLimits {
        let default = ServerLimits::default();
        ServerLimits {
            per_address: self.max_connections_per_address.unwrap_or(default.per_address),
            ..default
        }
    }

    fn files(&self) -> FileOptions {
        FileOptions {
            hidden: self.hidden,
            listing: !self.no_listing,
            outside_symlinks: self.follow_symlinks,
            ..FileOptions::default()
        }
    }
}

/// A server that says when it is stopping, so that nobody wonders why it is still there.
struct Told {
    server: Server,
    first: bool,
}

impl Factory for Told {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        self.server.build(transport)
    }

    fn stopped(&mut self) {
        if self.first {
            say("Stopping: responses that have begun are finished first. Ctrl-C again stops at once.");
        }
        self.server.stopped();
    }
}

/// An address to click on.
fn link(address: &Addr) -> String {
    let everywhere = address.ip().is_some_and(|ip| ip.is_unspecified());
    match address.port() {
        Some(port) if everywhere => {
            let link = paint(Style::Link, &format!("http://localhost:{port}/"));
            format!("{link} and all other addresses of this machine")
        }
        _ => paint(Style::Link, &format!("http://{address}/")),
    }
}

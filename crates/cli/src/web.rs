//! `trenza web`: a folder over HTTP.

use crate::{
    complaint::Complaint,
    endpoint::is_secured,
    lines::{self, Lines},
    room::{Room, count},
    terminal::{Style, paint, say},
    told::Told,
    workers::Workers,
};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use std::{
    ffi::OsStr,
    fs,
    num::NonZeroUsize,
    path::{self, Path, PathBuf},
};
use trenza::{
    Addr, Addresses, IntoEndpoint, Reactor, Result,
    web::{FileOptions, Files, Server, log::Format},
};

const EXAMPLES: &str = "\
Examples:
  trenza web
      The current folder, for this machine only: http://127.0.0.1:8080/
  trenza web site --listen tcp:8000
      The folder `site`, for every machine that reaches this one, on port 8000
  trenza web --listen tcp:0:interface=127.0.0.1
      On any port that is free; the first lines say which
  trenza web site --listen tls:8443:cert=localhost.pem
      Over HTTPS; `trenza cert self` makes the certificate
  trenza web site --workers auto
      On all cores
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
    /// any that is free; tls:PORT:cert=FILE for HTTPS, with the options of tcp: as well. May be repeated
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

    /// Connections at once; more of them wait [default: 10000, or what the limit of open files allows]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Limits")]
    max_connections: Option<NonZeroUsize>,

    /// Connections at once from one address to one port; more of them are refused
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count, help_heading = "Limits")]
    max_connections_per_address: NonZeroUsize,

    #[command(flatten)]
    workers: Workers,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// The common log format, which every tool reads
    Common,
    /// The common log format with referer and user agent behind it
    Combined,
    /// A JSON object a line
    Json,
}

/// Descriptors that are left for files. More of them may be open, but those give way when there are no others.
const FILES: u64 = 200;
/// What it says when it stops.
const STOPPING: &str = "Stopping: responses that have begun are finished first. Ctrl-C again stops at once.";

/// Serves until it is told to stop, with as many descriptors as the system gives.
pub(crate) fn run(args: &Args, descriptors: u64) -> Result {
    // To be opened a folder need not be one that may be entered; `.` in it says whether it is.
    let entered = fs::metadata(args.folder.join("."));
    entered.map_err(|error| Complaint::folder(&args.folder, &error))?;
    args.keep_keys()?;
    let clients = Addresses::new(args.max_connections_per_address.get());
    lines::run(&args.workers, |reactor, lines| args.serve(reactor, &clients, lines, descriptors))
}

impl Args {
    fn serve(&self, reactor: &Reactor, clients: &Addresses, lines: &Lines, descriptors: u64) -> Result {
        let files = Files::new(&self.folder, self.files());
        let files = files.map_err(|error| Complaint::folder(&self.folder, &error))?;
        let room = Room { descriptors, reserved: FILES, each: 1 };
        reactor.set_connections_max(room.clients(self.max_connections, reactor));
        let mut addresses = Vec::new();
        let server = self.server(reactor, files, lines.clone()).addresses(clients);
        for endpoint in &self.listen {
            let first = addresses.is_empty() && reactor.loop_index() == 0;
            let told = first.then(|| (reactor.clone(), lines.clone(), STOPPING));
            let port = reactor.listen_with(endpoint, Told::new(server.clone(), told));
            let port = port.map_err(|error| Complaint::listen(endpoint, &*error))?;
            addresses.push((scheme(endpoint), port.addr()));
        }
        if reactor.loop_index() > 0 {
            return Ok(());
        }
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        say(&format!("Serving {}", folder.display()));
        for (scheme, address) in &addresses {
            say(&format!("  {}", link(scheme, address)));
        }
        self.workers.started();
        Ok(())
    }

    /// Serves no folder with a key in it, which is easily done where `trenza cert` has just made one.
    fn keep_keys(&self) -> Result {
        let folder = self.folder.canonicalize()?;
        for listen in &self.listen {
            // What is wrong with it is told when it is listened on.
            let Ok(endpoint) = listen.as_str().into_endpoint() else { continue };
            let option = |name| endpoint.parsed().and_then(|parsed| parsed.option(name));
            let Some(key) = option("certs").or_else(|| option("key")).or_else(|| option("cert")) else {
                continue;
            };
            if self.is_served(Path::new(key), &folder) {
                return Err(Complaint::exposed(key, &self.folder).into());
            }
        }
        Ok(())
    }

    /// Whether a file can be fetched, as far as its path says.
    fn is_served(&self, file: &Path, folder: &Path) -> bool {
        // Links may be followed: neither where it is nor what it is called may lead into the folder.
        let parent =
            path::absolute(file).ok().and_then(|file| Some((file.parent()?.canonicalize().ok()?, file)));
        let called = parent.and_then(|(parent, file)| Some(parent.join(file.file_name()?)));
        let paths = [file.canonicalize().ok(), called];
        paths.iter().flatten().filter_map(|path| path.strip_prefix(folder).ok()).any(|inside| {
            let hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".") && name != ".well-known";
            self.hidden || !inside.iter().any(hidden)
        })
    }

    fn server(&self, reactor: &Reactor, files: Files, lines: Lines) -> Server {
        let server = Server::with(files);
        if self.quiet {
            return server;
        }
        let format = match self.log_format {
            LogFormat::Common => Format::common(TimeZone::system()),
            LogFormat::Combined => Format::combined(TimeZone::system()),
            LogFormat::Json => Format::json(),
        };
        let reactor = reactor.clone();
        server.on_response(move |record| lines.push(&reactor, &format.line(record)))
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

/// What browsers write before the address.
fn scheme(endpoint: &str) -> &'static str {
    if is_secured(endpoint) { "https" } else { "http" }
}

/// An address to click on; a socket that no browser reaches as it is.
fn link(scheme: &str, address: &Addr) -> String {
    let Some(ip) = address.ip() else { return format!("{scheme} on {address}") };
    match address.port() {
        Some(port) if ip.is_unspecified() => {
            let link = paint(Style::Link, &format!("{scheme}://localhost:{port}/"));
            format!("{link} and all other addresses of this machine")
        }
        _ => paint(Style::Link, &format!("{scheme}://{address}/")),
    }
}

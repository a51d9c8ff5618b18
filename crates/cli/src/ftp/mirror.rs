//! `trenza ftp mirror`: whole folders, either way.

use super::{
    bars::{Bars, stopwatch},
    drive,
    server::Server,
    trouble,
    url::Url,
};
use crate::complaint::Complaint;
use std::path::Path;
use trenza::{
    Error, Result,
    ftp::{Folder, Glob, Mirror, PARALLEL_MAX, command::TransferType},
};

/// Copies a folder with all that is in it, from or to a server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trenza ftp mirror ftp://ftp.example.org/pub/debian debian
  trenza ftp mirror --delete --parallel 8 site ftpes://ann@example.org/www
  trenza ftp mirror --exclude '*.tmp' --exclude .git site ftp://ann@example.org/www

A file is left alone if its copy has the same size and is not older. What goes wrong with one file is
told, and the rest goes on; the exit code is 3 then. Links are passed over.
`trenza ftp --help` explains addresses, passwords and exit codes.")]
pub(super) struct Args {
    /// The folder that is copied: a URL or a local folder
    from: String,

    /// The copy: a local folder or a URL. It is made if it is not there
    to: String,

    /// Over so many connections
    #[arg(short, long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u8).range(1..=PARALLEL_MAX as i64))]
    parallel: u8,

    /// Goes on within files where a former run was cut
    #[arg(short, long)]
    r#continue: bool,

    /// Deletes what the copy has and the original has not
    #[arg(long)]
    delete: bool,

    /// Copies every file, also where the copy is up to date
    #[arg(long)]
    always: bool,

    /// Passes over files and folders of such names. May be repeated
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    exclude: Vec<Glob>,

    /// No bars, and nothing said when all goes well
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    server: Server,
}

fn pattern(text: &str) -> Result<Glob, String> {
    Glob::new(text.as_bytes()).map_err(|error| error.to_string())
}

pub(super) fn run(args: &Args) -> Result {
    let is_url = |text: &str| text.contains("://");
    let usage = |what: String| Complaint::new(what).code(2);
    let (url, local, down) = match (is_url(&args.from), is_url(&args.to)) {
        (true, false) => (&args.from, &args.to, true),
        (false, true) => (&args.to, &args.from, false),
        (true, true) => {
            return Err(usage("both are at servers: one of them must be a local folder".into()).into());
        }
        (false, false) => {
            let what = "neither is at a server: one of them is like ftp://example.org/path";
            return Err(usage(what.into()).into());
        }
    };
    let url: Url = url.parse().map_err(|error| usage(format!("{url}: {error}")))?;
    if url.kind == TransferType::Ascii {
        return Err(usage("folders are copied as they are: leave ;type=a out".into()).into());
    }
    let path = Path::new(local);
    let folder = if down { Folder::make(path) } else { Folder::open(path) };
    let folder = folder.map_err(|error| Complaint::file(path, &error.to_string()))?;
    let dial = args.server.dial(&url)?;
    let bars = Bars::new(args.quiet);
    let told = bars.clone();
    let mirror = Mirror::new().parallel(args.parallel.into()).resume(args.r#continue).delete(args.delete);
    let mirror = mirror.always(args.always).on_progress(move |progress| told.tell(&progress));
    let mirror = args.exclude.iter().cloned().fold(mirror, Mirror::exclude);
    drive(async move || {
        let took = stopwatch();
        let done = match down {
            true => mirror.download(&dial, url.folder(), &folder).await,
            false => mirror.upload(&dial, &folder, url.folder()).await,
        };
        let outcome = done.map_err(|error| {
            bars.clear();
            Error::from(trouble::of(&url, &error))
        })?;
        bars.sum_up(&outcome, took());
        if outcome.failed > 0 { Err(trouble::incomplete(&outcome).into()) } else { Ok(()) }
    })
}

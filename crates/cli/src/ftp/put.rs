//! `trenza ftp put`: files to a server.

use super::{
    bars::{Bars, stopwatch},
    drive,
    server::Server,
    trouble,
    url::Url,
};
use crate::complaint::Complaint;
use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};
use trenza::{
    Error, Result,
    ftp::{Client, ClientError, Folder, Mirror, Outcome, Progress},
};

/// Puts files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trenza ftp put report.pdf ftp://ann@example.org/inbox/
  trenza ftp put report.pdf ftp://ann@example.org/inbox/report-2.pdf
  trenza ftp put --continue *.iso ftpes://ann@example.org/

`trenza ftp --help` explains addresses, passwords and exit codes.")]
pub(super) struct Args {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Where to: a folder, which ends in /, or the name of the file there
    #[arg(value_name = "URL")]
    url: Url,

    /// Goes on where a former run was cut: if the server has the beginning of a file, only the rest is sent
    #[arg(short, long)]
    r#continue: bool,

    /// No bars, and nothing said when all goes well
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    server: Server,
}

/// A file, and its path at the server.
struct Item {
    folder: Folder,
    name: PathBuf,
    to: Vec<u8>,
    size: u64,
}

pub(super) fn run(args: &Args) -> Result {
    let url = args.url.clone();
    let into = url.path.is_empty() || url.path.ends_with(b"/");
    if args.files.len() > 1 && !into {
        let what = format!("many files go into a folder, and {url} is the name of one file");
        return Err(Complaint::new(what)
            .code(2)
            .remedy("an address that ends in / is that of a folder")
            .into());
    }
    let items = args.files.iter().map(|file| item(file, &url, into)).collect::<Result<Vec<_>>>()?;
    let dial = args.server.dial(&url)?;
    let (bars, resume) = (Bars::new(args.quiet), args.r#continue);
    drive(async move || {
        let took = stopwatch();
        let told = bars.clone();
        let mirror = Mirror::new().resume(resume).on_progress(move |progress| told.tell(&progress));
        let bytes = items.iter().map(|item| item.size).sum();
        bars.tell(&Progress::Found { files: items.len() as u64, bytes });
        let stored = async {
            let mut client = dial.open().await?;
            let mut outcome = Outcome::default();
            for item in &items {
                outcome.bytes += store(&mut client, item, &mirror, resume).await?;
                outcome.files += 1;
            }
            // The files are there.
            let _ = client.quit().await;
            Ok::<_, ClientError>(outcome)
        };
        let stored = stored.await;
        bars.clear();
        let outcome = stored.map_err(|error| Error::from(trouble::of(&url, &error)))?;
        bars.sum_up(&outcome, took());
        Ok(())
    })
}

fn item(file: &Path, url: &Url, into: bool) -> Result<Item> {
    let wrong = |why: &str| Complaint::file(file, why);
    let metadata = file.metadata().map_err(|error| wrong(&error.to_string()))?;
    if !metadata.is_file() {
        return Err(wrong("it is no file; `trenza ftp mirror` puts whole folders").into());
    }
    let name = file.file_name().ok_or_else(|| wrong("it has no name"))?;
    let parent =
        file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let folder = Folder::open(parent).map_err(|error| wrong(&error.to_string()))?;
    let to = if into { url.child(name.as_bytes()) } else { url.path.clone() };
    Ok(Item { folder, name: name.into(), to, size: metadata.len() })
}

async fn store(client: &mut Client, item: &Item, mirror: &Mirror, resume: bool) -> Result<u64, ClientError> {
    let there = match resume {
        true => client.entry(&item.to).await.ok(),
        false => None,
    };
    mirror.store(client, &item.folder, &item.name, &item.to, there.as_ref()).await
}

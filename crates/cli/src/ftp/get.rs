//! `trenza ftp get`: files of a server.

use super::{
    bars::{Bars, stopwatch},
    drive,
    server::Server,
    trouble,
    url::Url,
};
use crate::complaint::Complaint;
use std::{
    ffi::OsStr,
    io::{self, Write, stdout},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};
use trenza::{
    Result,
    ftp::{
        Client, Entry, Folder, Glob, Mirror, Outcome, Progress, command::TransferType, is_local_name,
        listing::Kind,
    },
};

/// Gets files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trenza ftp get ftp://ftp.example.org/pub/readme.txt
  trenza ftp get 'ftp://ftp.example.org/pub/*.txt' --to texts
  trenza ftp get ftp://ftp.example.org/pub/readme.txt --to - | less

A file lies beside its place as .NAME.part until it is whole; --continue goes on with that.
`trenza ftp --help` explains addresses, passwords and exit codes.")]
pub(super) struct Args {
    /// The files; a name may be a pattern with *, ? and [a-z]
    #[arg(required = true, value_name = "URL")]
    urls: Vec<Url>,

    /// A folder that is there, the name of the file, or - for standard output
    #[arg(short = 'o', long, value_name = "PATH", default_value = ".")]
    to: PathBuf,

    /// Goes on where a former run was cut
    #[arg(short, long)]
    r#continue: bool,

    /// No bars, and nothing said when all goes well
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    server: Server,
}

/// Where files go.
#[derive(Clone)]
enum To {
    Output,
    File(PathBuf),
    Folder(PathBuf),
}

pub(super) fn run(args: &Args) -> Result {
    let to = match &args.to {
        path if path.as_os_str() == "-" => To::Output,
        path if path.is_dir() => To::Folder(path.clone()),
        path if args.urls.len() == 1 => To::File(path.clone()),
        path => return Err(Complaint::file(path, "many files go into a folder, and this is none").into()),
    };
    let dials = args.urls.iter().map(|url| Ok((url.clone(), args.server.dial(url)?)));
    let dials = dials.collect::<Result<Vec<_>>>()?;
    let (bars, resume) = (Bars::new(args.quiet), args.r#continue);
    drive(async move || {
        let (took, mut outcome) = (stopwatch(), Outcome::default());
        let told = bars.clone();
        let mirror = Mirror::new().resume(resume).on_progress(move |progress| told.tell(&progress));
        for (url, dial) in dials {
            let fetched = async {
                let mut client = dial.open().await?;
                client.set_type(url.kind);
                let result = fetch_all(&mut client, &url, &to, &mirror, &bars).await;
                if client.is_open() {
                    // The files are there.
                    let _ = client.quit().await;
                }
                result
            };
            let (files, bytes) = fetched.await.map_err(|error| {
                bars.clear();
                explain(&url, error)
            })?;
            outcome.files += files;
            outcome.bytes += bytes;
        }
        if matches!(to, To::Output) {
            bars.clear();
        } else {
            bars.sum_up(&outcome, took());
        }
        Ok(())
    })
}

fn explain(url: &Url, error: trenza::Error) -> trenza::Error {
    match error.downcast::<trenza::ftp::ClientError>() {
        Ok(error) => trouble::of(url, &error).into(),
        Err(error) => error,
    }
}

/// Files that an address stands for; gives their number and their bytes.
async fn fetch_all(
    client: &mut Client,
    url: &Url,
    to: &To,
    mirror: &Mirror,
    bars: &Bars,
) -> Result<(u64, u64)> {
    let (folder, name) = url.split();
    if name.is_empty() {
        return Err(Complaint::new(format!("{url} is a folder"))
            .code(2)
            .remedy("`trenza ftp mirror` gets whole folders, `trenza ftp ls` shows what is in one")
            .into());
    }
    let mut bytes = 0;
    if !Glob::is_pattern(name) {
        let mut entry = client.entry(&url.path).await?;
        entry.name = name.into();
        bytes += fetch(client, url, &url.path, entry, to, mirror, bars).await?;
        return Ok((1, bytes));
    }
    let glob = Glob::new(name)?;
    let here = if folder.is_empty() { b"." } else { folder };
    let mut entries = client.list(Some(here)).await?;
    entries.retain(|entry| entry.kind != Kind::Folder && glob.matches(&entry.name));
    if entries.is_empty() {
        return Err(Complaint::new(format!("{url}: nothing has a name like this")).code(6).into());
    }
    if entries.len() > 1 && matches!(to, To::File(_)) {
        let what = format!("{url} stands for {} files, and there is one name for them", entries.len());
        return Err(Complaint::new(what).code(2).remedy("--to FOLDER, which must be there").into());
    }
    let count = entries.len() as u64;
    for entry in entries {
        let parent = Url { path: folder.into(), ..url.clone() };
        let path = parent.child(&entry.name);
        bytes += fetch(client, url, &path, entry, to, mirror, bars).await?;
    }
    Ok((count, bytes))
}

async fn fetch(
    client: &mut Client,
    url: &Url,
    path: &[u8],
    mut entry: Entry,
    to: &To,
    mirror: &Mirror,
    bars: &Bars,
) -> Result<u64> {
    let size = entry.size.unwrap_or(0);
    if url.kind == TransferType::Ascii {
        // What it is here, nobody knows before.
        entry.size = None;
    }
    let (folder, name) = match to {
        To::Output => return to_output(client, path, size, bars).await,
        To::Folder(folder) if is_local_name(&entry.name) => {
            (folder.clone(), OsStr::from_bytes(&entry.name).to_owned())
        }
        To::Folder(_) => {
            let what =
                format!("{url}: {:?} cannot be the name of a file", String::from_utf8_lossy(&entry.name));
            return Err(Complaint::new(what).remedy("--to NAME gives it another one").into());
        }
        To::File(path) => {
            let name = path.file_name().ok_or_else(|| Complaint::file(path, "it is no name of a file"))?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            (parent.unwrap_or_else(|| Path::new(".")).to_owned(), name.to_owned())
        }
    };
    bars.tell(&Progress::Found { files: 1, bytes: size });
    let opened = Folder::open(&folder).map_err(|error| Complaint::file(&folder, &error.to_string()))?;
    Ok(mirror.fetch(client, path, &entry, &opened, Path::new(&name)).await?)
}

/// Writes a file to standard output, whose reader the loop waits for.
async fn to_output(client: &mut Client, path: &[u8], size: u64, bars: &Bars) -> Result<u64> {
    let shown = String::from_utf8_lossy(path).into_owned();
    bars.tell(&Progress::Began { path: &shown, size: Some(size), at: 0 });
    let bytes = client
        .retrieve(path, 0, async |piece| {
            bars.tell(&Progress::Moved { path: &shown, bytes: piece.len() as u64 });
            write_out(piece.to_vec()).await
        })
        .await?;
    bars.tell(&Progress::Finished { path: &shown });
    Ok(bytes)
}

pub(super) async fn write_out(bytes: Vec<u8>) -> Result {
    let write = move || -> io::Result<()> {
        let mut out = stdout().lock();
        out.write_all(&bytes)?;
        out.flush()
    };
    trenza::Reactor::current().in_thread(move || Ok(write()?)).await
}

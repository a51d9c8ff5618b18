//! `trenza ftp ls`: what is in a folder.

use super::{bars::plain, drive, get::write_out, server::Server, trouble, url::Url};
use std::io::{IsTerminal, stdout};
use trenza::{
    Error, Reactor, Result,
    ftp::{
        Client, ClientError, Entry, Glob,
        listing::{Kind, unix},
    },
};

/// Lists a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trenza ftp ls ftp://ftp.example.org/pub/
  trenza ftp ls --names 'ftp://ftp.example.org/pub/*.txt'

Times are those of UTC. `trenza ftp --help` explains addresses, passwords and exit codes.")]
pub(super) struct Args {
    /// The folder; the last part of its path may be a pattern with *, ? and [a-z]
    #[arg(value_name = "URL")]
    url: Url,

    /// Names only
    #[arg(short = '1', long)]
    names: bool,

    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: &Args) -> Result {
    let (url, names) = (args.url.clone(), args.names);
    let dial = args.server.dial(&url)?;
    drive(async move || {
        let listed = async {
            let mut client = dial.open().await?;
            let (folder, glob) = match url.split() {
                (folder, name) if Glob::is_pattern(name) => {
                    let glob = Glob::new(name)
                        .map_err(|error| ClientError::Local { asked: "ls".into(), source: error.into() })?;
                    (if folder.is_empty() { b"." } else { folder }, Some(glob))
                }
                _ => (url.folder(), None),
            };
            let mut entries = match client.list(Some(folder)).await {
                // It may be a file, which servers that list facts do not list.
                Err(error) if error.code().is_some() && glob.is_none() => {
                    file(&mut client, &url).await.ok_or(error)?
                }
                listed => listed?,
            };
            entries.retain(|entry| glob.as_ref().is_none_or(|glob| glob.matches(&entry.name)));
            entries.sort_by(|one, other| one.name.cmp(&other.name));
            // They are there.
            let _ = client.quit().await;
            Ok::<_, ClientError>(entries)
        };
        let entries = listed.await.map_err(|error| Error::from(trouble::of(&url, &error)))?;
        write_out(text(&entries, names, stdout().is_terminal())).await
    })
}

/// What is known of a file; None: there is none.
async fn file(client: &mut Client, url: &Url) -> Option<Vec<Entry>> {
    let entry = client.entry(&url.path).await.ok()?;
    let name = url.split().1.to_vec();
    (entry.kind == Kind::File && entry.size.is_some()).then(|| vec![Entry { name, ..entry }])
}

/// The lines. Names come from servers: a terminal is not to take them for its own commands.
fn text(entries: &[Entry], names: bool, terminal: bool) -> Vec<u8> {
    let now = Reactor::current().wall();
    let mut text = Vec::new();
    for entry in entries {
        let mut line = Vec::new();
        match names {
            true => line.extend(&entry.name),
            false => unix::write(entry, now, &mut line),
        }
        match terminal {
            true => text.extend(plain(&String::from_utf8_lossy(&line)).as_bytes()),
            false => text.extend(line),
        }
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_commands_of_a_terminal() {
        // A terminal may take the second one for the first.
        let names = ["a\x1b[2J", "b\u{9b}2J", "caf\u{e9}"];
        let entries = names.map(|name| Entry::new(name, Kind::File));
        let shown = |terminal| {
            trenza::block_on(async move |_| Ok(String::from_utf8(text(&entries, true, terminal))?))
        };
        assert_eq!(shown.clone()(true).unwrap(), "a?[2J\nb?2J\ncaf\u{e9}\n");
        assert_eq!(shown(false).unwrap(), names.join("\n") + "\n");
    }
}

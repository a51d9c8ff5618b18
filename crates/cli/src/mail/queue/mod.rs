//! `trenza mail queue`: what waits in a queue, and what is to become of it.

mod change;
mod list;
mod show;

use crate::complaint::Complaint;
use clap::Subcommand;
use jiff::Timestamp;
use std::{
    error::Error as _,
    io::{self, ErrorKind, Write as _},
    path::PathBuf,
    time::{Duration, SystemTime},
};
use trenza::{
    Result,
    mail::queue::{QueueId, Spool, Spooled, State},
    storage::Folder,
};

const EXAMPLES: &str = "\
Examples:
  trenza mail queue list --queue /var/spool/trenza
      What waits, the oldest first
  trenza mail queue show 3c1f00d2a7b94e58 --queue /var/spool/trenza
      What came of each recipient so far, and when he is tried again
  trenza mail queue show 3c1f00d2a7b94e58 --message \\
      --queue /var/spool/trenza > message.eml
      The message itself
  trenza mail queue retry --all --queue /var/spool/trenza
      Everything is tried at once, though its destination could not be reached
  trenza mail queue drop 3c1f00d2a7b94e58 --queue /var/spool/trenza
      It is thrown away, and nobody is told
  trenza mail queue list --json \\
      --queue DIR | jq -r '.[] | select(.sender == null) | .id'

A server may be running or not: a running one is asked, and does it within a second or two.

Exit codes: 0 done, 1 refused (no such message or queue, the server does not answer), 2 wrong usage.";

/// Shows and changes what waits in the queue of a mail server.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the messages
    List(list::Args),
    /// Shows a message: its recipients, and what came of each
    Show(show::Args),
    /// Has messages tried again at once
    Retry(change::Args),
    /// Throws messages away; nobody is told
    Drop(change::Args),
}

/// Which queue.
#[derive(Debug, clap::Args)]
struct Of {
    /// The queue's folder, as for `trenza mail serve`
    #[arg(short, long, value_name = "DIR")]
    queue: PathBuf,
}

/// Does what was asked for.
pub(crate) fn run(args: &Args) -> Result {
    match &args.what {
        What::List(args) => list::run(args),
        What::Show(args) => show::run(args),
        What::Retry(args) => change::run(args, trenza::mail::queue::Request::Retry),
        What::Drop(args) => change::run(args, trenza::mail::queue::Request::Drop),
    }
}

impl Of {
    /// The queue on the disk.
    fn spool(&self) -> Result<Spool, Complaint> {
        let shown = self.queue.display();
        let wrong = |error: &trenza::storage::Error| match error.kind() {
            trenza::storage::ErrorKind::NotFound => Complaint::new(format!("there is no folder {shown}")),
            trenza::storage::ErrorKind::Denied => Complaint::new(format!("no right to read {shown}"))
                .remedy("a queue is for its owner only: run as the user that the server runs as"),
            _ => Complaint::new(format!("{shown} cannot be read: {error}")),
        };
        let spool = Spool::new(Folder::new(&self.queue).map_err(|error| wrong(&error))?);
        match spool.exists() {
            Ok(true) => Ok(spool),
            Ok(false) => Err(Complaint::new(format!("there is no queue in {shown}"))
                .remedy("name the folder that `trenza mail serve --queue DIR` has")),
            Err(error) => Err(wrong(&error)),
        }
    }

    /// All messages, the oldest first. Those that cannot be read come last.
    fn all(&self) -> Result<Vec<(QueueId, Spooled)>, Complaint> {
        let mut all = Vec::new();
        self.spool()?.each(&mut |id, found| all.push((id, found))).map_err(|error| {
            Complaint::new(format!("the queue in {} cannot be listed: {error}", self.queue.display()))
        })?;
        all.sort_by_cached_key(|(id, found)| {
            let arrived = found.record.as_ref().map(|record| record.arrived).ok();
            (arrived.is_none(), arrived, id.clone())
        });
        Ok(all)
    }

    /// That there is no such message.
    fn missing(&self, id: &QueueId) -> Complaint {
        Complaint::new(format!("there is no message {id} in {}", self.queue.display())).remedy(format!(
            "`trenza mail queue list --queue {}` shows which there are",
            self.queue.display()
        ))
    }
}

/// That nobody knows who a message is for.
fn damaged(id: &QueueId, error: &trenza::storage::Error) -> Complaint {
    Complaint::new(format!("the record of {id} cannot be read: {}", why(error))).remedy(
        "`trenza mail queue show --message` shows the message, and `drop` throws it away, once whoever it is for has been told",
    )
}

fn now() -> SystemTime {
    Timestamp::now().into()
}

/// A duration as people say it: 5s, 12m, 3h, 2d.
fn about(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// How long ago something was.
fn ago(time: SystemTime) -> String {
    about(now().duration_since(time).unwrap_or_default())
}

/// In how long something is.
fn ahead(time: SystemTime) -> String {
    match time.duration_since(now()) {
        Ok(left) if left.as_secs() > 0 => format!("in {}", about(left)),
        _ => "now".to_owned(),
    }
}

fn stamp(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// The name of a state, for people and programs.
fn name(state: State) -> &'static str {
    match state {
        State::Waiting { .. } => "waiting",
        State::Delivered => "delivered",
        State::Relayed => "relayed",
        State::Failed => "failed",
        State::Done => "done",
    }
}

/// Why a record cannot be read: what is wrong in it, if it was there.
fn why(error: &trenza::storage::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Writes to standard output.
fn write_out(bytes: &[u8]) -> Result {
    match io::stdout().lock().write_all(bytes) {
        // Whoever has seen enough closes the pipe.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Rows as a table, the columns as wide as they must be; the last one is as it is.
fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let wide =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| wide(column).unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A text that does a terminal no harm, of at most so many characters.
fn shown(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    match text.char_indices().nth(most) {
        Some(_) => text.chars().map(plain).take(most.saturating_sub(1)).chain(['\u{2026}']).collect(),
        None => text.chars().map(plain).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3600, "1h"),
            (172_799, "47h"),
            (172_800, "2d"),
        ] {
            assert_eq!(about(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shown("\u{1b}[1m", 9), " [1m");
        assert_eq!(shown("abcdef", 6), "abcdef");
        assert_eq!(shown("abcdefg", 6), "abcde\u{2026}");
    }
}

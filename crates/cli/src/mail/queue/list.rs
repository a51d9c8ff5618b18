//! `trenza mail queue list`.

use super::{Of, ago, ahead, name, shown, stamp, table, why, write_out};
use crate::terminal::{Style, paint_out};
use serde_json::{Value, json};
use std::time::SystemTime;
use trenza::{
    Result,
    auth::Size,
    mail::queue::{QueueId, Record, Spooled, State},
};

/// The most characters of an address, and of what was said last.
const ADDRESS_MAX: usize = 40;
const SAID_MAX: usize = 60;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    of: Of,
    /// As JSON: a list of objects
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result {
    let all = args.of.all()?;
    if args.json {
        let each: Value = all.iter().map(|(id, found)| as_json(id, found)).collect();
        return write_out(format!("{each:#}\n").as_bytes());
    }
    if all.is_empty() {
        crate::terminal::say("Nothing waits");
        return Ok(());
    }
    let mut rows = vec![["ID", "SIZE", "AGE", "FROM", "TO", "NEXT", "LAST SAID"].map(str::to_owned)];
    rows.extend(all.iter().map(|(id, found)| row(id, found)));
    let mut text = String::new();
    for (number, line) in table(&rows).into_iter().enumerate() {
        let is_bad = number.checked_sub(1).and_then(|at| all.get(at)).is_some_and(|(_, found)| is_bad(found));
        let style = if number == 0 { Some(Style::Hint) } else { is_bad.then_some(Style::Error) };
        text += &style.map_or_else(|| line.clone(), |style| paint_out(style, &line));
        text.push('\n');
    }
    write_out(text.as_bytes())
}

/// Somebody should look at it: it cannot be read, or has failed.
fn is_bad(found: &Spooled) -> bool {
    let failed = |record: &Record| record.recipients.iter().any(|one| one.state == State::Failed);
    found.record.as_ref().map_or(true, failed)
}

fn row(id: &QueueId, found: &Spooled) -> [String; 7] {
    let size = Size(found.size).to_string();
    let record = match &found.record {
        Ok(record) => record,
        Err(error) => {
            let or = || "-".to_owned();
            return [id.to_string(), size, or(), or(), or(), or(), shown(&why(error), SAID_MAX)];
        }
    };
    let left = || record.recipients.iter().filter(|one| one.state != State::Done);
    let said = left().find_map(|one| one.said.as_ref());
    [
        id.to_string(),
        size,
        ago(record.arrived),
        shown(&sender(record).unwrap_or_else(|| "<>".to_owned()), ADDRESS_MAX),
        to(left().map(|one| one.rcpt.to.to_string()).collect()),
        next(record).map_or_else(|| "-".to_owned(), ahead),
        said.map_or_else(|| "-".to_owned(), |said| shown(&said.reply.to_string(), SAID_MAX)),
    ]
}

/// Who has still to get it: the first, and how many more.
fn to(left: Vec<String>) -> String {
    match &left[..] {
        [] => "-".to_owned(),
        [only] => shown(only, ADDRESS_MAX),
        [first, more @ ..] => format!("{} +{}", shown(first, ADDRESS_MAX), more.len()),
    }
}

/// When something of it is tried next.
fn next(record: &Record) -> Option<SystemTime> {
    let each = record.recipients.iter().filter_map(|one| match one.state {
        State::Waiting { next, .. } => Some(next),
        _ => None,
    });
    each.min()
}

pub(super) fn sender(record: &Record) -> Option<String> {
    record.mail.sender.as_ref().map(ToString::to_string)
}

/// A message for programs.
pub(super) fn as_json(id: &QueueId, found: &Spooled) -> Value {
    let record = match &found.record {
        Ok(record) => record,
        Err(error) => {
            return json!({ "id": id.as_str(), "size": found.size, "error": why(error) });
        }
    };
    let each = record.recipients.iter().map(|one| {
        let (tries, next) = match one.state {
            State::Waiting { tries, next, .. } => (Some(tries), Some(stamp(next))),
            _ => (None, None),
        };
        json!({
            "to": one.rcpt.to.to_string(),
            "state": name(one.state),
            "tries": tries,
            "next": next,
            "host": one.said.as_ref().and_then(|said| said.host.clone()),
            "said": one.said.as_ref().map(|said| said.reply.to_string()),
        })
    });
    json!({
        "id": id.as_str(),
        "size": found.size,
        "arrived": stamp(record.arrived),
        "sender": sender(record),
        "recipients": each.collect::<Value>(),
    })
}

//! `trenza mail queue show`.

use super::{
    Of, ago, ahead, damaged,
    list::{as_json, sender},
    name, shown, stamp, table, write_out,
};
use crate::terminal::{Style, paint_out};
use trenza::{
    Result,
    auth::Size,
    mail::queue::{Addressee, QueueId, Spool, State},
};

/// How many bytes of a message are read at once.
const PIECE: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which message
    #[arg(value_name = "ID")]
    id: QueueId,
    #[command(flatten)]
    of: Of,
    /// As JSON: an object
    #[arg(long, conflicts_with = "message")]
    json: bool,
    /// The message itself, as it came
    #[arg(long)]
    message: bool,
}

pub(super) fn run(args: &Args) -> Result {
    let (id, spool) = (&args.id, args.of.spool()?);
    let found = spool.look(id).ok_or_else(|| args.of.missing(id))?;
    if args.message {
        return message(&spool, id);
    }
    if args.json {
        return write_out(format!("{:#}\n", as_json(id, &found)).as_bytes());
    }
    let record = match &found.record {
        Ok(record) => record,
        Err(error) => {
            return Err(damaged(id, error).into());
        }
    };
    let head = [
        ["From:".to_owned(), shown(&sender(record).unwrap_or_else(|| "<> (a report)".to_owned()), 320)],
        ["Size:".to_owned(), Size(found.size).to_string()],
        ["Arrived:".to_owned(), format!("{} ({} ago)", stamp(record.arrived), ago(record.arrived))],
    ];
    let mut text = format!("{}\n", paint_out(Style::Hint, &format!("Message {id}")));
    table(&head).iter().for_each(|line| text += &format!("{line}\n"));
    for one in &record.recipients {
        text += &format!("\n{}\n", shown(&one.rcpt.to.to_string(), 320));
        let state = format!("  {}", state(one));
        text += &if one.state == State::Failed { paint_out(Style::Error, &state) } else { state };
        text.push('\n');
        if let Some(said) = &one.said {
            let host = said.host.as_deref().unwrap_or("this server");
            text += &format!("  {}\n", shown(&format!("{host} said: {}", said.reply), 1200));
        }
    }
    write_out(text.as_bytes())
}

/// What came of a recipient, in words.
fn state(one: &Addressee) -> String {
    match one.state {
        State::Waiting { tries: 0, next, .. } => format!("not tried yet, {}", ahead(next)),
        State::Waiting { tries, next, warned } => {
            let times = if tries == 1 { "once".to_owned() } else { format!("{tries} times") };
            let warned = if warned { "; the sender knows that it is late" } else { "" };
            format!("tried {times}, again {}{warned}", ahead(next))
        }
        State::Failed => "failed, the sender is to be told".to_owned(),
        State::Delivered | State::Relayed => format!("{}, the sender is to be told", name(one.state)),
        State::Done => "done".to_owned(),
    }
}

/// Writes the message to standard output.
fn message(spool: &Spool, id: &QueueId) -> Result {
    let file = spool.open(id)?;
    let (mut piece, mut at) = (vec![0; PIECE], 0);
    loop {
        let count = file.read_at(&mut piece, at)?;
        if count == 0 {
            return Ok(());
        }
        at += count as u64;
        write_out(piece.get(..count).unwrap_or_default())?;
    }
}

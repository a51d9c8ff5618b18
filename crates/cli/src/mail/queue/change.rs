//! `trenza mail queue retry` and `drop`.

use super::{Of, damaged, now};
use crate::{
    complaint::Complaint,
    terminal::{say, warn},
};
use std::time::Duration;
use trenza::{
    Result,
    mail::queue::{QueueId, QueueLock, Request, Spool},
};

/// How long a server may take to do any of it.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which messages
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<QueueId>,
    /// All that are there now
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    of: Of,
}

pub(super) fn run(args: &Args, request: Request) -> Result {
    let spool = args.of.spool()?;
    let ids = match args.all {
        true => all(args, request)?,
        false => args.ids.clone(),
    };
    // All of them or none.
    for id in ids.iter().filter(|_| !args.all) {
        match spool.look(id).map(|found| found.record) {
            None => return Err(args.of.missing(id).into()),
            Some(Err(error)) if request == Request::Retry => return Err(damaged(id, &error).into()),
            Some(_) => {}
        }
    }
    let shown = args.of.queue.display();
    let lock = QueueLock::take(&args.of.queue)
        .map_err(|error| Complaint::new(format!("the queue in {shown} cannot be locked: {error}")))?;
    match lock {
        Some(_lock) => ids.iter().try_for_each(|id| spool.act(id, request, now()).map(drop))?,
        None => ask(&spool, &ids, request)?,
    }
    let done = match request {
        Request::Retry => "to be tried at once",
        Request::Drop => "gone",
    };
    let (count, are) = (ids.len(), if ids.len() == 1 { "message is" } else { "messages are" });
    say(&format!("{count} {are} {done}"));
    Ok(())
}

/// All messages, without those that cannot be tried.
fn all(args: &Args, request: Request) -> Result<Vec<QueueId>> {
    let mut ids = Vec::new();
    for (id, found) in args.of.all()? {
        match found.record {
            Err(error) if request == Request::Retry => warn(&damaged(&id, &error).to_string()),
            _ => ids.push(id),
        }
    }
    Ok(ids)
}

/// Asks the server, and waits until it has done it.
fn ask(spool: &Spool, ids: &[QueueId], request: Request) -> Result {
    for id in ids {
        spool.ask(id, request)?;
    }
    let (watched, all) = (spool.clone(), ids.to_vec());
    let left = trenza::block_on(async move |reactor| {
        let mut left = all;
        let mut waited = Duration::ZERO;
        while waited < PATIENCE {
            let mut asked = Vec::new();
            for id in &left {
                if watched.is_asked(id, request)? {
                    asked.push(id.clone());
                }
            }
            // It is busy with them.
            if asked.len() < left.len() {
                waited = Duration::ZERO;
            }
            left = asked;
            if left.is_empty() {
                break;
            }
            reactor.sleep(LOOK).await;
            waited += LOOK;
        }
        Ok(left)
    })?;
    if left.is_empty() {
        return Ok(());
    }
    // It is not to be done some day when nobody expects it.
    left.iter().try_for_each(|id| spool.unask(id, request))?;
    Err(Complaint::new(format!(
        "the server that has the queue does not answer: {} of {} are as they were",
        left.len(),
        ids.len()
    ))
    .remedy("see what it says; it may be stopping, or its disk be full")
    .into())
}

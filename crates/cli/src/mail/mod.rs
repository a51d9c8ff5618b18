//! `trenza mail`: a mail server, what waits in its queue, and a client for scripts.

mod queue;
mod send;
mod serve;

use clap::Subcommand;
use trenza::Result;

/// Receives, keeps and sends mail.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Queue(queue::Args),
    Send(Box<send::Args>),
}

pub(crate) fn run(args: &Args, descriptors: u64) -> Result {
    match &args.command {
        Command::Serve(args) => serve::run(args, descriptors),
        Command::Queue(args) => queue::run(args),
        Command::Send(args) => send::run(args),
    }
}

//! `trenza mail`: mail, and what waits of it.

mod queue;

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
    Queue(queue::Args),
}

/// Does what was asked for.
pub(crate) fn run(args: &Args) -> Result {
    match &args.command {
        Command::Queue(args) => queue::run(args),
    }
}

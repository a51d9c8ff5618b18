//! `trenza mail`: a mail server, and a client for scripts.

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
    Send(Box<send::Args>),
}

pub(crate) fn run(args: &Args, descriptors: u64) -> Result {
    match &args.command {
        Command::Serve(args) => serve::run(args, descriptors),
        Command::Send(args) => send::run(args),
    }
}

//! `trenza mail`: mail from and to servers of SMTP.

mod send;

use clap::Subcommand;
use trenza::Result;

const EXAMPLES: &str = "\
Examples:
  trenza mail send --to ann@example.org --from bob@example.org < message.txt
  trenza mail send -t --server tcp:mail.example.org:587 --starttls --user bob < message.txt";

/// Sends mail.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Send(Box<send::Args>),
}

pub(crate) fn run(args: &Args) -> Result {
    match &args.command {
        Command::Send(args) => send::run(args),
    }
}

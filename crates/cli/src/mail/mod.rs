//! `trenza mail`: a mail server, the keys that it signs with, what waits in its queue, and a client for scripts.

mod dkim;
mod queue;
mod send;
mod serve;

use clap::Subcommand;
use trenza::{Result, mail::smtp::Host};

/// Receives, keeps and sends mail.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Dkim(dkim::Args),
    Queue(queue::Args),
    Send(Box<send::Args>),
}

pub(crate) fn run(args: &Args, descriptors: u64) -> Result {
    match &args.command {
        Command::Serve(args) => serve::run(args, descriptors),
        Command::Dkim(args) => dkim::run(args),
        Command::Queue(args) => queue::run(args),
        Command::Send(args) => send::run(args),
    }
}

/// A domain that an option names, in lower case.
fn domain(text: &str) -> Result<String, String> {
    match Host::parse(text) {
        Some(Host::Domain(domain)) => Ok(domain),
        _ => Err("a domain is wanted, like example.org".into()),
    }
}

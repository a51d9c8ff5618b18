//! `trenza`: servers for the common Internet protocols, one command each.

mod cert;
mod certificates;
mod complaint;
mod drive;
mod echo;
mod endpoint;
mod forward;
mod ftp;
mod lines;
mod mail;
mod passing;
mod room;
mod socks;
mod terminal;
mod told;
mod user;
mod web;
mod workers;

use clap::{Parser, Subcommand};
use std::{env, io::stderr, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// Servers for the common Internet protocols in one program.
#[derive(Debug, Parser)]
#[command(
    name = "trenza",
    version,
    after_help = "`trenza COMMAND --help` explains a command and has examples.\n\
                  TRENZA_LOG=debug in the environment shows more of what goes on."
)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Cert(cert::Args),
    User(user::Args),
    Web(web::Args),
    Forward(forward::Args),
    Ftp(ftp::Args),
    Mail(mail::Args),
    Socks(socks::Args),
    Echo(echo::Args),
}

/// What the engine may say: warnings, logins, what came of mail for others, and of connections what `log=yes` in an endpoint
/// asks for.
fn filter() -> EnvFilter {
    let usual = || EnvFilter::new("warn,trenza::traffic=info,trenza::login=info,trenza::mail=info");
    let Some(wished) = env::var_os("TRENZA_LOG") else { return usual() };
    EnvFilter::try_new(wished.to_string_lossy()).unwrap_or_else(|error| {
        terminal::warn(&format!("TRENZA_LOG is not understood ({error}): write it like TRENZA_LOG=debug"));
        usual()
    })
}

fn main() -> ExitCode {
    // Wrong usage ends here with 2.
    let program = Program::parse();
    tracing_subscriber::fmt()
        .with_writer(stderr)
        .log_internal_errors(false)
        .with_ansi(terminal::colours())
        .with_env_filter(filter())
        .init();
    // A connection needs a descriptor. With few of them a server still serves few.
    let descriptors = trenza::raise_descriptor_limit().unwrap_or_else(|error| {
        terminal::warn(&format!("the limit of open files stays as it is: {error}"));
        u64::MAX
    });
    let ended = match &program.command {
        Command::Cert(args) => cert::run(args),
        Command::User(args) => user::run(args),
        Command::Web(args) => web::run(args, descriptors),
        Command::Forward(args) => forward::run(args, descriptors),
        Command::Ftp(args) => ftp::run(args, descriptors),
        Command::Mail(args) => mail::run(args, descriptors),
        Command::Socks(args) => socks::run(args, descriptors),
        Command::Echo(args) => echo::run(args, descriptors),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complaint::tell(&*error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// What is copied from help must not be cut in two by it.
    #[test]
    fn examples_fit_a_terminal() {
        let mut commands = vec![Program::command()];
        while let Some(command) = commands.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().filter(|line| line.starts_with("  ") && line.contains("trenza ")) {
                assert!(line.starts_with("      ") || line.len() <= 84, "{}: {line}", command.get_name());
            }
            commands.extend(command.get_subcommands().cloned());
        }
    }
}

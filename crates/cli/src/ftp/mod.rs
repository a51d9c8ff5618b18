//! `trenza ftp`: files from and to servers of FTP, and a server.

mod bars;
mod get;
mod ls;
mod mirror;
mod put;
mod serve;
mod server;
mod trouble;
mod url;

use crate::drive::drive;
use clap::Subcommand;
use trenza::Result;

const EXAMPLES: &str = "\
Examples:
  trenza ftp get ftp://ftp.example.org/pub/readme.txt
  trenza ftp get --continue --tls 'ftp://ann@example.org/backups/*.tar.gz' \\
      --to /srv/backups
  trenza ftp put report.pdf ftpes://ann@example.org/inbox/
  trenza ftp ls ftp://ftp.example.org/pub/
  trenza ftp mirror --parallel 8 ftp://ftp.example.org/pub/debian debian
  trenza ftp mirror --delete site ftps://ann@example.org/www
  trenza ftp serve --root files --users users.toml

Addresses:
  ftp://USER:PASSWORD@HOST:PORT/PATH;type=i
      PATH begins in the folder that a login leads to; //PATH at the server's root. A path that ends
      in / is a folder. %XX stands for a byte. ;type=a has text with line ends of this machine
  ftpes://HOST   TLS by AUTH TLS, as ftp:// with --tls
  ftps://HOST    TLS from the start, port 990

Passwords come from the address, from --password-stdin, from FTP_PASSWORD in the environment, or are \
asked for. Without a user the login is anonymous.

Exit codes:
  0  everything was done
  1  an error at this end: a file that cannot be read or written
  2  wrong usage
  3  done, except for some of the files
  4  the server was not reached, was too slow, or the connection was lost: try again
  5  the login was refused, or the server's certificate is not trusted
  6  the server has refused: no such file, no right, no space
  130, 143  ended by Control-C or SIGTERM";

/// Serves, gets, puts and mirrors files over FTP, with TLS if asked.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Get(get::Args),
    Put(put::Args),
    Ls(ls::Args),
    Mirror(mirror::Args),
    Serve(Box<serve::Args>),
}

pub(crate) fn run(args: &Args, descriptors: u64) -> Result {
    match &args.command {
        Command::Get(args) => get::run(args),
        Command::Put(args) => put::run(args),
        Command::Ls(args) => ls::run(args),
        Command::Mirror(args) => mirror::run(args),
        Command::Serve(args) => serve::run(args, descriptors),
    }
}

//! `trenza cert`: certificates for development, and what stands in those that are there.

mod make;
mod show;

use crate::complaint::Complaint;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;
use trenza::Result;

const EXAMPLES: &str = "\
Examples:
  trenza cert self localhost 127.0.0.1
      A certificate and its key in localhost.pem: trenza web --listen tls:8443:cert=localhost.pem
  trenza cert ca \"Our test CA\"
      A certification authority: ca.pem for those who shall trust it, ca-key.pem for you alone
  trenza cert sign www.example.test '*.www.example.test'
      A certificate that this authority has signed, in www.example.test.pem
  trenza cert sign --client ann
      The same for a person: curl --cert ann.pem --cacert ca.pem https://...
  trenza cert show localhost.pem
      Names, times and fingerprint

These are for development and small networks of your own.
Browsers and other people's programs trust what a public authority has signed.";

/// Makes certificates for development, and shows what stands in one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Makes a certificate that signs itself
    #[command(name = "self")]
    Own(Own),
    /// Makes a certification authority of your own
    Ca(Ca),
    /// Makes a certificate that your authority signs
    Sign(Sign),
    /// Shows names, times and fingerprint of certificates
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Own {
    /// DNS names (*.example.org is one, too) and IP addresses that it is for
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    made: Made,
}

#[derive(Debug, clap::Args)]
struct Ca {
    /// What it is called
    #[arg(value_name = "NAME", default_value = "Development CA")]
    name: String,
    /// The file for its key
    #[arg(long, value_name = "FILE", default_value = "ca-key.pem")]
    key_out: PathBuf,
    #[command(flatten)]
    made: Made,
}

#[derive(Debug, clap::Args)]
struct Sign {
    /// DNS names and IP addresses that it is for; with --client the name of its owner
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// It is shown by clients, not by servers
    #[arg(long)]
    client: bool,
    /// The authority's certificate
    #[arg(long, value_name = "FILE", default_value = "ca.pem")]
    ca: PathBuf,
    /// The authority's key
    #[arg(long, value_name = "FILE", default_value = "ca-key.pem")]
    ca_key: PathBuf,
    #[command(flatten)]
    made: Made,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// PEM files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// What all that are made have in common.
#[derive(Debug, clap::Args)]
struct Made {
    /// The file to write [default: the first name, or ca.pem, with the key in it where it is nobody else's]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// For how many days it is valid
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    /// The kind of its key
    #[arg(long, value_name = "KIND", default_value = "ecdsa")]
    key: Kind,
    /// Replace files that exist
    #[arg(short, long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// P-256, which everybody speaks
    Ecdsa,
    /// Small and quick; browsers do not speak it
    Ed25519,
    /// 3072 bits, for what is old
    Rsa,
}

/// Makes or shows what was asked for.
pub(crate) fn run(args: &Args) -> Result {
    match &args.what {
        What::Own(own) => make::own(own),
        What::Ca(ca) => make::authority(ca),
        What::Sign(sign) => make::signed(sign),
        What::Show(show) => show::show(&show.files),
    }
}

/// What a file says of itself when it cannot be used.
fn unusable(path: &std::path::Path, why: impl std::fmt::Display) -> Complaint {
    Complaint::file(path, &why.to_string())
}

//! `trenza cert`: certificates for development, and what stands in those that are there.

mod make;
mod name;
mod show;

use crate::complaint::Complaint;
use clap::{Subcommand, ValueEnum};
use name::Name;
use std::path::{Path, PathBuf};
use trenza::Result;

const EXAMPLES: &str = "\
Examples:
  trenza cert self
      For this machine: localhost.pem, with the key in it; then:
      trenza web DIR --listen tls:8443:cert=localhost.pem
      curl --cacert localhost.pem https://localhost:8443/
  trenza cert ca
      An authority of your own: ca.pem for those who shall trust it, ca-key.pem for you alone
  trenza cert sign www.example.test '*.www.example.test'
      A certificate that it has signed, in www.example.test.pem
  trenza cert sign --client ann
      The same for a person, in ann.pem: curl --cert ann.pem --cacert ca.pem https://...
  trenza cert show localhost.pem
      Names, times and fingerprint

These are for development and small networks of your own.
Browsers and other people's programs trust what a public authority has signed.";

const OWN_EXAMPLES: &str = "\
Examples:
  trenza cert self
      localhost.pem, for localhost, 127.0.0.1 and ::1
  trenza cert self intranet.example 192.0.2.7 --days 90
      intranet.example.pem, for a name and an address
  trenza cert self old.example --key rsa --out old.pem
      For clients that know nothing but RSA";

const CA_EXAMPLES: &str = "\
Examples:
  trenza cert ca
      ca.pem and ca-key.pem
  trenza cert ca \"Our house\" --out house.pem --key-out house-key.pem
      The same under other names

Whoever is to trust it takes ca.pem: curl --cacert ca.pem, ca=ca.pem in an endpoint, a browser's settings.";

const SIGN_EXAMPLES: &str = "\
Examples:
  trenza cert sign localhost 127.0.0.1
      localhost.pem, for a server
  trenza cert sign '*.example.test' --days 90 --ca house.pem --ca-key house-key.pem
      wildcard.example.test.pem, signed by another authority
  trenza cert sign --client ann
      ann.pem, which a client shows: cert=ann.pem in an endpoint";

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
    #[command(name = "self", after_help = OWN_EXAMPLES)]
    Own(Own),
    /// Makes a certification authority of your own
    #[command(after_help = CA_EXAMPLES)]
    Ca(Ca),
    /// Makes a certificate that your authority signs
    #[command(after_help = SIGN_EXAMPLES)]
    Sign(Sign),
    /// Shows names, times and fingerprint of certificates
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Own {
    /// DNS names (*.example.org is one, too) and IP addresses that it is for
    #[arg(value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    names: Vec<Name>,
    /// The file to write, with the key in it [default: the first name and .pem]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// For how many days it is valid
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    #[command(flatten)]
    made: Made,
}

#[derive(Debug, clap::Args)]
struct Ca {
    /// What it is called
    #[arg(value_name = "NAME", default_value = "Development CA")]
    name: String,
    /// The file for its certificate
    #[arg(short, long, value_name = "FILE", default_value = "ca.pem")]
    out: PathBuf,
    /// The file for its key
    #[arg(long, value_name = "FILE", default_value = "ca-key.pem")]
    key_out: PathBuf,
    /// For how many days it is valid, and at most what it signs
    #[arg(long, value_name = "N", default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    #[command(flatten)]
    made: Made,
}

#[derive(Debug, clap::Args)]
struct Sign {
    /// DNS names (*.example.org is one, too) and IP addresses that it is for
    #[arg(value_name = "NAME", required_unless_present = "client")]
    names: Vec<Name>,
    /// It is for a client of this name, not for a server
    #[arg(long, value_name = "NAME", conflicts_with = "names")]
    client: Option<String>,
    /// The authority's certificate
    #[arg(long, value_name = "FILE", default_value = "ca.pem")]
    ca: PathBuf,
    /// The authority's key
    #[arg(long, value_name = "FILE", default_value = "ca-key.pem")]
    ca_key: PathBuf,
    /// The file to write, with the key in it [default: the first name and .pem]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// For how many days it is valid; never longer than its authority
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
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
fn unusable(path: &Path, why: impl std::fmt::Display) -> Complaint {
    Complaint::file(path, &why.to_string())
}

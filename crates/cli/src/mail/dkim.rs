//! `trenza mail dkim`: a key to sign with, and the record of the DNS that lets others verify it.

use super::domain;
use crate::{complaint::Complaint, terminal::say};
use clap::ValueEnum;
use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use trenza::{
    Result,
    mail::checks::{SigningKey, dkim::Algorithm},
};

/// A key is for its owner's eyes.
const PRIVATE: u32 = 0o600;
/// A text of the DNS is of strings that are no longer (RFC 1035 section 3.3).
const STRING_MAX: usize = 255;

const EXAMPLES: &str = "\
Examples:
  trenza mail dkim example.org
      mail._domainkey.example.org.pem, and the record for the zone of example.org; then:
      trenza mail serve ... --dkim example.org=mail:mail._domainkey.example.org.pem
  trenza mail dkim example.org --selector 2027a --key ed25519 --out ed25519.pem
      Another key beside it; few verify Ed25519 yet, so it is good as a second signature
  trenza mail dkim example.org > record.txt
      The record again: a key that is there is not replaced

What signs is the key, and what names it is the selector: to change a key, publish another selector, sign with that, and take the \
old record out of the DNS when nobody asks for it any more, a week later.";

/// Makes a key to sign mail with (DKIM), unless there is one, and prints its record for the DNS.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The domain that signs
    #[arg(value_name = "DOMAIN", value_parser = domain)]
    domain: String,

    /// Which of its keys it is
    #[arg(short, long, value_name = "NAME", default_value = "mail", value_parser = domain)]
    selector: String,

    /// The kind of a new key
    #[arg(long, value_name = "KIND", default_value = "rsa")]
    key: Kind,

    /// The file of the key [default: SELECTOR._domainkey.DOMAIN.pem]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// 2048 bits, which everybody verifies
    Rsa,
    /// Small; not everybody verifies it
    Ed25519,
}

pub(super) fn run(args: &Args) -> Result {
    let name = format!("{}._domainkey.{}", args.selector, args.domain);
    let path = args.out.clone().unwrap_or_else(|| format!("{name}.pem").into());
    let unusable = |why: &dyn std::fmt::Display| {
        Complaint::file(&path, &why.to_string())
            .remedy("--out FILE names another file, which need not be there yet")
    };
    let is_new = make(&path, args.key)?;
    let pem = fs::read_to_string(&path).map_err(|error| unusable(&error))?;
    let record = SigningKey::from_pem(&pem).map_err(|error| unusable(&error))?.record();
    let (shown, state) =
        (path.display(), if is_new { "the key, for the server alone" } else { "this key was there" });
    say(&format!("{shown}: {state}"));
    say(&format!("Sign with it:   trenza mail serve ... --dkim {}={}:{shown}", args.domain, args.selector));
    say(&format!("Publish it:     in the zone of {}, this record", args.domain));
    match io::stdout().lock().write_all(zone_line(&name, &record).as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Makes a key that nobody else can read. False: the file is there.
fn make(path: &Path, kind: Kind) -> Result<bool> {
    if path.symlink_metadata().is_ok() {
        return Ok(false);
    }
    let pem = SigningKey::generate(match kind {
        Kind::Rsa => Algorithm::Rsa,
        Kind::Ed25519 => Algorithm::Ed25519,
    })?;
    let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path);
    let written = file.and_then(|mut file| file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| Complaint::unwritten(path, &error))?;
    Ok(true)
}

/// A line of a zone file (RFC 1035 section 5.1), in strings that a record can have.
fn zone_line(name: &str, record: &str) -> String {
    let strings: Vec<&str> =
        record.as_bytes().chunks(STRING_MAX).filter_map(|part| str::from_utf8(part).ok()).collect();
    format!("{name}. IN TXT ( \"{}\" )\n", strings.join("\"\n\t\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_of_strings_that_a_zone_can_have() {
        let record = "p".repeat(600);
        let line = zone_line("mail._domainkey.example.org", &record);
        let strings: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        assert_eq!(strings.concat(), record);
        assert!(strings.iter().all(|string| string.len() <= STRING_MAX));
        assert!(line.starts_with("mail._domainkey.example.org. IN TXT ( \"p") && line.ends_with("\" )\n"));
    }
}

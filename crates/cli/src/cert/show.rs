//! Showing what stands in certificates.

use super::unusable;
use jiff::{Timestamp, tz::TimeZone};
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    time::SystemTime,
};
use trenza::{Result, tls::Facts};

/// Prints the certificates of these files.
pub(super) fn show(files: &[PathBuf]) -> Result {
    let mut out = io::stdout().lock();
    for path in files {
        let pem = fs::read(path).map_err(|error| unusable(path, error))?;
        for (number, facts) in Facts::of_pem(&pem).map_err(|error| unusable(path, error))?.iter().enumerate()
        {
            let which = if number > 0 {
                format!(" (certificate {} of the chain)", number + 1)
            } else {
                String::new()
            };
            writeln!(out, "{}{which}", path.display())?;
            for line in lines(facts) {
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(())
}

/// The facts, a line each.
pub(super) fn lines(facts: &Facts) -> Vec<String> {
    let mut lines = vec![format!("  subject      {}", facts.subject)];
    if facts.issuer != facts.subject {
        lines.push(format!("  issuer       {}", facts.issuer));
    }
    if !facts.names.is_empty() {
        lines.push(format!("  for          {}", facts.names.join(", ")));
    }
    if facts.is_authority {
        lines.push("  may sign     others".into());
    }
    let state = match SystemTime::from(Timestamp::now()) {
        now if now < facts.from => " (not yet)",
        now if now > facts.until => " (expired)",
        _ => "",
    };
    lines.push(format!("  valid        {} to {}{state}", date(facts.from), date(facts.until)));
    lines.push(format!("  key          {}", facts.key));
    lines.push(format!("  SHA-256      {}", facts.fingerprint));
    lines
}

fn date(at: SystemTime) -> String {
    match Timestamp::try_from(at) {
        Ok(at) => at.to_zoned(TimeZone::UTC).date().to_string(),
        Err(_) => "a time that no calendar has".into(),
    }
}

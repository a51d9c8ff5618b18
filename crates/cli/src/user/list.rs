//! `trenza user list`.

use super::Of;
use crate::complaint::Complaint;
use serde_json::json;
use std::{
    io::{self, Write},
    sync::Arc,
};
use trenza::{
    Result,
    auth::{Account, AccountsFile, Mechanism, Mechanisms, Size},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    of: Of,
    /// As JSON: a list of objects
    #[arg(long)]
    json: bool,
}

/// Prints who there is.
pub(super) fn list(args: &Args) -> Result {
    let users = AccountsFile::toml(&args.of.file).map_err(|error| Complaint::accounts(&error, "--file"))?;
    let text = if args.json { as_json(&users.accounts()) } else { as_table(&users.accounts()) };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever has seen enough closes the pipe.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn as_json(accounts: &[(Arc<Account>, Mechanisms)]) -> String {
    let each = accounts.iter().map(|(account, mechanisms)| {
        json!({
            "name": account.name,
            "root": account.root,
            "rights": account.rights.to_string(),
            "quota": account.quota,
            "groups": account.groups,
            "mechanisms": mechanisms.iter().map(|mechanism| mechanism.to_string()).collect::<Vec<_>>(),
        })
    });
    format!("{:#}\n", each.collect::<serde_json::Value>())
}

fn as_table(accounts: &[(Arc<Account>, Mechanisms)]) -> String {
    let mut rows = vec![["NAME", "RIGHTS", "QUOTA", "ROOT", "LOGIN"].map(str::to_owned)];
    rows.extend(accounts.iter().map(|(account, mechanisms)| {
        let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let ways: Vec<String> = mechanisms.iter().map(short).collect();
        [
            account.name.clone(),
            account.rights.to_string(),
            or(account.quota.map(|quota| Size(quota).to_string())),
            or(account.root.as_ref().map(|root| root.to_string_lossy().escape_debug().to_string())),
            if ways.is_empty() { "-".to_owned() } else { ways.join(" ") },
        ]
    }));
    let wide =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..5).map(|column| wide(column).unwrap_or(0)).collect();
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

fn short(mechanism: Mechanism) -> String {
    match mechanism {
        Mechanism::ScramSha256 => "scram".to_owned(),
        other => other.to_string(),
    }
}

//! [`Site`]: the options that say whose mail it is, and where it is kept.

use super::super::domain;
use crate::{complaint::Complaint, terminal::warn};
use std::{fmt, path::PathBuf};
use trenza::{
    Result,
    auth::AccountsFile,
    mail::{
        local::{AliasesFile, Local},
        smtp::{Host, Mailbox, Recipient},
    },
};

/// The name of who looks after a server.
const POSTMASTER: &str = "postmaster";

#[derive(Debug, clap::Args)]
pub(super) struct Site {
    /// A domain whose mail is kept here. May be repeated
    #[arg(short, long, value_name = "DOMAIN", required = true, value_parser = domain)]
    domain: Vec<String>,

    /// The folder of the Maildirs: each account has one of its name in it
    #[arg(short, long, value_name = "DIR")]
    pub(super) maildir: PathBuf,

    /// The accounts, as `trenza user add` makes them: who has a mailbox, and who may send
    #[arg(short, long, value_name = "FILE")]
    pub(super) users: PathBuf,

    /// What the server calls itself: the name that others find its address by [default: the first domain]
    #[arg(long, value_name = "NAME", value_parser = domain)]
    hostname: Option<String>,

    /// What other names stand for, as aliases(5) has it. It is read again when it changes
    #[arg(short, long, value_name = "FILE")]
    aliases: Option<PathBuf>,

    /// The account or alias that gets what is for nobody else [default: it is refused]
    #[arg(long, value_name = "NAME")]
    catch_all: Option<String>,
}

/// Who has a mailbox, and how to look it up.
pub(super) struct Known {
    pub(super) accounts: AccountsFile,
    pub(super) local: Local,
}

impl Site {
    pub(super) fn hostname(&self) -> &str {
        self.hostname.as_ref().or_else(|| self.domain.first()).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn domains(&self) -> &[String] {
        &self.domain
    }

    pub(super) fn known(&self) -> Result<Known> {
        let accounts =
            AccountsFile::toml(&self.users).map_err(|error| Complaint::accounts(&error, "--users"))?;
        if accounts.is_empty() {
            warn(&format!("there is nobody in {} yet", self.users.display()));
        }
        let mut local = Local::new(self.domain.clone(), accounts.clone());
        if let Some(aliases) = &self.aliases {
            // As paths in the file are.
            let maildirs = std::path::absolute(&self.maildir)?;
            let aliases = AliasesFile::open(aliases, maildirs);
            local = local.aliases(aliases.map_err(|error| Complaint::aliases(&error))?);
        }
        if let Some(name) = &self.catch_all {
            if !self.stands_for(&local, name) {
                return Err(self.no_catch_all(name).into());
            }
            local = local.catch_all(name);
        }
        Ok(Known { accounts, local })
    }

    /// Whether a name is an account's, or an alias.
    fn stands_for(&self, local: &Local, name: &str) -> bool {
        let domain = self.domain.first().and_then(|domain| Host::parse(domain));
        let mailbox = domain.and_then(|domain| Mailbox::new(name, domain));
        mailbox.is_some_and(|mailbox| local.expand(&mailbox.into()).is_ok())
    }

    fn no_catch_all(&self, name: &str) -> Complaint {
        let users = self.users.display();
        Complaint::new(format!("nobody gets what is for nobody else: there is no account or alias {name:?}"))
            .remedy(format!(
                "`trenza user add {name} --file {users}` makes an account; --catch-all names another one"
            ))
    }

    /// Says it if nobody reads what is for the postmaster, whom others tell of trouble.
    pub(super) fn warn_of_postmaster(&self, known: &Known) {
        let own = known.local.expand(&Recipient::Postmaster);
        let kept = own.is_ok_and(|found| {
            found.maildirs.iter().any(|place| place.folder.as_bytes() == POSTMASTER.as_bytes())
        });
        if kept && known.accounts.account(POSTMASTER).is_none() {
            let folder = self.maildir.join(POSTMASTER);
            warn(&format!(
                "nobody is the postmaster: what others write to him is kept in {}; an alias `postmaster: NAME`, \
                 in the file of --aliases, brings it to somebody",
                folder.display()
            ));
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domains = self.domain.join(", ");
        write!(f, "{domains} as {}, for the accounts in {}", self.hostname(), self.users.display())
    }
}

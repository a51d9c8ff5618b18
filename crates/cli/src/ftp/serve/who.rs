//! [`Who`]: the options that say who may log in.

use crate::{complaint::Complaint, terminal::warn};
use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use trenza::{
    Result,
    auth::{Account, AccountsFile, Anonymous, Chain, FileError, Network, Portal, Rights, Throttle},
    ftp::Homes,
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who may come")]
pub(super) struct Who {
    /// The accounts, as `trenza user add` makes them
    #[arg(short, long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// Accounts as Apache's htpasswd writes them, with all rights in the whole folder; beside those of --users
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,

    /// Let in whoever calls himself anonymous or ftp, to look and read
    #[arg(long)]
    anonymous: bool,

    /// The folder that anonymous sees; a relative one lies in the folder that is served [default: all of that]
    #[arg(long, value_name = "DIR", requires = "anonymous")]
    anonymous_root: Option<PathBuf>,

    /// An address or NETWORK/BITS whose wrong passwords cost next to no time, as those of this machine do. May be
    /// repeated
    #[arg(long, value_name = "NET", value_parser = network)]
    trust: Vec<Network>,
}

impl Who {
    /// Where they log in.
    pub(super) fn portal(&self, root: &Path) -> Result<Portal<Homes>> {
        if !self.has_passwords() && !self.anonymous {
            return Err(nobody().into());
        }
        let (mut checkers, mut known) = (Chain::new(), Vec::new());
        type Open = fn(&Path) -> Result<AccountsFile, FileError>;
        let files: [(_, _, Open); 2] = [
            (&self.users, "--users", |path| AccountsFile::toml(path)),
            (&self.htpasswd, "--htpasswd", |path| AccountsFile::htpasswd(path)),
        ];
        for (path, option, open) in files {
            let Some(path) = path else { continue };
            let accounts = open(path).map_err(|error| Complaint::accounts(&error, option))?;
            if accounts.is_empty() {
                warn(&format!("there is nobody in {} yet", path.display()));
            }
            known.push(accounts.clone());
            checkers = checkers.with(accounts);
        }
        if self.anonymous {
            let mut account = Account::new("anonymous").rights(Rights::READ_ONLY);
            account.root.clone_from(&self.anonymous_root);
            checkers = checkers.with(Anonymous::with(account));
        }
        let throttle = Throttle::trusting(self.trust.clone());
        let homes = Homes::of_folder(root).counted_for(move |account| {
            let has_quota = |other: &Account| other.quota.is_some() && other.root == account.root;
            known.iter().any(|file| file.accounts().iter().any(|(other, _)| has_quota(other)))
        });
        Ok(Portal::shared("ftp", Arc::new(checkers), throttle, homes))
    }

    /// Somebody may have to tell a password.
    pub(super) fn has_passwords(&self) -> bool {
        self.users.is_some() || self.htpasswd.is_some()
    }

    /// The files that nobody may fetch.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.users, &self.htpasswd].into_iter().flatten().map(PathBuf::as_path)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.files().map(|path| path.display().to_string()).collect();
        match (files.is_empty(), self.anonymous) {
            (true, _) => f.write_str("everybody, for reading"),
            (false, false) => write!(f, "the accounts in {}", files.join(" and ")),
            (false, true) => write!(f, "the accounts in {}, and everybody for reading", files.join(" and ")),
        }
    }
}

fn nobody() -> Complaint {
    Complaint::new("nobody could log in: there is neither --users nor --anonymous").code(2).remedy(
        "`trenza user add NAME --file users.toml` makes an account, then --users users.toml; \
         --anonymous lets everybody read",
    )
}

/// A network, or an address that is one by itself.
fn network(text: &str) -> Result<Network, String> {
    let one = || text.parse::<IpAddr>().map(Network::from);
    let network = text.parse().ok().or_else(|| one().ok());
    network.ok_or_else(|| "an address or a network is wanted, like 192.0.2.7 or 10.0.0.0/8".into())
}

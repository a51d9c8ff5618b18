//! [`Local`]: what addresses of a server stand for.

use super::{AliasesFile, Directory, Target, aliases::Aliases};
use crate::{
    maildir::Place,
    smtp::{Code, Host, Mailbox, Rcpt, Recipient, Reply, Status},
};
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};
use trenza_auth::Account;
use trenza_storage::Path;

/// So many aliases may stand for one another.
pub const DEPTH_MAX: usize = 20;
/// So many aliases and addresses are looked at for one recipient.
pub const STEPS_MAX: usize = 20_000;
/// Who looks after a server, and can always be written to (RFC 5321 section 4.5.1).
const POSTMASTER: &str = "postmaster";

/// The domains of a server, who has a mailbox there, and what else addresses stand for. Clones are one, on other loops too.
///
/// An address is looked up as it is, then by its local part alone; first among the aliases, then as an account's name; then
/// the same without `+` and what stands behind it; what is found nowhere goes to the catch-all, if there is one. Case does
/// not matter to aliases; accounts are found by their names as they are and in lower case, so `ANN` is the account ann. The
/// postmaster has a Maildir of that name if he is nobody else. An account's Maildir is called like the account, and may hold
/// its [`quota`](Account::quota).
///
/// ```
/// use std::{collections::BTreeMap, sync::Arc};
/// use trenza_auth::Account;
/// use trenza_mail::{local::Local, smtp::Mailbox};
///
/// let ann = Arc::new(Account::new("ann"));
/// let local = Local::new(["example.org"], BTreeMap::from([("ann".to_owned(), ann)]));
/// let of = |text| local.expand(&Mailbox::parse(text).unwrap().into());
/// assert_eq!(of("Ann+lists@example.org")?.maildirs[0].folder.as_bytes(), b"ann");
/// assert_eq!(of("bob@example.org").unwrap_err().to_string(), "550 5.1.1 No such user here");
/// # Ok::<(), trenza_mail::smtp::Reply>(())
/// ```
#[derive(Debug, Clone)]
pub struct Local {
    domains: Arc<BTreeSet<String>>,
    directory: Arc<dyn Directory>,
    aliases: Option<AliasesFile>,
    catch_all: Option<Arc<str>>,
}

/// What a recipient stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expansion {
    /// Maildirs here, each once.
    pub maildirs: Vec<Place>,
    /// Addresses elsewhere, each once.
    pub elsewhere: Vec<Mailbox>,
    /// Messages are thrown away, besides.
    pub nobody: bool,
}

impl Expansion {
    fn is_empty(&self) -> bool {
        self.maildirs.is_empty() && self.elsewhere.is_empty() && !self.nobody
    }
}

impl Local {
    /// A server's domains, and who has an account there.
    pub fn new<D: Into<String>>(domains: impl IntoIterator<Item = D>, directory: impl Directory) -> Self {
        let domains = domains.into_iter().map(|domain| domain.into().to_ascii_lowercase()).collect();
        Self { domains: Arc::new(domains), directory: Arc::new(directory), aliases: None, catch_all: None }
    }

    /// With aliases.
    #[must_use]
    pub fn aliases(self, aliases: AliasesFile) -> Self {
        Self { aliases: Some(aliases), ..self }
    }

    /// Who gets what is for nobody else: an account or alias.
    #[must_use]
    pub fn catch_all(self, name: &str) -> Self {
        Self { catch_all: Some(name.into()), ..self }
    }

    /// An account's Maildir; None: no folder can be called like it.
    pub fn maildir(account: &Account) -> Option<Place> {
        // A name with a slash in it would be in somebody else's.
        let folder = Path::root().join(&account.name).ok()?;
        Some(Place { folder, quota: account.quota })
    }

    /// Whether an address is one of this server's: of one of its domains, or of the address by which a client has
    /// reached it (RFC 5321 section 4.1.3).
    pub fn is_own(&self, to: &Recipient, reached_by: Option<IpAddr>) -> bool {
        match to {
            Recipient::Postmaster => true,
            Recipient::Mailbox(mailbox) => match mailbox.host() {
                Host::Domain(domain) => self.domains.contains(domain),
                Host::Address(ip) => reached_by.is_some_and(|own| own.to_canonical() == ip.to_canonical()),
                Host::Literal(_) => false,
            },
        }
    }

    /// One of its own recipients, as he is called where nobody knows by which address the client has reached it: an address
    /// in brackets becomes one of the server's domains.
    pub(super) fn known_as(&self, rcpt: &Rcpt) -> Rcpt {
        let mailbox = rcpt.to.mailbox().filter(|mailbox| mailbox.host().domain().is_none());
        let domain = self.domains.first().map(|domain| Host::Domain(domain.clone()));
        let named = mailbox.zip(domain).and_then(|(mailbox, domain)| Mailbox::new(mailbox.local(), domain));
        Rcpt { to: named.map_or_else(|| rcpt.to.clone(), Recipient::from), ..rcpt.clone() }
    }

    /// Looks what has changed in accounts and aliases. This blocks.
    pub fn look(&self) {
        self.directory.look();
        if let Some(aliases) = &self.aliases {
            aliases.look();
        }
    }

    /// What an address of this server stands for.
    ///
    /// # Errors
    /// Nobody has it (550), it goes in circles (554), or too far (451). Of an alias that stands for several only what is
    /// right counts, and the rest is warned of.
    pub fn expand(&self, to: &Recipient) -> Result<Expansion, Reply> {
        let (local, domain) = match to {
            Recipient::Postmaster => (POSTMASTER, None),
            Recipient::Mailbox(mailbox) => (mailbox.local(), mailbox.host().domain()),
        };
        let aliases = self.aliases.as_ref().map(AliasesFile::aliases).unwrap_or_default();
        let mut search = Search {
            local: self,
            aliases: &aliases,
            chain: Vec::new(),
            steps: 0,
            folders: BTreeSet::new(),
            others: BTreeSet::new(),
        };
        let mut found = Expansion::default();
        match search.name(local, domain, &mut found) {
            Err(reply) if reply == nobody() => self.left(&mut search, local, &mut found)?,
            done => done?,
        }
        Ok(found)
    }

    /// Whether an account may send as this: the address is its name, or brings messages to its own Maildir.
    pub fn owns(&self, account: &Account, sender: &Mailbox) -> bool {
        if Mailbox::parse(&account.name).is_some_and(|own| own == *sender) {
            return true;
        }
        let (to, own) = (Recipient::from(sender.clone()), Self::maildir(account));
        let is_there = |found: Expansion| {
            own.is_some_and(|own| found.maildirs.iter().any(|place| place.folder == own.folder))
        };
        self.is_own(&to, None) && self.expand(&to).is_ok_and(is_there)
    }

    /// Who gets what nobody has.
    fn left(&self, search: &mut Search<'_>, local: &str, found: &mut Expansion) -> Result<(), Reply> {
        if let Some(name) = &self.catch_all
            && search.name(name, None, found).is_ok()
        {
            return Ok(());
        }
        let is_postmaster = local.eq_ignore_ascii_case(POSTMASTER);
        let folder = Path::new(POSTMASTER).ok().filter(|_| is_postmaster).ok_or_else(nobody)?;
        search.add_maildir(folder.into(), found);
        Ok(())
    }
}

/// A look for what a recipient stands for.
struct Search<'a> {
    local: &'a Local,
    aliases: &'a Aliases,
    /// The aliases that are being looked into.
    chain: Vec<String>,
    steps: usize,
    /// What was found already: a list may be long.
    folders: BTreeSet<Path>,
    others: BTreeSet<Mailbox>,
}

impl Search<'_> {
    fn add_maildir(&mut self, place: Place, found: &mut Expansion) {
        if self.folders.insert(place.folder.clone()) {
            found.maildirs.push(place);
        }
    }

    fn add_elsewhere(&mut self, mailbox: &Mailbox, found: &mut Expansion) {
        if self.others.insert(mailbox.clone()) {
            found.elsewhere.push(mailbox.clone());
        }
    }

    /// Adds what a name stands for.
    fn name(&mut self, local: &str, domain: Option<&str>, found: &mut Expansion) -> Result<(), Reply> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            tracing::error!(name = local, "an alias stands for too many others");
            return Err(Reply::new(
                Code::LOCAL_ERROR,
                Status::LOCAL_ERROR,
                "The address stands for too many",
            ));
        }
        let mut circles = false;
        let detailed = local.split_once('+').map(|(base, _)| base).filter(|base| !base.is_empty());
        for name in [Some(local), detailed].into_iter().flatten() {
            for at in [domain, None].into_iter().take(if domain.is_some() { 2 } else { 1 }) {
                let key = named(&name.to_lowercase(), at);
                if self.chain.contains(&key) {
                    circles = true;
                } else if let Some(targets) = self.aliases.get(&key) {
                    return self.alias(key, targets, domain, found);
                }
                let account = self.local.account(&named(name, at)).or_else(|| self.local.account(&key));
                if let Some(account) = account {
                    self.add_maildir(Local::maildir(&account).ok_or_else(nobody)?, found);
                    return Ok(());
                }
            }
        }
        Err(if circles { in_circles() } else { nobody() })
    }

    fn alias(
        &mut self,
        key: String,
        targets: &[Target],
        domain: Option<&str>,
        found: &mut Expansion,
    ) -> Result<(), Reply> {
        if self.chain.len() >= DEPTH_MAX {
            return Err(in_circles());
        }
        self.chain.push(key);
        let mut wrong = None;
        for target in targets {
            match self.target(target, domain, found) {
                Err(reply) if reply.code().is_permanent() => {
                    wrong.get_or_insert(reply);
                }
                done => done?,
            }
        }
        let alias = self.chain.pop();
        match wrong {
            Some(reply) if found.is_empty() => Err(reply),
            Some(reply) => {
                tracing::warn!(?alias, %reply, "a part of an alias leads nowhere");
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn target(&mut self, target: &Target, domain: Option<&str>, found: &mut Expansion) -> Result<(), Reply> {
        match target {
            Target::Name(name) => self.name(name, domain, found),
            Target::Account(name) => {
                let account = self.local.account(name).ok_or_else(nobody)?;
                self.add_maildir(Local::maildir(&account).ok_or_else(nobody)?, found);
                Ok(())
            }
            Target::Address(mailbox) => match mailbox.host().domain() {
                Some(own) if self.local.domains.contains(own) => self.name(mailbox.local(), Some(own), found),
                _ => {
                    self.add_elsewhere(mailbox, found);
                    Ok(())
                }
            },
            Target::Maildir(folder) => {
                self.add_maildir(folder.clone().into(), found);
                Ok(())
            }
            Target::Nobody => {
                found.nobody = true;
                Ok(())
            }
        }
    }
}

impl Local {
    fn account(&self, name: &str) -> Option<Arc<Account>> {
        self.directory.account(name)
    }
}

/// A name, in a domain or in all.
fn named(name: &str, domain: Option<&str>) -> String {
    domain.map_or_else(|| name.to_owned(), |domain| format!("{name}@{domain}"))
}

fn nobody() -> Reply {
    Reply::new(Code::REFUSED, Status::NO_MAILBOX, "No such user here")
}

fn in_circles() -> Reply {
    Reply::new(Code::FAILED, Status::LOOP, "The address goes in circles")
}

//! [`Checking`]: the options that say what is found out of messages, and which are signed.

use super::{super::domain, names::Dns};
use crate::{complaint::Complaint, terminal::warn};
use clap::ValueEnum;
use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, rc::Rc, str::FromStr};
use trenza::{
    Reactor, Result,
    mail::{
        checks::{Checked, Checks, DkimSigner, Signed, SigningKey, Spool},
        smtp::server::Delivery,
    },
    storage::{Path, Storage, Tree},
};

/// Where messages wait until they were checked or signed, in the folder of the Maildirs.
const WAITING: &str = ".waiting";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Checks")]
pub(super) struct Checking {
    /// What SPF, DKIM and DMARC say of what others send is told in the field Authentication-Results, or refused, too
    #[arg(long, value_name = "HOW", default_value = "tell")]
    check: Check,

    /// Sign what accounts send for a domain, and those below it, with the key in a file of PEM; `trenza mail dkim` makes one.
    /// May be repeated, for one domain too
    #[arg(long, value_name = "DOMAIN=SELECTOR:FILE")]
    dkim: Vec<Dkim>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    /// Everything is taken, also while the DNS does not answer
    Tell,
    /// What the domain of its author wants to be refused (DMARC: p=reject) is refused with 550; while the DNS does not say
    /// so, it is to come again
    Refuse,
    /// The DNS is not asked
    Off,
}

/// A key, and whose it is.
#[derive(Debug, Clone)]
struct Dkim {
    domain: String,
    selector: String,
    file: PathBuf,
}

impl FromStr for Dkim {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('=').and_then(|(of, key)| Some((of, key.split_once(':')?)));
        let parts = parts.filter(|(_, (_, file))| !file.is_empty());
        let (of, (selector, file)) =
            parts.ok_or("it is written DOMAIN=SELECTOR:FILE, as example.org=mail:key.pem")?;
        let name = |text| domain(text).map_err(|_| "domain and selector are names of the DNS");
        Ok(Self { domain: name(of)?, selector: name(selector)?, file: file.into() })
    }
}

impl Checking {
    /// Who signs, for all loops. It blocks.
    pub(super) fn signers(&self, domains: &[String]) -> Result<Vec<DkimSigner>> {
        self.dkim.iter().map(|dkim| dkim.signer(domains)).collect()
    }

    /// Makes room for what is checked. It blocks, and is for a program that is about to begin.
    pub(super) fn prepare(&self, tree: &dyn Tree) -> Result {
        if self.check == Check::Off && self.dkim.is_empty() {
            return Ok(());
        }
        let cleared = Spool::clear(tree, &Path::new(WAITING)?);
        Ok(cleared.map_err(|error| {
            Complaint::new(format!("messages cannot wait in {WAITING} of --maildir to be checked: {error}"))
                .remedy("it is a folder of the server's own, which may write to it")
        })?)
    }

    /// Checks and signs, on a loop, what `delivery` gets.
    pub(super) fn before(
        &self,
        delivery: impl Delivery,
        reactor: &Reactor,
        hostname: &str,
        signers: &[DkimSigner],
        (dns, storage): (Dns, &Storage),
    ) -> Result<Rc<dyn Delivery>> {
        let spool = Spool::new(storage, Path::new(WAITING)?);
        let mut delivery: Rc<dyn Delivery> = Rc::new(delivery);
        if !signers.is_empty() {
            delivery = Rc::new(Signed::new(reactor, signers.iter().cloned(), spool.clone(), delivery));
        }
        let checked = |delivery| Checked::new(Checks::new(reactor, dns, hostname), spool, delivery);
        Ok(match self.check {
            Check::Off => delivery,
            Check::Tell => Rc::new(checked(delivery).only_told()),
            Check::Refuse => Rc::new(checked(delivery)),
        })
    }
}

/// Says it of keys that nobody can verify with, when the DNS has answered.
pub(super) fn warn_of_records(reactor: &Reactor, dns: Dns, signers: &[DkimSigner]) {
    let signers = signers.to_vec();
    let asked = reactor.spawn(async move {
        for signer in signers {
            match signer.is_published(&dns).await {
                Ok(true) => {}
                Ok(false) => warn(&format!(
                    "what is signed for {} is worth nothing yet: the DNS does not have the key's record at {}, which \
                     `trenza mail dkim` prints",
                    signer.domain(),
                    signer.record_name()
                )),
                Err(error) => tracing::debug!(%error, name = signer.record_name(), "whether a key is known is not known"),
            }
        }
        Ok(())
    });
    asked.detach();
}

impl Dkim {
    fn signer(&self, domains: &[String]) -> Result<DkimSigner> {
        let Self { domain, selector, file } = self;
        let is_below = |own: &String| {
            own.strip_suffix(domain.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        if !domains.iter().any(is_below) {
            let what = format!("--dkim {domain}={selector}: no account sends for {domain}");
            let remedy = format!("--domain {domain} receives for it, too; without it leave the key out");
            return Err(Complaint::new(what).code(2).remedy(remedy).into());
        }
        let unusable = |why: &dyn std::fmt::Display| {
            Complaint::file(file, &why.to_string()).remedy(format!(
                "`trenza mail dkim {domain} --selector {selector}` makes a key, and prints the record of the DNS"
            ))
        };
        let pem = fs::read_to_string(file).map_err(|error| unusable(&error))?;
        let key = SigningKey::from_pem(&pem).map_err(|error| unusable(&error))?;
        if fs::metadata(file).is_ok_and(|facts| facts.mode() & 0o007 != 0) {
            let shown = file.display();
            warn(&format!("everybody on this machine can sign with {shown}: `chmod o= {shown}` ends that"));
        }
        Ok(DkimSigner::new(domain, selector, key))
    }
}

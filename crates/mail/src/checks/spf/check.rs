//! [`check`]: the function check_host() of RFC 7208 section 4.

use super::{
    Spf, SpfQuery, SpfResult,
    macros::{Place, Spec, Values},
    record::{Directive, Mechanism, Record, in_network},
};
use crate::checks::{Names, NoAnswer};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    net::IpAddr,
    pin::Pin,
};

/// How many terms of a check may ask DNS (RFC 7208 section 4.6.4); one more is a permerror.
pub const LOOKUPS_MAX: usize = 10;
/// How many of the names that terms ask for may not exist; one more is a permerror.
pub const VOID_LOOKUPS_MAX: usize = 2;
/// How many names of an `mx` or `ptr` are looked up: one more `mx` is a permerror, more of `ptr` are left out.
pub const NAMES_MAX: usize = 10;

/// How long labels of a name may be.
const LABEL_MAX: usize = 63;

/// Checks whether a host may send for a domain.
///
/// ```
/// # use trenza_mail::checks::{Names, SpfQuery, SpfResult, spf};
/// # async fn see(names: &impl Names) {
/// let query = SpfQuery {
///     ip: [192, 0, 2, 1].into(),
///     helo: "mail.example.org",
///     sender: "ann@example.org",
///     receiver: "mx.example.com",
///     now: std::time::UNIX_EPOCH,
/// };
/// if spf::check(names, &query).await.result == SpfResult::Fail {
///     println!("the domain says that this host does not send for it");
/// }
/// # }
/// ```
pub async fn check(names: &dyn Names, query: &SpfQuery<'_>) -> Spf {
    let is_helo = query.sender.is_empty();
    let (local, domain) = match query.sender.rsplit_once('@') {
        Some(("", domain)) => ("postmaster", domain),
        Some((local, domain)) => (local, domain),
        None if is_helo => ("postmaster", query.helo),
        None => ("postmaster", query.sender),
    };
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let mut spf =
        Spf { result: SpfResult::None, domain: domain.to_owned(), is_helo, explanation: None, problem: None };
    if !is_domain(domain) {
        return spf;
    }
    let ip = query.ip.to_canonical();
    let check = Check {
        names,
        query,
        ip,
        local,
        sender_domain: domain,
        lookups: Cell::new(0),
        voids: Cell::new(0),
        validated: RefCell::new(None),
    };
    match check.of_domain(domain.to_owned()).await {
        Ok(Matched { result, explanation }) => {
            spf.result = result;
            if let Some((domain, spec)) = explanation.filter(|_| result == SpfResult::Fail) {
                spf.explanation = check.explanation(&domain, &spec).await;
            }
        }
        Err(Stop(result, problem)) => {
            spf.result = result;
            spf.problem = Some(problem);
        }
    }
    spf
}

/// Whether it is a name of several labels that DNS could know.
fn is_domain(name: &str) -> bool {
    let labels = || name.split('.');
    // `[192.0.2.1]` is no name.
    !name.starts_with('[')
        && name.len() <= 253
        && labels().count() > 1
        && labels().all(|label| (1..=LABEL_MAX).contains(&label.len()))
}

/// What a record says, and where its explanation is: whose it is and its name.
struct Matched {
    result: SpfResult,
    explanation: Option<(String, Spec)>,
}

/// The check ends with this result, and why.
struct Stop(SpfResult, String);

impl Stop {
    fn permanent(problem: impl Into<String>) -> Self {
        Self(SpfResult::PermError, problem.into())
    }
}

/// A check under way, with all that it includes.
struct Check<'a> {
    names: &'a dyn Names,
    query: &'a SpfQuery<'a>,
    ip: IpAddr,
    local: &'a str,
    sender_domain: &'a str,
    lookups: Cell<usize>,
    voids: Cell<usize>,
    /// The names of the client that are its own, once somebody has asked.
    validated: RefCell<Option<Vec<String>>>,
}

type Checked<'a> = Pin<Box<dyn Future<Output = Result<Matched, Stop>> + 'a>>;

impl Check<'_> {
    /// What the record of a domain says. Records lead to each other at most as often as they may ask DNS.
    fn of_domain(&self, domain: String) -> Checked<'_> {
        Box::pin(async move {
            let Some(record) = self.record(&domain).await? else {
                return Ok(Matched { result: SpfResult::None, explanation: None });
            };
            for Directive { result, mechanism } in &record.directives {
                if self.matches(mechanism, &domain).await? {
                    let explanation = record.explanation.map(|spec| (domain, spec));
                    return Ok(Matched { result: *result, explanation });
                }
            }
            let Some(redirect) = &record.redirect else {
                return Ok(Matched { result: SpfResult::Neutral, explanation: None });
            };
            self.count()?;
            let to = self.name(redirect, &domain).await;
            let matched = self.of_domain(to.clone()).await?;
            match matched.result {
                SpfResult::None => {
                    Err(Stop::permanent(format!("{domain} redirects to {to}, which has no record")))
                }
                _ => Ok(matched),
            }
        })
    }

    /// The record of a domain, if it has one.
    async fn record(&self, domain: &str) -> Result<Option<Record>, Stop> {
        let texts = match self.names.txt(domain).await {
            Ok(texts) => texts,
            Err(NoAnswer::None) => return Ok(None),
            Err(NoAnswer::Failed(why)) => return Err(Stop(SpfResult::TempError, why)),
        };
        let mut records = texts.iter().filter_map(|text| Record::body(text));
        match (records.next(), records.next()) {
            (None, _) => Ok(None),
            (Some(body), None) => Record::parse(body)
                .map(Some)
                .map_err(|what| Stop::permanent(format!("record of {domain}: {what}"))),
            _ => Err(Stop::permanent(format!("{domain} has several records"))),
        }
    }

    async fn matches(&self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => return Ok(true),
            Mechanism::Ip(ip, bits) => return Ok(in_network(self.ip, *ip, *bits)),
            _ => self.count()?,
        }
        let target = match mechanism {
            Mechanism::Include(spec) | Mechanism::Exists(spec) => self.name(spec, domain).await,
            Mechanism::A(Some(spec), _) | Mechanism::Mx(Some(spec), _) | Mechanism::Ptr(Some(spec)) => {
                self.name(spec, domain).await
            }
            _ => domain.to_owned(),
        };
        match mechanism {
            Mechanism::Include(_) => self.includes(target).await,
            Mechanism::A(_, prefixes) => {
                let ips = self.some(self.names.ips(&target, self.ip).await)?;
                Ok(ips.iter().any(|ip| prefixes.hold(self.ip, *ip)))
            }
            Mechanism::Mx(_, prefixes) => {
                let hosts = self.some(self.names.mx(&target).await)?;
                if hosts.len() > NAMES_MAX {
                    return Err(Stop::permanent(format!("{target} has over {NAMES_MAX} mail servers")));
                }
                for host in hosts {
                    // Hosts of one family only are usual, so these do not count as void.
                    let ips = self.any(self.names.ips(&host, self.ip).await)?;
                    if ips.iter().any(|ip| prefixes.hold(self.ip, *ip)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Mechanism::Ptr(_) => {
                let validated = self.validated().await?;
                Ok(validated.iter().any(|name| is_within(name, &target)))
            }
            // Also for clients of IPv6 there must be an A record.
            Mechanism::Exists(_) => {
                Ok(!self.some(self.names.ips(&target, [0, 0, 0, 0].into()).await)?.is_empty())
            }
            Mechanism::All | Mechanism::Ip(..) => Ok(false),
        }
    }

    /// RFC 7208 section 5.2.
    async fn includes(&self, target: String) -> Result<bool, Stop> {
        let matched = self.of_domain(target.clone()).await?;
        match matched.result {
            SpfResult::Pass => Ok(true),
            SpfResult::None => Err(Stop::permanent(format!("{target} is included and has no record"))),
            _ => Ok(false),
        }
    }

    /// The names of the client that are its own: they lead back to its address.
    async fn validated(&self) -> Result<Vec<String>, Stop> {
        if let Some(known) = &*self.validated.borrow() {
            return Ok(known.clone());
        }
        let validated = self.validate().await?;
        *self.validated.borrow_mut() = Some(validated.clone());
        Ok(validated)
    }

    async fn validate(&self) -> Result<Vec<String>, Stop> {
        // An error of DNS is no match here (RFC 7208 section 5.5); that there is no name counts as void.
        let names = match self.names.ptr(self.ip).await {
            Ok(names) => names,
            Err(NoAnswer::None) => {
                self.void()?;
                return Ok(Vec::new());
            }
            Err(NoAnswer::Failed(_)) => return Ok(Vec::new()),
        };
        let mut validated = Vec::new();
        for name in names.into_iter().take(NAMES_MAX) {
            if self.names.ips(&name, self.ip).await.is_ok_and(|ips| ips.contains(&self.ip)) {
                validated.push(name);
            }
        }
        Ok(validated)
    }

    /// The name that the macro `p` stands for: the domain itself rather than one in it, rather than any.
    async fn validated_name(&self, domain: &str) -> String {
        let names = self.validated().await.unwrap_or_default();
        let same = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
        let best =
            same.or_else(|| names.iter().find(|name| is_within(name, domain))).or_else(|| names.first());
        best.cloned().unwrap_or_else(|| "unknown".into())
    }

    async fn values<'b>(&'b self, spec: &Spec, domain: &'b str, validated: &'b mut String) -> Values<'b> {
        if spec.wants_validated() {
            *validated = self.validated_name(domain).await;
        }
        Values {
            local: self.local,
            sender_domain: self.sender_domain,
            domain,
            ip: self.ip,
            helo: self.query.helo,
            receiver: self.query.receiver,
            now: self.query.now,
            validated,
        }
    }

    async fn name(&self, spec: &Spec, domain: &str) -> String {
        let mut validated = String::new();
        spec.name(&self.values(spec, domain, &mut validated).await)
    }

    /// What the domain has to say to those whom it does not know (RFC 7208 section 6.2); of what is wrong with it nobody
    /// needs to hear.
    async fn explanation(&self, domain: &str, spec: &Spec) -> Option<String> {
        let texts = self.names.txt(&self.name(spec, domain).await).await.ok()?;
        let [text] = &texts[..] else { return None };
        let text = std::str::from_utf8(text).ok()?;
        let spec = Spec::parse(text, Place::Explanation)?;
        let mut validated = String::new();
        let text = spec.expand(&self.values(&spec, domain, &mut validated).await);
        text.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then_some(text)
    }

    /// The records, if there are any; that there are none counts as void.
    fn some<T>(&self, answer: Result<Vec<T>, NoAnswer>) -> Result<Vec<T>, Stop> {
        if answer.as_ref().err() == Some(&NoAnswer::None) {
            self.void()?;
        }
        self.any(answer)
    }

    fn any<T>(&self, answer: Result<Vec<T>, NoAnswer>) -> Result<Vec<T>, Stop> {
        match answer {
            Ok(records) => Ok(records),
            Err(NoAnswer::None) => Ok(Vec::new()),
            Err(NoAnswer::Failed(why)) => Err(Stop(SpfResult::TempError, why)),
        }
    }

    fn count(&self) -> Result<(), Stop> {
        self.lookups.set(self.lookups.get() + 1);
        let over = self.lookups.get() > LOOKUPS_MAX;
        if over { Err(Stop::permanent(format!("over {LOOKUPS_MAX} terms ask DNS"))) } else { Ok(()) }
    }

    fn void(&self) -> Result<(), Stop> {
        self.voids.set(self.voids.get() + 1);
        let over = self.voids.get() > VOID_LOOKUPS_MAX;
        if over {
            Err(Stop::permanent(format!("over {VOID_LOOKUPS_MAX} names do not exist")))
        } else {
            Ok(())
        }
    }
}

/// Whether a name is that of a domain, or of something in it.
fn is_within(name: &str, domain: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.len().checked_sub(domain.len()).map(|at| name.split_at_checked(at)) {
        Some(Some((before, end))) => {
            end.eq_ignore_ascii_case(domain) && (before.is_empty() || before.ends_with('.'))
        }
        _ => false,
    }
}

//! [`MailHosts`]: who receives mail for a domain, as the DNS says.

use crate::{
    dns::{Error, ErrorKind, Resolver},
    mail::smtp::client::{Looking, Mx, NameError, Names},
};
use std::net::IpAddr;

/// Who receives mail for a domain, and where, as the DNS says: what a [`Remote`](crate::mail::smtp::client::Remote) is
/// given by [`names`](crate::mail::smtp::client::Remote::names).
#[derive(Clone)]
pub struct MailHosts(Resolver);

impl MailHosts {
    /// By this resolver.
    pub fn new(resolver: Resolver) -> Self {
        Self(resolver)
    }
}

impl std::fmt::Debug for MailHosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailHosts")
    }
}

impl Names for MailHosts {
    fn mx(&self, domain: &str) -> Looking<Vec<Mx>> {
        let (resolver, domain) = (self.0.clone(), domain.to_owned());
        Box::pin(async move {
            let found = resolver.mx(&domain).await;
            let found = known(found)?;
            Ok(found.into_iter().map(|mx| Mx { preference: mx.preference, host: mx.exchange }).collect())
        })
    }

    fn addresses(&self, host: &str) -> Looking<Vec<IpAddr>> {
        let (resolver, host) = (self.0.clone(), host.to_owned());
        Box::pin(async move { known(resolver.addresses(&host).await) })
    }
}

/// What was found; nothing, where the name has no such record.
fn known<T>(found: Result<Vec<T>, Error>) -> Result<Vec<T>, NameError> {
    match found {
        Ok(found) => Ok(found),
        Err(error) => match error.kind {
            ErrorKind::NoData => Ok(Vec::new()),
            ErrorKind::NoName | ErrorKind::BadName(_) => Err(NameError::Unknown),
            _ => Err(NameError::Failed(error.to_string())),
        },
    }
}

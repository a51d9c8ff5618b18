//! [`Way`]: where `--relay` and `--route` lead, with which TLS, and as whom.

use super::{
    super::domain,
    logins::{Login, Logins},
};
use crate::{
    complaint::Complaint,
    endpoint::{host_and_port, parts},
};
use std::fs;
use trenza::{
    Endpoint, IntoEndpoint, Result,
    mail::smtp::client::{ClientOptions, Route},
    tls::{ClientTls, ClientTlsTo, Trust},
};

/// What stands before a host and port where TLS must begin by STARTTLS.
const STARTTLS: &str = "starttls:";
/// Its options that say whom to trust; others are those of `tcp`.
const TRUST: [&str; 2] = ["ca=", "server-name="];

/// How the mail for a domain goes.
pub(super) struct Way<'a> {
    /// The option, and what was said to it.
    option: &'static str,
    text: &'a str,
    /// `*`: for all.
    domain: &'a str,
    endpoint: &'a str,
}

impl<'a> Way<'a> {
    pub(super) fn of_relay(text: &'a str) -> Self {
        Self { option: "--relay", text, domain: "*", endpoint: text }
    }

    pub(super) fn of_route(text: &'a str) -> Result<Self> {
        let option = "--route";
        let split = text.split_once('=').filter(|(of, _)| *of == "*" || domain(of).is_ok());
        let (domain, endpoint) = split.ok_or_else(|| {
            let what = "it is written DOMAIN=ENDPOINT, as example.net=tcp:10.0.0.1:25";
            Complaint::new(format!("{option} {text}: {what}")).code(2)
        })?;
        Ok(Self { option, text, domain, endpoint })
    }

    /// The login that its server asks for.
    pub(super) fn login<'l>(&self, logins: &'l Logins) -> Option<&'l Login> {
        logins.of(self.endpoint, host_and_port(&self.plain()))
    }

    /// As a route: with TLS where the server has it, or none; with TLS that is verified where it is asked for or a password
    /// goes over it. `anybody` trusts anybody.
    pub(super) fn route(&self, logins: &Logins, anybody: &ClientTls) -> Result<Route> {
        let (plain, login) = (self.plain(), self.login(logins));
        let endpoint = plain.as_str().into_endpoint().map_err(|error| self.wrong(&error))?;
        let host = plain.strip_prefix("tcp:").and_then(|_| host_and_port(&plain)).map(|(host, _)| host);
        let is_required = self.endpoint.starts_with(STARTTLS);
        let guarded = login.is_some_and(|login| !login.allow_plain_auth);
        let mut options = ClientOptions::new();
        match host {
            Some(host) if is_required || guarded => options = options.starttls(self.tls_to(host)?),
            None if is_required => return Err(self.wrong(&"it is written starttls:HOST:PORT").into()),
            // What is no name for TLS goes without.
            Some(host) => {
                options = anybody.to(host).into_iter().fold(options, ClientOptions::opportunistic_tls)
            }
            None => {}
        }
        if let Some(login) = login {
            options = login.apply(options);
        }
        Ok(Route::new(self.domain, endpoint, options))
    }

    /// The endpoint over which STARTTLS begins, for `starttls:`; any other as it is.
    fn plain(&self) -> String {
        let Some(rest) = self.endpoint.strip_prefix(STARTTLS) else { return self.endpoint.to_owned() };
        let kept =
            parts(rest).into_iter().filter(|part| !TRUST.iter().any(|option| part.starts_with(option)));
        format!("tcp:{}", kept.collect::<Vec<_>>().join(":"))
    }

    /// TLS to a server whose certificate is verified.
    fn tls_to(&self, host: &str) -> Result<ClientTlsTo> {
        let said: Endpoint = self.endpoint.into_endpoint().map_err(|error| self.wrong(&error))?;
        let own = |name| {
            said.parsed().filter(|parsed| parsed.kind() == "starttls").and_then(|said| said.option(name))
        };
        let unusable = |why: &dyn std::fmt::Display| {
            let what = format!("nobody can be connected to by {} {}: {why}", self.option, self.text);
            Complaint::new(what).remedy("ca=FILE has the certificate of who has signed the server's, in PEM")
        };
        let trust = match own("ca") {
            Some(file) => Trust::Ca(fs::read(file).map_err(|error| unusable(&format!("{file}: {error}")))?),
            None => Trust::Platform,
        };
        let tls = ClientTls::new().trust(trust).build().map_err(|error| unusable(&error))?;
        Ok(tls.to(own("server-name").unwrap_or(host)).map_err(|error| unusable(&error))?)
    }

    pub(super) fn wrong(&self, why: &dyn std::fmt::Display) -> Complaint {
        Complaint::new(format!("{} {}: {why}", self.option, self.text)).code(2)
    }
}

//! [`Route`]: where the mail for a domain goes, instead of where the DNS says.

use super::super::ClientOptions;
use trenza_core::{ConnectTo, Endpoint, IntoEndpoint, Reactor};

/// Where the mail for a domain goes: to a smarthost, a server of LMTP, whatever an endpoint can name.
#[derive(Debug, Clone)]
pub struct Route {
    /// None: all domains that have no route of their own.
    domain: Option<String>,
    pub(super) endpoint: Endpoint,
    pub(super) options: ClientOptions,
}

/// A route that cannot be one.
#[derive(Debug, thiserror::Error)]
#[error("the route {text:?}: {why}")]
pub struct RouteError {
    text: String,
    why: String,
}

impl Route {
    /// For a domain, in lower case; `*`: for all that have no route of their own.
    pub fn new(domain: &str, endpoint: Endpoint, options: ClientOptions) -> Self {
        let domain = Some(domain.to_ascii_lowercase()).filter(|domain| domain != "*");
        Self { domain, endpoint, options }
    }

    /// Reads `DOMAIN=ENDPOINT`, or `*=ENDPOINT`.
    ///
    /// # Errors
    /// There is no `=`, or the endpoint cannot be read.
    pub fn parse(text: &str, options: ClientOptions) -> Result<Self, RouteError> {
        let wrong = |why: String| RouteError { text: text.to_owned(), why };
        let split = text.split_once('=').filter(|(domain, _)| !domain.is_empty() && !domain.contains(':'));
        let (domain, endpoint) = split
            .ok_or_else(|| wrong("it is written DOMAIN=ENDPOINT, as example.org=tcp:10.0.0.1:25".into()))?;
        let endpoint = endpoint.into_endpoint().map_err(|error| wrong(error.to_string()))?;
        Ok(Self::new(domain, endpoint, options))
    }

    /// Looks whether its endpoint makes sense for a client, the files that it names left out.
    ///
    /// # Errors
    /// It is of a kind that is not known or cannot be connected to, as a stream of bytes.
    pub fn check(&self, reactor: &Reactor) -> Result<(), RouteError> {
        let text = self.endpoint.to_string();
        match self.endpoint.connecting(reactor).map(|connecting| connecting.to) {
            Ok(ConnectTo::Datagrams { .. } | ConnectTo::UnixDatagrams(_)) => {
                Err(RouteError { text, why: "datagrams carry no mail".into() })
            }
            Ok(_) => Ok(()),
            Err(error) => Err(RouteError { text, why: error.to_string() }),
        }
    }

    /// Whether it is for this domain.
    pub(super) fn is_for(&self, domain: &str) -> bool {
        self.domain.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(domain))
    }

    /// Whether it is for all that have none.
    pub(super) fn is_for_all(&self) -> bool {
        self.domain.is_none()
    }
}

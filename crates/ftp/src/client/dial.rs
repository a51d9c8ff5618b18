//! [`Dial`]: a server and an account on it, to be connected to as often as needed.

use super::{Client, ClientError, ClientOptions};
use crate::command::Secret;
use trenza_core::{Endpoint, IntoEndpoint, Result as CoreResult};

/// A server and an account on it: what parallel and repeated connections are made from.
#[derive(Debug, Clone)]
pub struct Dial {
    endpoint: Endpoint,
    options: ClientOptions,
    user: Vec<u8>,
    password: Secret,
    folder: Option<Vec<u8>>,
}

impl Dial {
    /// To a server, as the user `anonymous`.
    ///
    /// # Errors
    /// The endpoint cannot be taken apart.
    pub fn new(to: impl IntoEndpoint, options: ClientOptions) -> CoreResult<Self> {
        Ok(Self {
            endpoint: to.into_endpoint()?,
            options,
            user: b"anonymous".to_vec(),
            password: Secret::new("anonymous@"),
            folder: None,
        })
    }

    /// With an account.
    #[must_use]
    pub fn account(mut self, user: impl Into<Vec<u8>>, password: impl Into<Vec<u8>>) -> Self {
        self.user = user.into();
        self.password = Secret::new(password);
        self
    }

    /// Goes to a folder first.
    #[must_use]
    pub fn folder(mut self, path: impl Into<Vec<u8>>) -> Self {
        self.folder = Some(path.into());
        self
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// Those of [`Client::connect`], [`Client::login`] and [`Client::cwd`].
    ///
    /// # Panics
    /// Outside of a coroutine or callback of a reactor.
    pub async fn open(&self) -> Result<Client, ClientError> {
        let mut client = Client::connect(&self.endpoint, self.options.clone()).await?;
        client.login(&self.user, self.password.bytes()).await?;
        if let Some(folder) = &self.folder {
            client.cwd(folder).await?;
        }
        Ok(client)
    }
}

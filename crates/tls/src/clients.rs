//! [`Clients`]: how the clients of a reactor's endpoints speak TLS.

use crate::{
    ClientTls, ClientTlsTo, Identity, MinVersion, Side, TlsError, Trust, pem::Pem, starttls::refusal,
};
use rustls::pki_types::ServerName;
use std::{
    cell::{OnceCell, RefCell},
    path::PathBuf,
    rc::Rc,
};
use trenza_core::{Connecting, Deferred, Map, Reactor};

/// How many clients' configurations are kept, so that files are read once and sessions are continued.
const CLIENTS_MAX: usize = 64;

/// What a client's endpoint says of TLS, apart from whom it talks to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Wish {
    pub(crate) trust: Whom,
    /// The files of certificate and key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    pub(crate) alpn: Vec<String>,
    pub(crate) min: MinVersion,
}

/// A [`Trust`] whose file was not read yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Whom {
    Platform,
    Ca(PathBuf),
    Pinned([u8; 32]),
    Anybody,
}

impl Wish {
    /// Reads the files, which blocks meanwhile.
    fn fulfil(self) -> Result<ClientTls, TlsError> {
        let trust = match &self.trust {
            Whom::Platform => Trust::Platform,
            Whom::Ca(path) => Trust::Ca(Pem::read(path)?.text().to_vec()),
            Whom::Pinned(pin) => Trust::Pinned(*pin),
            Whom::Anybody => Trust::DangerouslyAnybody,
        };
        let mut builder = ClientTls::new().trust(trust).alpn(self.alpn).min(self.min);
        if let Some((chain, key)) = self.identity {
            builder = builder.identity(Identity::from_files(chain, key)?);
        }
        builder.build().map_err(|error| match (self.trust, error) {
            (Whom::Ca(path), TlsError::Unusable { why, .. }) => {
                TlsError::unusable(path.display().to_string(), why)
            }
            (_, error) => error,
        })
    }
}

/// The configurations that were made, by what they were made of.
#[derive(Clone, Default)]
pub(crate) struct Clients(Rc<RefCell<Map<Wish, ClientTls>>>);

impl Clients {
    /// Puts TLS to the server of this name over a connect. If the wish is a new one, a thread reads its files first.
    pub(crate) fn put(&self, wish: Wish, name: ServerName<'static>, connecting: &mut Connecting) {
        let client = Rc::new(OnceCell::new());
        match self.0.borrow().get(&wish) {
            Some(known) => drop(client.set(known.clone())),
            None => {
                let (clients, slot) = (self.clone(), client.clone());
                connecting.first.push_back(Box::new(move |reactor| clients.read(reactor, wish, slot)));
            }
        }
        connecting.layers.over(move |_| {
            vec![match client.get() {
                Some(client) => ClientTlsTo::new(client.clone(), name.clone()).layer_or_refusal(),
                None => refusal(TlsError::Configuration("its files were not read".into())),
            }]
        });
    }

    fn read(&self, reactor: &Reactor, wish: Wish, slot: Rc<OnceCell<ClientTls>>) -> Deferred<()> {
        let (done, resolver) = reactor.deferred();
        let (clients, made_of) = (self.clone(), wish.clone());
        reactor.in_thread(move || Ok(wish.fulfil()?)).then(move |made| {
            resolver.fire(made.map(|made| drop(slot.set(clients.keep(made_of, made)))));
        });
        done
    }

    /// The one that is kept: if another connect was quicker, its own.
    fn keep(&self, wish: Wish, made: ClientTls) -> ClientTls {
        let mut all = self.0.borrow_mut();
        if all.len() >= CLIENTS_MAX && !all.contains_key(&wish) {
            all.clear();
        }
        all.entry(wish).or_insert(made).clone()
    }
}

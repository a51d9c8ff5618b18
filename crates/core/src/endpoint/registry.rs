//! The kinds of endpoint that a reactor knows.

use crate::{
    Connecting, Endpoint, EndpointKind, Error, Form, Given, Listening, Parsed, Reactor, Result,
    endpoint::{
        error::meant, fd::Fd, stdio::Stdio, systemd::Systemd, tcp::Tcp, udp::Udp, unix::Unix,
        unix_datagram::UnixDatagram,
    },
    process::exec::Exec,
};
use std::{collections::BTreeMap, net::IpAddr, rc::Rc};

/// Kinds by name.
pub(crate) struct Kinds(BTreeMap<&'static str, Rc<dyn EndpointKind>>);

impl Default for Kinds {
    fn default() -> Self {
        let mut kinds = Self(BTreeMap::new());
        drop(kinds.add(Rc::new(Exec)));
        drop(kinds.add(Rc::new(Fd)));
        drop(kinds.add(Rc::new(Stdio)));
        drop(kinds.add(Rc::new(Systemd)));
        drop(kinds.add(Rc::new(Tcp)));
        drop(kinds.add(Rc::new(Udp)));
        drop(kinds.add(Rc::new(Unix)));
        drop(kinds.add(Rc::new(UnixDatagram)));
        kinds
    }
}

impl Kinds {
    /// Gives what was known by that name.
    #[must_use]
    fn add(&mut self, kind: Rc<dyn EndpointKind>) -> Option<Rc<dyn EndpointKind>> {
        self.0.insert(kind.usage().name, kind)
    }
}

impl Reactor {
    /// Makes a kind of endpoint known to this reactor: strings that begin with its name can be listened on or
    /// connected to. A kind that had the name before is replaced. See [`EndpointKind`].
    pub fn register(&self, kind: impl EndpointKind) {
        let kind = Rc::new(kind);
        let former = self.0.kinds.borrow_mut().add(kind);
        drop(former);
    }

    /// The kinds of endpoint that this reactor knows, by name.
    pub fn kinds(&self) -> Vec<Rc<dyn EndpointKind>> {
        self.0.kinds.borrow().0.values().cloned().collect()
    }

    /// What a string stands for where a server listens.
    pub(crate) fn listening(&self, parsed: &Parsed) -> Result<Listening> {
        let kind = self.kind_of(parsed, |name, port| {
            let ip = if name == "localhost" { "127.0.0.1" } else { name };
            ip.parse::<IpAddr>().ok()?;
            let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
            Some(format!("tcp:{port}:interface={ip}"))
        })?;
        let form = self.form(parsed, kind.usage().server, "listened on", |kind| kind.usage().server)?;
        let below = self.below(&form, |kind| kind.usage().server);
        kind.listen(&Given::new(parsed, &form, below)?, self)
    }

    /// What a string stands for where a client connects.
    pub(crate) fn connecting(&self, parsed: &Parsed) -> Result<Connecting> {
        let kind = self.kind_of(parsed, |_, _| Some(format!("tcp:{}", parsed.shown())))?;
        let form = self.form(parsed, kind.usage().client, "connected to", |kind| kind.usage().client)?;
        let below = self.below(&form, |kind| kind.usage().client);
        kind.connect(&Given::new(parsed, &form, below)?, self)
    }

    /// The form of the kind that this one hands on to.
    fn below(&self, form: &Form, side: impl Fn(&dyn EndpointKind) -> Option<Form>) -> Option<Form> {
        let kind = self.0.kinds.borrow().0.get(form.below?)?.clone();
        side(&*kind)
    }

    /// The kind; where there is none, and a port follows as if it were a host, `of_host` guesses what was meant.
    fn kind_of(
        &self,
        parsed: &Parsed,
        of_host: impl FnOnce(&str, u16) -> Option<String>,
    ) -> Result<Rc<dyn EndpointKind>> {
        let (name, kinds) = (parsed.kind(), &self.0.kinds.borrow().0);
        if let Some(kind) = kinds.get(name) {
            return Ok(kind.clone());
        }
        if name.is_empty() {
            return Err(parsed.error(parsed.kind_at(), "an endpoint is missing here, as tcp:8080"));
        }
        let port = parsed.parts.get(1).filter(|part| part.key.is_none());
        let port = port.and_then(|part| part.text.parse().ok());
        let guess = match name {
            _ if name.parse::<u16>().is_ok() => Some(format!("tcp:{name}")),
            _ if name.contains('/') && kinds.contains_key("unix") => Some(format!("unix:{name}")),
            _ => {
                let meant = meant(name, kinds.keys().copied()).map(str::to_owned);
                meant.or_else(|| of_host(name, port?))
            }
        };
        let guess = guess.map(|guess| format!(" (did you mean {guess}?)")).unwrap_or_default();
        let known = kinds.keys().copied().collect::<Vec<_>>().join(", ");
        Err(parsed.error(parsed.kind_at(), format!("unknown kind {name:?}{guess}; known: {known}")))
    }

    /// The form that is asked for; where the kind has none, the error names those that do.
    fn form(
        &self,
        parsed: &Parsed,
        form: Option<Form>,
        verb: &str,
        side: impl Fn(&dyn EndpointKind) -> Option<Form>,
    ) -> Result<Form> {
        if let Some(form) = form {
            return Ok(form);
        }
        let what = format!("{} cannot be {verb}; what can: {}", parsed.kind(), self.streams(side));
        Err(parsed.error(parsed.kind_at(), what))
    }

    /// The names of kinds for connections that have a form on this side.
    fn streams(&self, side: impl Fn(&dyn EndpointKind) -> Option<Form>) -> String {
        let streams = self.kinds().into_iter().filter(|kind| !kind.is_for_datagrams());
        let can = streams.filter(|kind| side(&**kind).is_some());
        can.map(|kind| kind.usage().name).collect::<Vec<_>>().join(", ")
    }

    /// The error of who wants to listen for connections on what is for datagrams.
    pub(crate) fn listens_for_datagrams(&self, endpoint: &Endpoint) -> Error {
        let can = self.streams(|kind| kind.usage().server);
        let what =
            format!("for connections there are {can}; this is for datagrams, as Reactor::udp takes it");
        match endpoint.parsed() {
            Some(parsed) => parsed.error(parsed.kind_at().start..parsed.end().end, what),
            None => format!("cannot listen on {endpoint}: {what}").into(),
        }
    }
}

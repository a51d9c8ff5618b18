//! The kind `stdio`.

use crate::{
    Addr, ConnectTo, Connecting, EndpointKind, Error, Form, Given, ListenOn, Listening, Reactor, Result,
    Usage, driver::Established,
};
use std::io;

/// `stdio:`
pub(crate) struct Stdio;

const FORM: Form = Form {
    values: &[],
    options: &[],
    inner: false,
    below: None,
    about: "standard input and output: one connection, which is there at once",
    examples: &["stdio:"],
};

impl EndpointKind for Stdio {
    fn usage(&self) -> Usage {
        Usage { name: "stdio", server: Some(FORM), client: Some(FORM) }
    }

    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        Ok(Listening::on(ListenOn::Stream(take(given, reactor)?)))
    }

    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        let stream = take(given, reactor)?;
        let make = move |reactor: &Reactor| reactor.fired(Ok(stream));
        Ok(Connecting::to(ConnectTo::Stream(Box::new(make)), "stdio"))
    }
}

fn take(given: &Given<'_>, reactor: &Reactor) -> Result<Established> {
    let unusable = |error: io::Error| -> Error {
        io::Error::new(error.kind(), format!("cannot use {}: {error}", given.shown())).into()
    };
    let ends = reactor.0.host.stdio().map_err(unusable)?;
    let name = Addr::named("stdio");
    Ok(Established { remote: name.clone(), local: name, ends })
}

//! The kind `fd`.

use crate::{
    ConnectTo, Connecting, EndpointKind, Form, Given, ListenOn, Listening, Reactor, Result, Usage,
    driver::Ends,
};

/// `fd:NUMBER`.
pub(crate) struct Fd;

const SERVER: Form = Form {
    values: &["NUMBER"],
    options: &[],
    inner: false,
    below: None,
    about: "a listening socket that the program was started with",
    examples: &["fd:3"],
};

const CLIENT: Form = Form { about: "a connection or terminal that the program was started with", ..SERVER };

impl EndpointKind for Fd {
    fn usage(&self) -> Usage {
        Usage { name: "fd", server: Some(SERVER), client: Some(CLIENT) }
    }

    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        let number = given.value(0)?;
        let taken = reactor.0.host.inherited(number.parse("the number of a descriptor")?);
        let socket = taken.map_err(|error| number.unusable(&error.to_string(), error))?;
        Ok(Listening::on(ListenOn::Socket(socket)))
    }

    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        let number = given.value(0)?;
        let taken = reactor.0.host.inherited(number.parse("the number of a descriptor")?);
        let fd = taken.map_err(|error| number.unusable(&error.to_string(), error))?;
        let stream = reactor.established(Ends::one(fd));
        let make = move |reactor: &Reactor| reactor.fired(Ok(stream));
        Ok(Connecting::to(ConnectTo::Stream(Box::new(make)), given.shown()))
    }
}

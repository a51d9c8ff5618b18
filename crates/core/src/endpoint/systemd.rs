//! The kind `systemd`.

use crate::{
    Choice, EndpointKind, Form, Given, ListenOn, Listening, Reactor, Result, Usage, driver::HandedOver,
};
use std::io;

/// `systemd:INDEX` and `systemd:name=NAME`.
pub(crate) struct Systemd;

const SERVER: Form = Form {
    values: &["INDEX?"],
    options: &[Choice {
        name: "name",
        value: "NAME",
        about: "by its name, FileDescriptorName= of the socket unit, instead of its index",
    }],
    inner: false,
    below: None,
    about: "a socket that the service manager has handed over (socket activation), counted from 0; each once",
    examples: &["systemd:0", "systemd:name=http"],
};

impl EndpointKind for Systemd {
    fn usage(&self) -> Usage {
        Usage { name: "systemd", server: Some(SERVER), client: None }
    }

    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        let index = given.values().next().map(|index| index.parse("an index, as 0")).transpose()?;
        let which = match (index, given.option("name")) {
            (Some(index), None) => HandedOver::Index(index),
            (None, Some(name)) => HandedOver::Name(name.as_str()),
            (Some(_), Some(name)) => return Err(name.wrong("and an index: give one of the two")),
            (None, None) => {
                return Err(given.wrong("wants an index or a name, as in systemd:0 or systemd:name=http"));
            }
        };
        let explain = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot listen on {}: {error}", given.shown()))
        };
        let bound = reactor.0.host.handed_over(which).map_err(explain)?;
        Ok(Listening::on(ListenOn::Bound(bound)))
    }
}

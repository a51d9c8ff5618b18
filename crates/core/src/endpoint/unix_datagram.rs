//! The kind `unix-datagram`.

use crate::{
    Choice, ConnectTo, Connecting, EndpointKind, Form, Given, ListenOn, Listening, Reactor, Result, Usage,
    driver::BindUdp,
    endpoint::unix::{addr, permissions},
};

/// `unix-datagram:PATH` and `unix-datagram:@NAME`.
pub(crate) struct UnixDatagram;

const SERVER: Form = Form {
    values: &["PATH"],
    options: &[Choice {
        name: "mode",
        value: "OCTAL",
        about: "the permissions of the file; without it the umask's",
    }],
    inner: false,
    below: None,
    about: "a UNIX socket for datagrams: a file, or with @ an abstract name of Linux; an abandoned file is replaced",
    examples: &["unix-datagram:/run/log.sock:mode=660", "unix-datagram:@log"],
};

const CLIENT: Form = Form {
    values: &["PATH"],
    options: &[Choice {
        name: "bind",
        value: "PATH",
        about: "the own address, so that there can be answers; without it there is none",
    }],
    inner: false,
    below: None,
    about: "a UNIX socket for datagrams, the only peer",
    examples: &["unix-datagram:/dev/log", "unix-datagram:/run/app.sock:bind=/run/client.sock"],
};

impl EndpointKind for UnixDatagram {
    fn usage(&self) -> Usage {
        Usage { name: "unix-datagram", server: Some(SERVER), client: Some(CLIENT) }
    }

    fn is_for_datagrams(&self) -> bool {
        true
    }

    fn listen(&self, given: &Given<'_>, _: &Reactor) -> Result<Listening> {
        let mode = given.option("mode").map(|mode| permissions(&mode)).transpose()?;
        let how = BindUdp { mode, ..BindUdp::at(addr(&given.value(0)?)?) };
        Ok(Listening::on(ListenOn::Datagrams(how)))
    }

    fn connect(&self, given: &Given<'_>, _: &Reactor) -> Result<Connecting> {
        let to = addr(&given.value(0)?)?;
        let shown = to.to_string();
        let mut connecting = Connecting::to(ConnectTo::UnixDatagrams(to), shown);
        connecting.from = given.option("bind").map(|bind| addr(&bind)).transpose()?.map(Into::into);
        Ok(connecting)
    }
}

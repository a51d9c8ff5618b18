//! The kind `unix`.

use crate::{
    Addr, Choice, ConnectTo, Connecting, EndpointKind, Form, Given, ListenOn, Listening, Policy, Reactor,
    Result, UnixAddr, Usage,
    driver::Bind,
    endpoint::{given::Value, tcp::BACKLOG},
    policy::options,
};

/// `unix:PATH` and `unix:@NAME`.
pub(crate) struct Unix;

/// All bits that a file's permissions have.
const MODE_MAX: u32 = 0o7777;

const SERVER: Form = Form {
    values: &["PATH"],
    options: &[
        Choice { name: "mode", value: "OCTAL", about: "the permissions of the file; without it the umask's" },
        Choice { name: "backlog", value: "NUMBER", about: "how many connections wait to be accepted; 4096" },
        options::CONNECTIONS,
        options::RATE_IN,
        options::RATE_OUT,
        options::IDLE,
        options::DEADLINE,
        options::LOG,
    ],
    inner: false,
    below: None,
    about: "a UNIX socket: a file, or with @ an abstract name of Linux; an abandoned file is replaced",
    examples: &["unix:/run/app.sock:mode=660", "unix:@app"],
};

const CLIENT: Form = Form {
    values: &["PATH"],
    options: &[
        Choice { name: "timeout", value: "SECONDS", about: "until when there must be a connection; 30" },
        options::RATE_IN,
        options::RATE_OUT,
        options::IDLE,
        options::DEADLINE,
        options::LOG,
    ],
    inner: false,
    below: None,
    about: "a UNIX socket: a file, or with @ an abstract name of Linux",
    examples: &["unix:/run/app.sock", "unix:@app:timeout=5"],
};

impl EndpointKind for Unix {
    fn usage(&self) -> Usage {
        Usage { name: "unix", server: Some(SERVER), client: Some(CLIENT) }
    }

    fn listen(&self, given: &Given<'_>, _: &Reactor) -> Result<Listening> {
        let addr = addr(&given.value(0)?)?.into();
        let backlog = given.option("backlog").map(|backlog| backlog.parse("a number")).transpose()?;
        let mode = given.option("mode").map(|mode| permissions(&mode)).transpose()?;
        let bind = Bind { addr, dual_stack: false, mode, backlog: backlog.unwrap_or(BACKLOG) };
        Ok(Listening { policy: Policy::given(given)?, ..Listening::on(ListenOn::Bind(bind)) })
    }

    fn connect(&self, given: &Given<'_>, _: &Reactor) -> Result<Connecting> {
        let addr = Addr::from(addr(&given.value(0)?)?);
        let mut connecting = Connecting::to(ConnectTo::Addresses(vec![addr.clone()]), addr.to_string());
        if let Some(timeout) = given.option("timeout") {
            connecting.timeout = timeout.seconds()?;
        }
        connecting.policy = Policy::given(given)?;
        Ok(connecting)
    }
}

/// What stands there, as an address.
pub(super) fn addr(value: &Value<'_>) -> Result<UnixAddr> {
    match value.as_str() {
        "" | "@" => Err(value.wrong("is neither a path nor @ and a name")),
        text => Ok(text.strip_prefix('@').map_or_else(|| UnixAddr::path(text), UnixAddr::abstract_name)),
    }
}

/// What stands there, as permissions.
pub(super) fn permissions(value: &Value<'_>) -> Result<u32> {
    let mode = u32::from_str_radix(value.as_str(), 8).ok().filter(|mode| *mode <= MODE_MAX);
    mode.ok_or_else(|| value.wrong("is no mode: octal digits, as in 660"))
}

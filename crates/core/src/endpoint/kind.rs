//! [`EndpointKind`]: what the first word of an endpoint string means.

use crate::{Connecting, Given, Listening, Reactor, Result};
use std::fmt;

/// A kind of endpoint, as `tcp`: how its strings are written and what they stand for.
///
/// [`Reactor::register`] makes it known. Before it is asked, the string was compared with its form: there are as many
/// values as it takes, and no option that it does not know.
///
/// ```
/// use trenza_core::{Connecting, EndpointKind, Form, Given, Input, Protocol, Reactor, Result, Transport, Usage};
///
/// /// `room:NAME`, a chat room of the house.
/// struct Room;
///
/// impl EndpointKind for Room {
///     fn usage(&self) -> Usage {
///         let client = Form { values: &["NAME"], about: "a chat room", ..Form::default() };
///         Usage { name: "room", server: None, client: Some(client) }
///     }
///     fn connect(&self, given: &Given<'_>, _: &Reactor) -> Result<Connecting> {
///         let name = given.value(0)?;
///         match name.as_str() {
///             "kitchen" => Ok(Connecting::name("srv", 7007)),
///             _ => Err(name.wrong("is not a room; there is the kitchen")),
///         }
///     }
/// }
///
/// struct Visitor;
///
/// impl Protocol for Visitor {
///     fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// let rooms = net.host("srv").probe_listen("tcp:7007");
/// net.host("cli").run(|reactor| {
///     reactor.register(Room);
///     reactor.connect("room:kitchen", |_| Visitor).detach();
///     reactor.connect("room:cellar", |_| Visitor).then(|lost| {
///         let error = lost.unwrap_err().to_string();
///         assert!(error.contains("\"cellar\" is not a room") && error.contains("\n       ^^^^^^"));
///     });
/// });
/// net.run();
/// assert!(rooms.accept().is_some());
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub trait EndpointKind: 'static {
    /// How it is written. What it says must not change.
    fn usage(&self) -> Usage;

    /// Whether it is for datagrams: [`Reactor::udp`] and [`Reactor::udp_connect`] take it, and nothing else does.
    fn is_for_datagrams(&self) -> bool {
        false
    }

    /// What it stands for where a server listens. Only asked where [`Usage::server`] has a form.
    ///
    /// # Errors
    /// It makes no sense; [`Value::wrong`](crate::Value::wrong) and [`Given::wrong`] say where.
    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        let _ = reactor;
        Err(given.wrong("cannot be listened on"))
    }

    /// What it stands for where a client connects. Only asked where [`Usage::client`] has a form.
    ///
    /// # Errors
    /// Those of [`EndpointKind::listen`].
    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        let _ = reactor;
        Err(given.wrong("cannot be connected to"))
    }
}

/// How the strings of a kind are written.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The kind's name: small letters, digits and hyphens.
    pub name: &'static str,
    /// What a server writes; None: it cannot be listened on.
    pub server: Option<Form>,
    /// What a client writes; None: it cannot be connected to.
    pub client: Option<Form>,
}

/// What stands behind the name of a kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Form {
    /// The values in order, as `["HOST", "PORT"]`. One that ends in `?` may be left out, as those behind it; one that
    /// ends in `...` stands for any number, also none.
    pub values: &'static [&'static str],
    /// The options, in any order, behind the values.
    pub options: &'static [Choice],
    /// It is a prefix: behind its options another endpoint stands as it is.
    pub inner: bool,
    /// The kind that it hands its values on to, and every option that is not its own: it takes that kind's options, too.
    /// See [`Given::below`].
    pub below: Option<&'static str>,
    /// What it stands for, in a few words.
    pub about: &'static str,
    /// Strings to show.
    pub examples: &'static [&'static str],
}

/// An option of a kind: `name=VALUE`.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Its name, in small letters.
    pub name: &'static str,
    /// What its value is: `IP`, `SECONDS`.
    pub value: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
}

impl Form {
    /// How many values there must be at least, and how many at most.
    pub(crate) fn count(&self) -> (usize, usize) {
        let needed = self.values.iter().take_while(|value| !value.ends_with('?') && !value.ends_with("..."));
        let many = self.values.last().is_some_and(|value| value.ends_with("..."));
        (needed.count(), if many { usize::MAX } else { self.values.len() })
    }

    /// The form, behind the name of its kind: `tcp:HOST:PORT`.
    pub fn of<'a>(&'a self, name: &'a str) -> impl fmt::Display + 'a {
        Shape(name, self)
    }
}

struct Shape<'a>(&'a str, &'a Form);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        // A kind alone keeps its colon, so that it is seen to be one.
        let empty = self.1.values.is_empty() && !self.1.inner;
        f.write_str(if empty { ":" } else { "" })?;
        for value in self.1.values {
            match value.strip_suffix('?') {
                Some(value) => write!(f, "[:{value}]")?,
                None => write!(f, ":{value}")?,
            }
        }
        f.write_str(if self.1.inner { ":ENDPOINT" } else { "" })
    }
}

//! [`Connecting`]: what a client's endpoint stands for.

use crate::{Addr, Deferred, Layers, Policy, Reactor, UnixAddr, driver::Established};
use std::{any::Any, collections::VecDeque, fmt, net::IpAddr, rc::Rc, time::Duration};

/// How long a connect may take, unless the endpoint says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a client's endpoint stands for: where to connect to, and what is under the connection.
#[non_exhaustive]
pub struct Connecting {
    /// Where to.
    pub to: ConnectTo,
    /// What errors call it.
    pub shown: String,
    /// This end's address, or the system's choice. Addresses of another family are not tried.
    pub from: Option<Addr>,
    /// How long it may take until there is a protocol. Default 30 s.
    pub timeout: Duration,
    /// What must be done before anything is tried, in this order.
    pub first: VecDeque<Prepare>,
    /// What is under the connection.
    pub layers: Layers,
    /// Kept until the connection has ended, or could not be made, then dropped.
    pub kept: Option<Box<dyn Any>>,
    /// What holds for the connection.
    pub policy: Option<Rc<Policy>>,
}

/// Does what a connect needs and would block the loop, as reading a file. It is called once, when the connect begins; its
/// error is the connect's. The result is cancelled when nobody waits any more or the time is over.
pub type Prepare = Box<dyn FnOnce(&Reactor) -> Deferred<()>>;

/// Makes the stream of a connection; called once.
pub type MakeStream = Box<dyn FnOnce(&Reactor) -> Deferred<Established>>;

/// Where to connect to.
#[non_exhaustive]
pub enum ConnectTo {
    /// A name, which is looked up, or an IP address. Its addresses race.
    Name {
        /// The name or IP address.
        host: String,
        /// The port.
        port: u16,
    },
    /// Addresses. They race, in this order.
    Addresses(Vec<Addr>),
    /// A stream that code makes, as that of a child process. It is called once, when all is prepared; the result is
    /// cancelled when nobody waits any more or the time is over.
    Stream(MakeStream),
    /// A name or an IP address to send datagrams to: [`Reactor::udp_connect`] alone takes it.
    Datagrams {
        /// The name or IP address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A UNIX address to send datagrams to: [`Reactor::udp_connect`] alone takes it.
    UnixDatagrams(UnixAddr),
}

impl Connecting {
    /// To a name or an IP address.
    pub fn name(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        let shown = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            _ => format!("{host}:{port}"),
        };
        Self::to(ConnectTo::Name { host, port }, shown)
    }

    /// To anything; `shown` is what errors call it.
    pub fn to(to: ConnectTo, shown: impl Into<String>) -> Self {
        Self {
            to,
            shown: shown.into(),
            from: None,
            timeout: TIMEOUT,
            first: VecDeque::new(),
            layers: Layers::default(),
            kept: None,
            policy: None,
        }
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting")
            .field("to", &self.to)
            .field("shown", &self.shown)
            .field("from", &self.from)
            .field("timeout", &self.timeout)
            .field("first", &self.first.len())
            .field("layers", &self.layers)
            .field("kept", &self.kept.is_some())
            .field("policy", &self.policy)
            .finish()
    }
}

impl fmt::Debug for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { host, port } => f.debug_tuple("Name").field(host).field(port).finish(),
            Self::Addresses(addresses) => f.debug_tuple("Addresses").field(addresses).finish(),
            Self::Stream(_) => f.write_str("Stream"),
            Self::UnixDatagrams(addr) => f.debug_tuple("UnixDatagrams").field(addr).finish(),
            Self::Datagrams { host, port } => {
                f.debug_struct("Datagrams").field("host", host).field("port", port).finish()
            }
        }
    }
}

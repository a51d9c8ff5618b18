//! [`Passing`]: the options of services that pass connections on.

use crate::{
    complaint::Complaint,
    endpoint::is_secured,
    lines::Lines,
    room::{Room, count},
    terminal::{Style, paint},
    told::Told,
    workers::Workers,
};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use std::{num::NonZeroUsize, time::Duration};
use trenza::{
    Addr, Addresses, Endpoint, Factory, IntoEndpoint, Policy, Reactor, Result,
    proxy::{ProxyLimits, Record, log::Format},
};

/// What it says when it stops.
const STOPPING: &str = "Stopping: connections have 10 s to come to their end. Ctrl-C again stops at once.";

/// The options of services that pass connections on.
#[derive(Debug, clap::Args)]
pub(crate) struct Passing {
    /// The line that each connection leaves on standard error when it has ended
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Log")]
    log_format: LogFormat,

    /// Leave no line for connections
    #[arg(short, long, conflicts_with = "log_format", help_heading = "Log")]
    quiet: bool,

    /// How long a connection to a target may take, in seconds, the lookup of its name included
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, help_heading = "Limits")]
    connect_timeout: Duration,

    /// How long nothing may pass in either direction, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = seconds, help_heading = "Limits")]
    idle_timeout: Duration,

    /// Clients at once; more of them wait [default: 10000, or what the limit of open files allows]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Limits")]
    max_connections: Option<NonZeroUsize>,

    /// Clients at once from one address; more of them are refused
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count, help_heading = "Limits")]
    max_connections_per_address: NonZeroUsize,

    #[command(flatten)]
    pub(crate) workers: Workers,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// When, who, where to, bytes, how long, and what went wrong
    Text,
    /// A JSON object a line
    Json,
}

impl Passing {
    pub(crate) fn limits(&self) -> ProxyLimits {
        ProxyLimits { connect: self.connect_timeout, idle: self.idle_timeout, ..ProxyLimits::default() }
    }

    /// What writes the log.
    pub(crate) fn log(&self, reactor: &Reactor, lines: &Lines) -> impl Fn(&Record) + 'static {
        let format = match self.log_format {
            LogFormat::Text => Format::text(TimeZone::system()),
            LogFormat::Json => Format::json(),
        };
        let (reactor, lines, quiet) = (reactor.clone(), lines.clone(), self.quiet);
        move |record| {
            if !quiet {
                lines.push(&reactor, &format.line(record));
            }
        }
    }

    /// Listens everywhere.
    pub(crate) fn listen(
        &self,
        reactor: &Reactor,
        on: &[String],
        service: &(impl Factory + Clone),
        lines: &Lines,
        room: Room,
    ) -> Result<Vec<Bound>> {
        let clients = room.clients(self.max_connections, reactor);
        reactor.set_connections_max(clients.saturating_mul(2).saturating_add(1));
        let clients = Clients { all: clients, per_address: Some(self.max_connections_per_address.get()) };
        listen(reactor, on, clients, service, lines, STOPPING)
    }
}

/// How many clients there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clients {
    pub(crate) all: usize,
    pub(crate) per_address: Option<usize>,
}

/// Where connections are taken.
pub(crate) struct Bound {
    pub(crate) addr: Addr,
    secured: bool,
}

impl Bound {
    /// As clients are told it, behind `scheme`.
    pub(crate) fn shown(&self, scheme: &str) -> String {
        let over = if self.secured { " over TLS" } else { "" };
        shown(scheme, &self.addr, over)
    }
}

/// Listens everywhere, with limits that all ports share but those whose endpoint has its own. The first port says
/// `stopping` when it stops.
pub(crate) fn listen(
    reactor: &Reactor,
    on: &[String],
    clients: Clients,
    service: &(impl Factory + Clone),
    lines: &Lines,
    stopping: &'static str,
) -> Result<Vec<Bound>> {
    let mut all_bound = Vec::new();
    let shared = Policy::new().connections(clients.all);
    let table = clients.per_address.map(Addresses::new);
    let limited = |on: Endpoint| {
        let own = |name| on.parsed().is_some_and(|parsed| parsed.option(name).is_some());
        let policy = if own("connections") { Policy::new() } else { shared.clone() };
        let policy = match &table {
            Some(table) if !own("per-address") => policy.addresses(table),
            _ => policy,
        };
        on.policy(policy)
    };
    for endpoint in on {
        let first = all_bound.is_empty() && reactor.loop_index() == 0;
        let told = first.then(|| (reactor.clone(), lines.clone(), stopping));
        let on = endpoint.as_str().into_endpoint().map(limited);
        let port = on.and_then(|on| reactor.listen_with(on, Told::new(service.clone(), told)));
        let addr = port.map_err(|error| Complaint::listen(endpoint, &*error))?.addr();
        all_bound.push(Bound { addr, secured: is_secured(endpoint) });
    }
    Ok(all_bound)
}

/// An address without a port: the endpoint of a UNIX socket, or what it is called.
fn place(address: &Addr) -> String {
    let kind = if address.unix().is_some() { "unix:" } else { "" };
    format!("{kind}{address}")
}

/// An address as clients are told it, behind `scheme` and before what lies `over` it.
pub(crate) fn shown(scheme: &str, address: &Addr, over: &str) -> String {
    let everywhere = address.ip().is_some_and(|ip| ip.is_unspecified());
    match address.port() {
        Some(port) if everywhere => {
            let link = paint(Style::Link, &format!("{scheme}localhost:{port}"));
            format!("  {link}{over} and all other addresses of this machine")
        }
        Some(_) => format!("  {}{over}", paint(Style::Link, &format!("{scheme}{address}"))),
        // It is no part of an address that a program would take.
        None => format!("  {}{over}", place(address)),
    }
}

/// Seconds, with a fraction if need be.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| !time.is_zero()).ok_or_else(|| "a number of seconds above 0 is wanted".into())
}

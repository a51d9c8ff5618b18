//! [`Services`]: several services that are one.

use crate::{Deferred, Error, Reactor, Resolver, Result, Service, Wait, engine::lost::contained};
use std::{
    fmt,
    future::{Future, IntoFuture, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

/// How long services may take to stop, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(30);

/// Several services that are one: started in their order, stopped in reverse, each when the one behind it is over. So a
/// service may rely on those before it.
///
/// When one cannot be started, those before it are stopped, and those behind it are never started. What is not over at
/// the deadline is aborted.
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Input, PortService, Protocol, Result, Services, TimerService, Transport};
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
///         transport.write(input.rest());
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// net.host("srv").run(|reactor| {
///     let services = Services::new()
///         .with("clock", TimerService::new(Duration::from_secs(60), async |_| Ok(())))
///         .with("echo", PortService::new("tcp:7", |_| Echo))
///         .deadline(Duration::from_secs(5));
///     reactor.start(services)
/// })?;
/// let cli = net.host("cli").probe("tcp:srv:7");
/// cli.send("hello");
/// net.run();
/// assert_eq!(cli.received(), b"hello");
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub struct Services {
    members: Vec<Member>,
    deadline: Duration,
    reactor: Option<Reactor>,
    /// Tells the coroutine that stops them that the time is over.
    cut: Option<Resolver<()>>,
}

/// A service and what errors call it.
type Member = (String, Box<dyn Service>);

/// A service of several could not be started; those before it are being stopped.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {name}: {error}")]
pub struct StartError {
    /// What it is called.
    pub name: String,
    /// Why.
    #[source]
    pub error: Error,
}

/// Services that have not stopped as they should; all others have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not all services have stopped: {}", .left.join("; "))]
pub struct StopError {
    /// What each is called, and what it did.
    pub left: Vec<String>,
}

impl Services {
    /// None so far.
    pub fn new() -> Self {
        Self { members: Vec::new(), deadline: DEADLINE, reactor: None, cut: None }
    }

    /// Adds a service behind the others; errors call it `name`. It is not started here: add it before the start.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, service: impl Service) -> Self {
        self.members.push((name.into(), Box::new(service)));
        self
    }

    /// How long all of them together may take to stop. Default 30 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

impl Default for Services {
    fn default() -> Self {
        Self::new()
    }
}

impl Service for Services {
    fn start(&mut self, reactor: &Reactor) -> Result {
        self.reactor = Some(reactor.clone());
        for at in 0..self.members.len() {
            let Some((name, service)) = self.members.get_mut(at) else { break };
            if let Err(error) = service.start(reactor) {
                let name = name.clone();
                self.members.truncate(at);
                self.stop().detach();
                return Err(StartError { name, error }.into());
            }
        }
        Ok(())
    }

    fn stop(&mut self) -> Deferred<()> {
        let reactor = self.reactor.clone().unwrap_or_else(Reactor::current);
        let members = std::mem::take(&mut self.members);
        let (cut, tell) = reactor.deferred();
        self.cut = Some(tell);
        let (over, tell) = reactor.deferred();
        let (stopping, deadline) = (reactor.clone(), self.deadline);
        let task = async move {
            tell.fire(stop_all(&stopping, members, deadline, Some(cut)).await);
            Ok(())
        };
        reactor.spawn(task).detach();
        over
    }

    fn abort(&mut self) {
        match self.cut.take() {
            Some(cut) => cut.fire(Ok(())),
            None => self.members.iter_mut().rev().for_each(|(_, service)| service.abort()),
        }
    }
}

/// Stops them in reverse; at the deadline or when it is cut short, what is left is aborted.
pub(crate) async fn stop_all(
    reactor: &Reactor,
    members: Vec<Member>,
    deadline: Duration,
    cut: Option<Deferred<()>>,
) -> Result {
    let mut late =
        Late { sleep: pin!(reactor.sleep(deadline)), cut: cut.map(Deferred::into_future), over: false };
    let mut left = Vec::new();
    for (name, mut service) in members.into_iter().rev() {
        let mut stopping = None;
        contained("stopping a service", || stopping = Some(service.stop().into_future()));
        let Some(mut stopping) = stopping else {
            left.push(format!("{name} panicked"));
            continue;
        };
        let over = poll_fn(|cx| match Pin::new(&mut stopping).poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if late.is_over(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match over.await {
            Some(Ok(())) => {}
            Some(Err(error)) => left.push(format!("{name}: {error}")),
            None => {
                contained("aborting a service", || service.abort());
                left.push(format!("{name} was not over in time"));
            }
        }
    }
    if left.is_empty() { Ok(()) } else { Err(StopError { left }.into()) }
}

/// Whether the time is over.
struct Late<'a> {
    sleep: Pin<&'a mut crate::Sleep>,
    cut: Option<Wait<()>>,
    over: bool,
}

impl Late<'_> {
    fn is_over(&mut self, cx: &mut std::task::Context<'_>) -> bool {
        let cut = self.cut.as_mut().map_or(Poll::Pending, |cut| Pin::new(cut).poll(cx));
        if cut.is_ready() {
            self.cut = None;
        }
        // Whoever holds the other end of it may be dropped: that is no reason to hurry.
        let cut = matches!(cut, Poll::Ready(Ok(())));
        self.over = self.over || cut || self.sleep.as_mut().poll(cx).is_ready();
        self.over
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members.iter().map(|(name, _)| name)).finish()
    }
}

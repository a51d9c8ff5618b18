//! [`Service`]: something that is started and stopped.
//!
//! ```text
//!          start            stop              fires
//!  new ───────────▶ running ─────▶ stopping ─────────▶ over
//!   │ Err             │               │ abort, when the time is over
//!   ▼                 ▼ abort         ▼
//!  over              over            over
//! ```

pub(crate) mod backoff;
pub(crate) mod client;
pub(crate) mod group;
pub(crate) mod port;
pub(crate) mod timer;

use crate::{Deferred, Reactor, Reason, Result, engine::command::Command};

/// Something that is started, and stopped once: a port, a client that connects again and again, a database pool, or
/// several of them ([`Services`](crate::Services)).
///
/// ```
/// use trenza_core::{Deferred, Reactor, Result, Service};
///
/// /// Says hello and goodbye.
/// #[derive(Default)]
/// struct Polite(Option<Reactor>);
///
/// impl Service for Polite {
///     fn start(&mut self, reactor: &Reactor) -> Result {
///         println!("hello");
///         self.0 = Some(reactor.clone());
///         Ok(())
///     }
///     fn stop(&mut self) -> Deferred<()> {
///         let reactor = self.0.take().unwrap_or_else(Reactor::current);
///         reactor.spawn(async {
///             println!("goodbye");
///             Ok(())
///         })
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// let here = net.host("here");
/// here.run(|reactor| reactor.start(Polite::default()))?;
/// here.run(|reactor| reactor.stop()); // stops it first
/// net.run();
/// assert!(!here.is_running());
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub trait Service: 'static {
    /// Starts, once. When it returns, what others rely on is there: a port is bound. Whatever takes time goes on in the
    /// background.
    ///
    /// # Errors
    /// It cannot start. Then nothing of it goes on, and nothing else of it is called.
    fn start(&mut self, reactor: &Reactor) -> Result;

    /// Finishes what it is at and begins nothing new. Fires when it is over; dropping the result changes nothing.
    /// Called once, after it was started.
    fn stop(&mut self) -> Deferred<()>;

    /// The time to stop is over: ends at once whatever is left. Default: nothing.
    fn abort(&mut self) {}
}

impl Service for Box<dyn Service> {
    fn start(&mut self, reactor: &Reactor) -> Result {
        (**self).start(reactor)
    }

    fn stop(&mut self) -> Deferred<()> {
        (**self).stop()
    }

    fn abort(&mut self) {
        (**self).abort();
    }
}

impl Reactor {
    /// Starts a service, which belongs to the loop from then on. [`Reactor::stop`] stops it before anything else ends:
    /// of several the last one first, each when the one before it is over. What is not over after
    /// [`Reactor::set_grace`] is aborted.
    ///
    /// # Errors
    /// Those of [`Service::start`]; [`Reason::Stopped`], if the loop is stopping already.
    pub fn start(&self, mut service: impl Service) -> Result {
        if self.is_stopping() {
            return Err(Reason::Stopped.into());
        }
        service.start(self)?;
        self.0.command(Command::Keep(Box::new(service)));
        Ok(())
    }
}

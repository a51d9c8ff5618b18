//! Tests that get a reactor: what `#[trenza::test]` stands for. The feature `test` has it.
//!
//! ```test_harness
//! use trenza::prelude::*;
//!
//! #[trenza::test]
//! async fn a_greeting_comes_back(reactor: Reactor) -> Result {
//!     let port = reactor.serve("tcp:0:interface=127.0.0.1", async |mut stream: Stream| {
//!         let name = stream.line(80).await?.unwrap_or_default();
//!         stream.write_all(&[b"hello, ", &name[..]].concat()).await?;
//!         stream.close().await
//!     })?;
//!     let mut stream = reactor.open(&format!("tcp:{}", port.addr())).await?;
//!     stream.write_all(b"Ann\r\n").await?;
//!     assert_eq!(stream.read_exact(10).await?.as_deref(), Some(&b"hello, Ann"[..]));
//!     stream.close().await?;
//!     port.stop().await
//! }
//! ```
//!
//! Such a test fails when
//!
//! - its function gives an error, or panics;
//! - a callback, a coroutine or a drop panics, which the engine would contain;
//! - its time is over: 10 s unless told otherwise (`time = "2s"`). The failure names what the loop holds. A callback
//!   that blocks the loop is found out as well, on the real driver;
//! - the reactor was stopped before it had ended;
//! - a port, connection, child process, timer, sleep, task or answer of another thread is left behind: each is named
//!   with the line that made it, an accepted connection with the line that listened. What is about to end by itself (a
//!   connection that was closed, a call on the thread pool) has up to [`SETTLING`] for it; a timer has not.
//!
//! A test that stops its reactor ends the loop, and the loop ends what is left: nothing is left behind then.
//!
//! With `sim` the same function runs in a [simulated network](trenza_sim), on a host called `here`, once for each
//! seed: its time is virtual, and the network is as hostile as the seed says. A failing seed is printed with the
//! command that replays it.
//!
//! ```test_harness
//! # use trenza::prelude::*;
//! # use std::time::Duration;
//! #[trenza::test(sim, seeds = 0..50, time = "2m")]
//! async fn a_minute_costs_nothing(reactor: Reactor) -> Result {
//!     reactor.sleep(Duration::from_secs(60)).await;
//!     Ok(())
//! }
//! ```
//!
//! A `fn(&Reactor) -> Result` is for tests without coroutines: it sets something up, as the closure of
//! [`run`](crate::run) does, and the test lasts until nothing of it is left, or the reactor was stopped.
//!
//! ```test_harness
//! # use trenza::prelude::*;
//! # use std::time::Duration;
//! #[trenza::test(sim, time = "90m")]
//! fn an_hour_passes(reactor: &Reactor) -> Result {
//!     reactor.call_later(Duration::from_secs(3600), || println!("ding")).detach();
//!     Ok(())
//! }
//! ```
//!
//! [`Trial`] is the same without the attribute.

mod panics;
mod world;

use std::{
    cell::RefCell,
    ops::{AsyncFnOnce, Range},
    rc::Rc,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};
use trenza_core::{Left, Leftover, Reactor, Result};
use world::{Simulated, System, World};

/// The seeds that a test in the simulator runs with unless told otherwise.
pub const SEEDS: Range<u64> = 0..20;
/// What is about to end by itself when a test has ended has so long for it, on the real driver. In the simulator all
/// that is on its way arrives.
pub const SETTLING: Duration = Duration::from_secs(2);
/// A loop that is so late on the real driver does not come back.
const STUCK: Duration = Duration::from_secs(5);

/// Why a test has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

/// How a test runs: what the arguments of `#[trenza::test]` say.
///
/// ```
/// use std::time::Duration;
/// use trenza::testing::Trial;
///
/// let failure = Trial::new(Duration::from_secs(10))
///     .run(async |reactor| {
///         reactor.call_later(Duration::from_secs(60), || ()).detach();
///         Ok(())
///     })
///     .unwrap_err();
/// let text = failure.to_string();
/// assert!(text.starts_with("left behind:\n  a timer, made at "), "{text}");
/// assert!(text.contains(file!()));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    time: Duration,
    until_idle: bool,
}

impl Trial {
    /// A test that has so long: wall time on the real driver, virtual time in the simulator.
    pub fn new(time: Duration) -> Self {
        Self { time, until_idle: false }
    }

    /// The test has not ended with its coroutine, but when nothing is left or its reactor was stopped.
    pub fn until_idle(self) -> Self {
        Self { until_idle: true, ..self }
    }

    /// Runs a test on the real driver.
    ///
    /// # Errors
    /// The test has failed: see the module for the reasons.
    pub fn run(&self, test: impl AsyncFnOnce(Reactor) -> Result + Send + 'static) -> Result<(), Failure> {
        let trial = *self;
        // A thread of its own, so that one that blocks its loop fails. It is called like the test, for messages.
        let (tell, result) = mpsc::channel();
        let mut thread = thread::Builder::new();
        if let Some(name) = thread::current().name() {
            thread = thread.name(name.to_owned());
        }
        let run = move || drop(tell.send(trial.judge(|| System::new(trial.time), test)));
        thread.spawn(run).map_err(|error| Failure(format!("there is no thread for the test: {error}")))?;
        let late = self.time.saturating_add(SETTLING).saturating_add(STUCK);
        result.recv_timeout(late).unwrap_or_else(|error| {
            Err(Failure(match error {
                RecvTimeoutError::Timeout => {
                    format!("the loop did not come back for {STUCK:?}: something blocks it")
                }
                RecvTimeoutError::Disconnected => "the test's thread has panicked outside of the loop".into(),
            }))
        })
    }

    /// Runs a test in the simulator.
    ///
    /// # Errors
    /// The test has failed: see the module for the reasons.
    ///
    /// # Panics
    /// It goes round in circles: see [`Net::run`](trenza_sim::Net::run).
    pub fn run_seed(
        &self,
        seed: u64,
        test: impl AsyncFnOnce(Reactor) -> Result + 'static,
    ) -> Result<(), Failure> {
        self.judge(|| Ok(Simulated::new(seed, self.time)), test)
    }

    /// Runs a test on the real driver.
    ///
    /// # Panics
    /// The test has failed.
    #[track_caller]
    pub fn check(&self, test: impl AsyncFnOnce(Reactor) -> Result + Send + 'static) {
        if let Err(failure) = self.run(test) {
            panic!("{failure}");
        }
    }

    /// Runs a test in the simulator with each seed. A failing seed is printed with the command that replays it.
    ///
    /// # Panics
    /// The test has failed.
    pub fn check_seeds(
        &self,
        seeds: Range<u64>,
        test: impl AsyncFnOnce(Reactor) -> Result + Clone + 'static,
    ) {
        trenza_sim::for_seeds(seeds, |seed| {
            if let Err(failure) = self.run_seed(seed, test.clone()) {
                panic!("with seed {seed}: {failure}");
            }
        });
    }

    fn judge<W: World>(
        &self,
        world: impl FnOnce() -> Result<W, Failure>,
        test: impl AsyncFnOnce(Reactor) -> Result + 'static,
    ) -> Result<(), Failure> {
        panics::watch();
        let mut world = world()?;
        let judged = self.go(&mut world, test);
        drop(world);
        panics::none().and(judged)
    }

    fn go(
        &self,
        world: &mut impl World,
        test: impl AsyncFnOnce(Reactor) -> Result + 'static,
    ) -> Result<(), Failure> {
        crate::register(&world.reactor());
        let outcome = start(&world.reactor(), test);
        world.run(&|_| outcome.borrow().is_some())?;
        panics::none()?;
        match outcome.take() {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(Failure(format!("the test has failed: {error}"))),
            None if world.is_stopped() => {
                return Err(Failure("the reactor was stopped before the test had ended".into()));
            }
            None => return Err(self.late(&world.leftovers())),
        }
        if self.until_idle {
            world.run(&|left| left == Left::default())?;
        } else {
            world.settle()?;
        }
        panics::none()?;
        match world.left() {
            nothing if nothing == Left::default() => Ok(()),
            _ if self.until_idle => Err(self.late(&world.leftovers())),
            _ => Err(Failure(format!("left behind:{}", listed(&world.leftovers())))),
        }
    }

    fn late(&self, leftovers: &[Leftover]) -> Failure {
        Failure(format!("not done after {:?}; the loop holds:{}", self.time, listed(leftovers)))
    }
}

/// What became of a test's coroutine, when it has ended.
type Outcome = Rc<RefCell<Option<Result>>>;

fn start(reactor: &Reactor, test: impl AsyncFnOnce(Reactor) -> Result + 'static) -> Outcome {
    let outcome = Outcome::default();
    let (place, own) = (outcome.clone(), reactor.clone());
    let task = reactor.spawn(async move { test(own).await });
    task.then(move |result| *place.borrow_mut() = Some(result));
    outcome
}

/// A line for each, without the test's own coroutine.
fn listed(leftovers: &[Leftover]) -> String {
    let others: Vec<_> = leftovers.iter().filter(|left| left.made.file() != file!()).collect();
    if others.is_empty() {
        return "\n  nothing but the test itself".into();
    }
    others.iter().map(|left| format!("\n  {left}")).collect()
}

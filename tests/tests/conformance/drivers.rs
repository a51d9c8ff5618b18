//! The drivers that cases run on, and what must be true when a case has ended.

use crate::{
    ground::{End, Ground},
    programs,
};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    rc::Rc,
    sync::{Once, mpsc},
    thread,
    time::{Duration, Instant},
};
use trenza_core::{
    Engine, Left, Result,
    driver::{Driver, Host},
};
use trenza_sim::{Net, for_seeds};
use trenza_sys::PollDriver;
#[cfg(target_os = "linux")]
use {
    std::io::{self, Write},
    trenza_sys::UringDriver,
};

/// A case.
pub(crate) type Case = fn(Ground) -> Pin<Box<dyn Future<Output = Result>>>;

/// What one receive of the portable driver brings, all that the buffers of the other hold, and what the simulator may.
const READ: u64 = 64 * 1024;
#[cfg(target_os = "linux")]
const RING: u64 = 2 * 1024 * 1024;
const SIMULATED: u64 = 4 * READ;
/// How long a case may take on a real system before it has failed. Far more than any of them needs, also where many others
/// compile: two hundred forks of a process that has grown to 600 MB took over 30 s there.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a case may take with all its seeds, also when a loop does not come back.
const WATCH: Duration = Duration::from_secs(180);
/// A case runs with so many seeds in the simulator, the first few of them in a network without hostility.
const SEEDS: u64 = 24;
const GENTLE: u64 = 4;
/// What a panic says that is part of a case. Any other is a failed assertion, though the engine contains it.
pub(crate) const ON_PURPOSE: &str = "on purpose";

/// Runs a case on the portable driver.
pub(crate) fn poll(case: Case) {
    watched(move || on_system(Box::new(PollDriver::new().unwrap()), READ, case));
}

/// Runs a case on the driver over io_uring, where the kernel has it. Else that is said past the test runner, which would
/// keep it to itself.
#[cfg(target_os = "linux")]
pub(crate) fn uring(name: &'static str, case: Case) {
    watched(move || match UringDriver::new() {
        Ok(driver) => on_system(Box::new(driver), RING, case),
        Err(error) => drop(writeln!(io::stderr(), "not run: {name}, on io_uring: {error}")),
    });
}

/// Runs a case in the simulator, with many seeds.
pub(crate) fn sim(case: Case) {
    watched(move || for_seeds(0..SEEDS, |seed| on_sim(seed, case)));
}

fn on_system(driver: Box<dyn Driver>, late_bytes: u64, case: Case) {
    let host = driver.host();
    let late = host.now() + PATIENCE;
    let mut engine = Engine::new(driver);
    let ground = Ground::on_system(engine.reactor(), late_bytes);
    let outcome = engine.enter(|_| start(&ground, case));
    run(&mut engine, &*host, late, |_, _| {
        ground.count_turn();
        outcome.is_some()
    });
    outcome.take().unwrap();
    let mut check: Option<Box<dyn FnOnce()>> = None;
    match ground.end() {
        End::OfCase => {
            run(&mut engine, &*host, late, |engine, _| nothing_but_ports(engine.left()));
            engine.enter(|_| ground.stop_ports());
            run(&mut engine, &*host, late, |engine, _| engine.left() == Left::default());
        }
        End::OfLoop(then) => {
            run(&mut engine, &*host, late, |_, going| !going);
            assert_eq!((engine.left().connections, engine.left().ports), (0, 0));
            check = Some(then);
        }
    }
    drop((ground, engine));
    if let Some(check) = check {
        check();
        no_panics();
    }
    assert_eq!(Rc::strong_count(&host), 1, "something of the loop is still referred to: a cycle");
}

/// Runs the loop until `done`, which is told whether it goes on.
fn run(engine: &mut Engine, host: &dyn Host, late: Instant, mut done: impl FnMut(&Engine, bool) -> bool) {
    loop {
        let going = engine.dispatch();
        if done(engine, going) {
            return;
        }
        assert!(host.now() < late, "not done after {PATIENCE:?}; left: {:?}", engine.left());
        let until = engine.until().map_or(late, |until| until.min(late));
        engine.driver().wait(Some(until)).unwrap();
    }
}

fn on_sim(seed: u64, case: Case) {
    let net = if seed < GENTLE { Net::gentle(seed) } else { Net::new(seed) };
    // From 1 to 64 KiB, so that much or little is on its way.
    net.window(1 << (10 + seed * 5 % 7));
    net.allow_panics();
    let host = net.host("here");
    programs::install(&host);
    let ground = Ground::on_sim(&host, SIMULATED);
    let outcome = host.run(|_| start(&ground, case));
    net.run_until(|| outcome.is_some());
    outcome.take().unwrap();
    match ground.end() {
        End::OfCase => {
            wait_in(&net, || nothing_but_ports(host.left()), || format!("left: {:?}", host.left()));
            host.run(|_| ground.stop_ports());
            wait_in(&net, || host.left() == Left::default(), || format!("left: {:?}", host.left()));
        }
        End::OfLoop(check) => {
            wait_in(&net, || !host.is_running(), || "the loop goes on".into());
            check();
            no_panics();
        }
    }
}

/// Lets virtual time pass until `done`.
fn wait_in(net: &Net, done: impl Fn() -> bool, what: impl Fn() -> String) {
    let late = net.elapsed() + PATIENCE;
    net.run_until(|| {
        assert!(net.elapsed() < late, "not done after {PATIENCE:?}; {}", what());
        done()
    });
}

fn nothing_but_ports(left: Left) -> bool {
    left == Left { ports: left.ports, ..Left::default() }
}

/// What became of a case.
struct Outcome(Rc<RefCell<Option<Result>>>);

impl Outcome {
    fn is_some(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Fails the test if the case has failed, or if something has panicked that should not.
    fn take(&self) -> Option<()> {
        let result = self.0.take()?;
        no_panics();
        if let Err(error) = result {
            panic!("the case has failed: {error}");
        }
        Some(())
    }
}

fn start(ground: &Ground, case: Case) -> Outcome {
    count_panics();
    let outcome = Rc::new(RefCell::new(None));
    let place = outcome.clone();
    let task = case(ground.clone());
    ground.reactor().spawn(task).then(move |result| *place.borrow_mut() = Some(result));
    Outcome(outcome)
}

thread_local! {
    /// Panics of this thread that were no part of its case.
    static PANICS: Cell<Vec<String>> = const { Cell::new(Vec::new()) };
}

fn no_panics() {
    let panics = PANICS.take();
    assert!(panics.is_empty(), "callbacks have panicked: {panics:#?}");
}

fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if text.contains(ON_PURPOSE) {
                return;
            }
            let mut panics = PANICS.take();
            panics.push(format!("{text} at {:?}", info.location()));
            PANICS.set(panics);
            former(info);
        }));
    });
    PANICS.take();
}

/// Runs a case on a thread of its own, so that one that does not end fails.
#[allow(clippy::disallowed_methods)] // the watch must not depend on what it watches
fn watched(run: impl FnOnce() + Send + 'static) {
    let (done, end) = mpsc::channel();
    let name = thread::current().name().unwrap_or("case").to_owned();
    let run = move || drop(done.send(panic::catch_unwind(AssertUnwindSafe(run))));
    thread::Builder::new().name(name).spawn(run).unwrap();
    match end.recv_timeout(WATCH) {
        Ok(Ok(())) => {}
        Ok(Err(payload)) => panic::resume_unwind(payload),
        Err(_) => panic!("not done after {WATCH:?}: a loop does not come back"),
    }
}

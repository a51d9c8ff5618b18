//! Child processes where time passes and machines fail: in the simulator.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    Command, ExitStatus, Input, Left, Process, ProcessProtocol, Protocol, Reason, Result, Signal, Transport,
};
use trenza_sim::{HostHandle, Net, for_seeds};

struct Discard;

impl Protocol for Discard {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// Notes what it hears, and keeps what it reads.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<String>>>, Rc<RefCell<Vec<u8>>>);

impl Notes {
    fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    fn count(&self, what: &str) -> usize {
        self.0.borrow().iter().filter(|note| note.starts_with(what)).count()
    }
}

impl ProcessProtocol for Notes {
    fn received(&mut self, _: &Process, _: u32, input: &mut Input<'_>) -> Result {
        self.1.borrow_mut().extend_from_slice(input.rest());
        Ok(())
    }
    fn pipe_closed(&mut self, _: &Process, which: u32, _: &Reason) -> Result {
        self.note(format!("closed {which}"));
        Ok(())
    }
    fn exited(&mut self, _: &Process, status: ExitStatus) -> Result {
        self.note(format!("exited {status}"));
        Ok(())
    }
    fn ended(&mut self, process: &Process, reason: &Reason) {
        self.note(format!("ended {reason} {:?}", process.status()));
    }
}

/// A program that ends for no other reason than a signal.
fn sleeper(host: &HostHandle, stubborn: bool) {
    host.program("sleep", move |fake| async move {
        if stubborn {
            fake.catch(Signal::Terminate);
        }
        fake.reactor().sleep(Duration::from_secs(100_000)).await;
        Ok(ExitStatus::Code(0))
    });
}

#[test]
fn output_is_whole_whatever_comes_first() {
    // The exit, what was said last and the ends of the pipes come in every order.
    let orders = Rc::new(RefCell::new(std::collections::BTreeSet::new()));
    for_seeds(0..200, |seed| {
        let net = Net::new(seed);
        let host = net.host("here");
        host.program("talk", async |mut fake| {
            for n in 0..20 {
                fake.write(1, format!("{n} ").as_bytes()).await?;
            }
            Ok(ExitStatus::Code(4))
        });
        let notes = Notes::default();
        let own = notes.clone();
        host.run(|reactor| reactor.spawn_process(Command::new("talk"), own)).unwrap();
        net.run();
        let all: String = (0..20).map(|n| format!("{n} ")).collect();
        assert_eq!(String::from_utf8_lossy(&notes.1.borrow()), all);
        assert_eq!(host.left(), Left::default());
        assert_eq!(
            (notes.count("exited exit code 4"), notes.count("ended"), notes.count("closed")),
            (1, 1, 3)
        );
        assert!(notes.0.borrow().last().is_some_and(|last| last.starts_with("ended closed")));
        assert_eq!(net.ends(), 0);
        orders.borrow_mut().insert(notes.0.borrow().clone());
    });
    assert!(orders.borrow().len() > 10, "only {} orders", orders.borrow().len());
}

#[test]
fn a_run_is_the_same_again() {
    let run = |seed| {
        let net = Net::new(seed);
        let host = net.host("here");
        host.program("cat", async |mut fake| {
            while let Some(bytes) = fake.read(0).await? {
                fake.write(1, &bytes).await?;
            }
            Ok(ExitStatus::Code(0))
        });
        host.run(|reactor| {
            for _ in 0..5 {
                let process = reactor.spawn_process(Command::new("cat"), Notes::default()).unwrap();
                process.write(0, &[b'x'; 5000]);
                process.close(0);
            }
        });
        net.run();
        assert_eq!(host.left(), Left::default());
        net.fingerprint()
    };
    for_seeds(0..20, |seed| assert_eq!(run(seed), run(seed)));
}

#[test]
fn a_crash_takes_the_children_along() {
    for_seeds(0..30, |seed| {
        let net = Net::new(seed);
        let host = net.host("here");
        sleeper(&host, true);
        let notes = Notes::default();
        let own = notes.clone();
        let ticks = Rc::new(Cell::new(0));
        let ticking = ticks.clone();
        host.program("tick", move |fake| {
            let ticks = ticking.clone();
            async move {
                loop {
                    fake.reactor().sleep(Duration::from_secs(1)).await;
                    ticks.set(ticks.get() + 1);
                }
            }
        });
        host.run(|reactor| {
            reactor.spawn_process(Command::new("sleep"), own).unwrap();
            reactor.spawn_process(Command::new("tick"), Notes::default()).unwrap();
        });
        net.advance(Duration::from_millis(3500));
        assert_eq!(ticks.get(), 3);
        host.crash();
        assert_eq!((notes.count("exited"), notes.count("ended")), (0, 1));
        net.advance(Duration::from_secs(10));
        assert_eq!(ticks.get(), 3);
        // Nobody hears of former children after the restart.
        host.restart(|_| ());
        net.run();
        assert_eq!((host.left(), net.ends()), (Left::default(), 0));
    });
}

#[test]
fn an_engine_that_is_killed_takes_its_children_along() {
    for_seeds(0..30, |seed| {
        let net = Net::new(seed);
        let host = net.host("here");
        sleeper(&host, false);
        let notes = Notes::default();
        let own = notes.clone();
        let process = host.run(|reactor| reactor.spawn_process(Command::new("sleep"), own)).unwrap();
        net.run();
        host.kill();
        net.run();
        assert_eq!(*notes.0.borrow(), ["ended the reactor stopped None"]);
        assert!(process.signal(Signal::Terminate).is_err());
        assert_eq!(net.ends(), 0);
    });
}

#[test]
fn signals_do_what_the_program_says() {
    for_seeds(0..30, |seed| {
        let net = Net::new(seed);
        let host = net.host("here");
        sleeper(&host, true);
        let process = host.run(|reactor| reactor.spawn_process(Command::new("sleep"), Notes::default()));
        let process = process.unwrap();
        net.run();
        for signal in [Signal::Terminate, Signal::Continue, Signal::Window] {
            process.signal(signal).unwrap();
        }
        net.run();
        assert_eq!(process.status(), None);
        assert!(process.signal(Signal::Stop).is_err());
        process.signal(Signal::Kill).unwrap();
        net.run();
        assert_eq!(process.status(), Some(Signal::Kill.into()));
        assert_eq!(host.left(), Left::default());
    });
}

#[test]
fn a_program_of_a_connection_ends_with_it_or_is_made_to() {
    for stubborn in [false, true] {
        for_seeds(0..20, |seed| {
            let net = Net::new(seed);
            let host = net.host("here");
            sleeper(&host, stubborn);
            let line = line!() + 2;
            host.run(|reactor| {
                reactor.connect("exec:sleep", |_| Discard).then(|made| made.unwrap().close());
            });
            net.run();
            let left = host.leftovers();
            assert_eq!(left.len(), 2, "{left:?}");
            assert!(
                left.iter().all(|left| left.made.file() == file!() && left.made.line() == line),
                "{left:?}"
            );
            net.advance(Duration::from_secs(4));
            assert_eq!(host.left().processes, 1);
            net.advance(Duration::from_secs(2));
            assert_eq!(host.left().processes, usize::from(stubborn));
            net.advance(Duration::from_secs(5));
            assert_eq!((host.left(), net.ends()), (Left::default(), 0));
        });
    }
}

#[test]
fn children_of_children_end_with_them() {
    let net = Net::new(1);
    let host = net.host("here");
    sleeper(&host, true);
    host.program("parent", async |fake| {
        let child = fake.reactor().spawn_process(Command::new("sleep"), Notes::default())?;
        child.ended().await
    });
    let process =
        host.run(|reactor| reactor.spawn_process(Command::new("parent"), Notes::default())).unwrap();
    net.run();
    process.abort();
    net.run();
    assert_eq!((host.left(), net.ends()), (Left::default(), 0));
}

#[test]
fn a_number_that_is_given_out_again_confuses_nobody() {
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        let host = net.host("here");
        host.program("talk", async |mut fake| {
            fake.write(1, b"the first").await?;
            Ok(ExitStatus::Code(1))
        });
        host.program("leave", async |_| Ok(ExitStatus::Code(2)));
        let [first, second] = [Notes::default(), Notes::default()];
        // Its output is not taken yet when it is gone, so it has exited and not ended.
        let (own, talk) = (first.clone(), Command::new("talk"));
        let one = host.run(|reactor| reactor.spawn_process(talk, own)).unwrap();
        net.run_until(|| one.pipe(1).is_some());
        one.pipe(1).unwrap().pause();
        net.run();
        assert_eq!((first.count("exited"), first.count("ended")), (1, 0));
        let (own, leave) = (second.clone(), Command::new("leave"));
        let other = host.run(|reactor| reactor.spawn_process(leave, own)).unwrap();
        assert_eq!(other.pid(), one.pid());
        assert!(one.signal(Signal::Kill).is_err(), "it would hit the other one");
        net.run();
        assert_eq!((second.count("exited exit code 2"), second.count("ended")), (1, 1));
        assert_eq!((one.status(), first.count("exited")), (Some(ExitStatus::Code(1)), 1));
        one.pipe(1).unwrap().resume();
        net.run();
        assert_eq!((first.count("ended"), first.1.borrow().as_slice()), (1, &b"the first"[..]));
        assert_eq!((host.left(), net.ends()), (Left::default(), 0));
    });
}

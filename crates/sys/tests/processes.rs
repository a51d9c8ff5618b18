//! Child processes as the system sees them: what they have of ours, and what is left of them.
#![cfg(target_os = "linux")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::disallowed_methods)]

#[macro_use]
mod common;

use rustix::io::{FdFlags, fcntl_setfd};
use std::{
    fs::{self, File},
    io::Read,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::Path,
};
use trenza_core::{
    Command, Engine, ExitStatus, Input, Output, Process, ProcessProtocol, Reactor, Result,
    driver::{Descriptor, Window},
};
use trenza_sys::DriverKind;

cases! {
    a_child_has_no_descriptor_but_those_that_it_was_given
    a_given_descriptor_is_what_it_was
    signals_do_in_it_what_they_do_by_default
    it_leads_what_it_was_told_to_lead
    closing_its_terminal_hangs_it_up
    it_runs_as_whom_it_was_told
    no_zombie_and_no_descriptor_is_left
    an_engine_that_is_dropped_takes_its_children_along
}

fn engine(kind: DriverKind) -> Engine {
    Engine::new(kind.driver().unwrap())
}

/// Runs a coroutine to its end.
fn block_on<T: 'static>(kind: DriverKind, test: impl AsyncFnOnce(Reactor) -> Result<T> + 'static) -> T {
    let mut engine = engine(kind);
    let place = std::rc::Rc::new(std::cell::RefCell::new(None));
    let result = place.clone();
    engine.enter(|reactor| {
        let own = reactor.clone();
        reactor.spawn(async move { test(own).await }).then(move |done| *result.borrow_mut() = Some(done));
    });
    loop {
        engine.dispatch();
        if let Some(done) = place.take() {
            return done.unwrap();
        }
        let until = engine.until();
        engine.driver().wait(until).unwrap();
    }
}

async fn output(reactor: &Reactor, command: Command) -> Result<Output> {
    reactor.output(command).await
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

fn shell(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

/// A descriptor that any program would inherit.
fn careless() -> OwnedFd {
    let file = OwnedFd::from(File::open("/dev/zero").unwrap());
    fcntl_setfd(&file, FdFlags::empty()).unwrap();
    file
}

fn a_child_has_no_descriptor_but_those_that_it_was_given(kind: DriverKind) {
    block_on(kind, async |reactor: Reactor| {
        let careless: Vec<OwnedFd> = (0..20).map(|_| careless()).collect();
        let other = reactor.spawn_process(shell("sleep 1000"), Silent)?;
        // `ls` itself has the folder open.
        let command = || Command::new("ls").arg("/proc/self/fd");
        assert_eq!(lines(&output(&reactor, command()).await?), ["0", "1", "2", "3"]);
        let more = command().descriptor(7, Descriptor::Null).descriptor(30, Descriptor::ToChild);
        assert_eq!(lines(&output(&reactor, more).await?), ["0", "1", "2", "3", "30", "7"]);
        drop(careless);
        other.abort();
        other.ended().await
    });
}

fn a_given_descriptor_is_what_it_was(kind: DriverKind) {
    block_on(kind, async |reactor: Reactor| {
        let (mut read, write) = std::io::pipe()?;
        let command = shell("printf hello >&9").descriptor(9, Descriptor::Given(write.into()));
        let said = output(&reactor, command).await?;
        assert!(said.status.success() && said.stdout.is_empty());
        let mut text = String::new();
        read.read_to_string(&mut text)?;
        assert_eq!(text, "hello");
        Ok(())
    });
}

fn signals_do_in_it_what_they_do_by_default(kind: DriverKind) {
    block_on(kind, async |reactor: Reactor| {
        let said = output(&reactor, Command::new("grep").args(["^Sig", "/proc/self/status"])).await?;
        for line in lines(&said) {
            let (name, mask) = line.split_once(":\t").unwrap();
            let mask = u64::from_str_radix(mask, 16).unwrap_or(0);
            let broken_pipe = 1 << (13 - 1);
            match name {
                "SigBlk" | "SigPnd" => assert_eq!(mask, 0, "{line}"),
                "SigIgn" => assert_eq!(mask & broken_pipe, 0, "{line}"),
                _ => {}
            }
        }
        // It ends by the signal when nobody reads, as a part of any pipeline does.
        let process = reactor.spawn_process(shell("while :; do echo y; done"), Silent)?;
        process.close(1);
        assert_eq!(process.ended().await?, trenza_core::Signal::Pipe.into());
        Ok(())
    });
}

fn it_leads_what_it_was_told_to_lead(kind: DriverKind) {
    block_on(kind, async |reactor: Reactor| {
        // pid, group, session, terminal
        let stat = || Command::new("cut").args(["-d", " ", "-f", "1,5,6,7", "/proc/self/stat"]);
        let numbers = |output: &Output| -> Vec<i64> {
            lines(output)[0].split(' ').map(|field| field.trim().parse().unwrap()).collect()
        };
        let ours = numbers(&output(&reactor, stat()).await?);
        assert!(ours[0] != ours[1]);
        let group = numbers(&output(&reactor, stat().new_group()).await?);
        assert!(group[0] == group[1] && group[2] == ours[2]);
        let session = numbers(&output(&reactor, stat().new_session()).await?);
        assert!(session[0] == session[1] && session[0] == session[2] && session[3] == 0);
        let terminal = numbers(&output(&reactor, stat().terminal(Window::default())).await?);
        assert!(terminal[0] == terminal[2] && terminal[3] != 0, "{terminal:?}");
        Ok(())
    });
}

fn closing_its_terminal_hangs_it_up(kind: DriverKind) {
    block_on(kind, async |reactor: Reactor| {
        let process = reactor.spawn_process(shell("sleep 1000").terminal(Window::default()), Silent)?;
        process.handle::<Silent>().call(|_, process| {
            process.close(0);
            Ok(())
        });
        assert_eq!(process.ended().await?, trenza_core::Signal::Hangup.into());
        Ok(())
    });
}

fn it_runs_as_whom_it_was_told(kind: DriverKind) {
    let root = rustix::process::geteuid().is_root();
    block_on(kind, async move |reactor: Reactor| {
        let id = || Command::new("sh").args(["-c", "id -u; id -g; id -G"]);
        if !root {
            let refused = output(&reactor, id().uid(0)).await.unwrap_err().to_string();
            assert!(refused.contains("as another user or group"), "{refused}");
            return Ok(());
        }
        assert_eq!(lines(&output(&reactor, id().uid(1234).gid(2345)).await?), ["1234", "2345", "2345"]);
        let more = id().uid(1234).gid(2345).groups([77, 78]);
        assert_eq!(lines(&output(&reactor, more).await?), ["1234", "2345", "2345 77 78"]);
        let hidden = tempfile::tempdir()?;
        let inside = hidden.path().join("inside");
        fs::create_dir(&inside)?;
        fs::set_permissions(hidden.path(), fs::Permissions::from_mode(0o700))?;
        let error = output(&reactor, id().uid(1234).current_dir(inside)).await.unwrap_err().to_string();
        assert!(error.contains("its directory") && error.contains("Permission denied"), "{error}");
        Ok(())
    });
}

fn no_zombie_and_no_descriptor_is_left(kind: DriverKind) {
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let pids = block_on(kind, async |reactor: Reactor| {
        let mut pids = Vec::new();
        for n in 0..50 {
            let process = reactor.spawn_process(shell(&format!("exit {n}")), Silent)?;
            pids.push(process.pid());
            assert_eq!(process.ended().await?, ExitStatus::Code(n));
        }
        Ok(pids)
    });
    // Their numbers may be others' by now, but then those are no children of ours.
    let ours = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        parent == Some(std::process::id())
    };
    assert!(!pids.iter().any(ours));
    // Other tests have descriptors too.
    assert!(descriptors() < before + 100);
}

fn an_engine_that_is_dropped_takes_its_children_along(kind: DriverKind) {
    let mut engine = engine(kind);
    let process = engine.enter(|reactor| reactor.spawn_process(shell("sleep 1000"), Silent)).unwrap();
    engine.dispatch();
    let pid = process.pid();
    drop(engine);
    assert_eq!(process.status(), None);
    assert!(process.signal(trenza_core::Signal::Terminate).is_err());
    let path = format!("/proc/{pid}");
    let mut patience = 3000;
    while Path::new(&path).exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
        patience -= 1;
        assert!(patience > 0, "it is still there");
    }
}

/// Reads and says nothing.
struct Silent;

impl ProcessProtocol for Silent {
    fn received(&mut self, _: &Process, _: u32, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

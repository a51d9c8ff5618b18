//! Adopted descriptors: files, devices and terminals, which the simulator does not have.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

#[macro_use]
mod common;

use common::DEADLINE;
use std::{
    cell::{Cell, RefCell},
    fs::{self, File},
    io::{Read, Seek, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    rc::Rc,
    time::{Duration, Instant},
};
use trenza_core::{
    Engine, Input, Limits, Protocol, Reason, Result, Transport,
    driver::{Close, Ends, Event, Open},
};
use trenza_sys::DriverKind;
use trenza_wire::OutBuf;

cases! {
    a_file_is_read_to_its_end_and_others_have_their_turn
    a_file_that_is_paused_does_not_keep_the_loop_busy
    a_file_is_written_with_what_is_sent_from_another
    an_idle_writer_of_a_file_rests
    devices_that_no_poller_takes_are_always_ready
    #[cfg(target_os = "linux")]
    a_full_disk_is_an_error
    #[cfg(target_os = "linux")]
    a_terminal_is_a_connection_that_closes_at_once
    #[cfg(target_os = "linux")]
    a_terminal_that_has_ended_does_not_keep_the_loop_busy
    nothing_stays_open_after_the_end
    one_look_brings_the_descriptors_of_one_message
    a_descriptor_of_the_start_is_taken_once_by_its_number
}

/// What a protocol has heard.
#[derive(Clone, Default)]
struct Heard {
    bytes: Rc<RefCell<Vec<u8>>>,
    end: Rc<RefCell<Option<String>>>,
    pieces: Rc<Cell<usize>>,
}

struct Listens(Heard);

impl Protocol for Listens {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.pieces.set(self.0.pieces.get() + 1);
        self.0.bytes.borrow_mut().extend_from_slice(input.rest());
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        *self.0.end.borrow_mut() = Some(reason.to_string());
    }
}

/// Runs a loop until `done`; gives how many turns it took.
fn run(engine: &mut Engine, mut done: impl FnMut() -> bool) -> usize {
    let late = Instant::now() + Duration::from_secs(20);
    let mut turns = 0;
    while !done() {
        assert!(Instant::now() < late, "not done");
        engine.dispatch();
        let until = engine.until().unwrap_or(late).min(Instant::now() + Duration::from_millis(20));
        engine.driver().wait(Some(until)).unwrap();
        turns += 1;
    }
    turns
}

fn engine(kind: DriverKind) -> Engine {
    Engine::new(kind.driver().unwrap())
}

fn adopt(engine: &mut Engine, ends: Ends) -> (Transport, Heard) {
    let heard = Heard::default();
    let (ours, made) = (heard.clone(), Rc::new(RefCell::new(None)));
    let place = made.clone();
    engine.enter(|reactor| {
        reactor.adopt(ends, move |_| Listens(ours)).then(move |result| *place.borrow_mut() = Some(result));
    });
    run(engine, || made.borrow().is_some());
    (made.take().unwrap().unwrap(), heard)
}

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

fn text(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 251) as u8).collect()
}

fn a_file_is_read_to_its_end_and_others_have_their_turn(kind: DriverKind) {
    let mut engine = engine(kind);
    let text = text(3 << 20);
    let (_file, read) = adopt(&mut engine, Ends::reading(file(&text)));
    let (near, mut far) = UnixStream::pair().unwrap();
    let (_near, other) = adopt(&mut engine, Ends::one(near));
    far.write_all(b"me too").unwrap();
    run(&mut engine, || !other.bytes.borrow().is_empty());
    assert!(read.end.borrow().is_none(), "the file was read before anybody else had a turn");
    run(&mut engine, || read.end.borrow().is_some());
    assert!(*read.bytes.borrow() == text);
    assert_eq!(read.end.borrow().as_deref(), Some("closed by the peer"));
}

fn a_file_that_is_paused_does_not_keep_the_loop_busy(kind: DriverKind) {
    let mut engine = engine(kind);
    let (transport, read) = adopt(&mut engine, Ends::reading(file(&text(1 << 20))));
    engine.enter(|_| transport.pause());
    let end = Instant::now() + Duration::from_millis(200);
    let turns = run(&mut engine, || Instant::now() > end);
    assert!(turns < 40, "it spins: {turns} turns");
    assert!(read.end.borrow().is_none());
    engine.enter(|_| transport.resume());
    run(&mut engine, || read.end.borrow().is_some());
    assert_eq!(read.bytes.borrow().len(), 1 << 20);
}

fn a_file_is_written_with_what_is_sent_from_another(kind: DriverKind) {
    let mut engine = engine(kind);
    let (source, mut target) = (file(&text(300_000)), tempfile::tempfile().unwrap());
    let (transport, heard) = adopt(&mut engine, Ends::writing(target.try_clone().unwrap()));
    engine.enter(|_| {
        transport.write(b"head ");
        transport.send_file(source, 0..300_000);
        transport.write_bytes(text(3 << 20).into());
        transport.close();
    });
    run(&mut engine, || heard.end.borrow().is_some());
    assert_eq!(heard.end.borrow().as_deref(), Some("closed"));
    let mut written = Vec::new();
    target.rewind().unwrap();
    target.read_to_end(&mut written).unwrap();
    assert!(written == [b"head ".to_vec(), text(300_000), text(3 << 20)].concat());
}

fn an_idle_writer_of_a_file_rests(kind: DriverKind) {
    let mut engine = engine(kind);
    let (_transport, _heard) = adopt(&mut engine, Ends::writing(tempfile::tempfile().unwrap()));
    let end = Instant::now() + Duration::from_millis(200);
    let turns = run(&mut engine, || Instant::now() > end);
    assert!(turns < 40, "it spins: {turns} turns");
}

fn devices_that_no_poller_takes_are_always_ready(kind: DriverKind) {
    let mut engine = engine(kind);
    let (_null, heard) = adopt(&mut engine, Ends::reading(File::open("/dev/null").unwrap()));
    run(&mut engine, || heard.end.borrow().is_some());
    assert_eq!(heard.end.borrow().as_deref(), Some("closed by the peer"));
    let null = File::options().write(true).open("/dev/null").unwrap();
    let (transport, heard) = adopt(&mut engine, Ends::two(file(b"input"), null));
    engine.enter(|_| transport.write(&text(1 << 20)));
    run(&mut engine, || heard.end.borrow().is_some());
    assert_eq!(*heard.bytes.borrow(), b"input");
}

#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error(kind: DriverKind) {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut engine = engine(kind);
    let (transport, heard) = adopt(&mut engine, Ends::writing(full));
    engine.enter(|_| transport.write(b"there is no room"));
    run(&mut engine, || heard.end.borrow().is_some());
    assert!(heard.end.borrow().as_deref().unwrap().contains("space"), "{heard:?}", heard = heard.end);
}

#[cfg(target_os = "linux")]
fn a_terminal_is_a_connection_that_closes_at_once(kind: DriverKind) {
    use rustix::{
        fs::{Mode, OFlags},
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };
    let control: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let name = ptsname(&control, Vec::new()).unwrap();
    let terminal = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut engine = engine(kind);
    let (screen, typed) = adopt(&mut engine, Ends::one(terminal.try_clone().unwrap()));
    let (keys, shown) = adopt(&mut engine, Ends::one(control));
    engine.enter(|_| {
        keys.write(b"a line\n");
        screen.write(b"prompt> ");
    });
    // The terminal shows what is typed, before or behind what is written to it.
    let prompted = || shown.bytes.borrow().windows(8).any(|part| part == b"prompt> ");
    run(&mut engine, || *typed.bytes.borrow() == b"a line\n" && prompted());
    // There is no way to close one direction of it, and nobody waits for the other end.
    engine.enter(|_| {
        screen.set_limits(Limits { linger: Duration::from_secs(3600), ..Limits::default() });
        screen.close();
    });
    run(&mut engine, || typed.end.borrow().is_some());
    // The last copy of the terminal goes, which its control end hears.
    drop(terminal);
    run(&mut engine, || shown.end.borrow().is_some());
    assert_eq!(shown.end.borrow().as_deref(), Some("closed by the peer"));
}

#[cfg(target_os = "linux")]
fn a_terminal_that_has_ended_does_not_keep_the_loop_busy(kind: DriverKind) {
    use rustix::{
        fs::{Mode, OFlags},
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };
    let control: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let name = ptsname(&control, Vec::new()).unwrap();
    let terminal = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut driver = kind.driver().unwrap();
    let token = driver.open(Open::Adopt(Ends::one(terminal))).unwrap();
    driver.read(token, true);
    driver.wait(Some(Instant::now())).unwrap();
    assert!(driver.next().is_none());
    driver.close(token, Close::Write);
    driver.wait(Some(Instant::now())).unwrap();
    assert!(matches!(driver.next(), Some(Event::Eof { .. })));
    // Whoever types goes on, and nobody reads it.
    rustix::io::write(&control, b"a line\n").unwrap();
    let end = Instant::now() + Duration::from_millis(200);
    let mut waits = 0;
    while Instant::now() < end {
        driver.wait(Some(end)).unwrap();
        assert!(driver.next().is_none());
        waits += 1;
    }
    assert!(waits < 10, "it spins: {waits} waits");
}

fn nothing_stays_open_after_the_end(kind: DriverKind) {
    let open = || fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let mut engine = engine(kind);
    // What is opened once for all is there from now on.
    drop(adopt(&mut engine, Ends::writing(tempfile::tempfile().unwrap())));
    for _ in 0..20 {
        let [(read, write), (far_read, far_write)] = [(); 2].map(|()| std::io::pipe().unwrap());
        let (one, heard) = adopt(&mut engine, Ends::two(read, far_write));
        drop((write, far_read));
        engine.enter(|_| one.abort());
        run(&mut engine, || heard.end.borrow().is_some());
    }
    let before = open();
    for _ in 0..20 {
        let (read, write) = std::io::pipe().unwrap();
        let (one, heard) = adopt(&mut engine, Ends::reading(read));
        let (other, other_heard) = adopt(&mut engine, Ends::writing(write));
        engine.enter(|_| {
            other.close_write();
            one.close();
        });
        run(&mut engine, || heard.end.borrow().is_some() && other_heard.end.borrow().is_some());
    }
    // Other tests of this process open and close descriptors of their own meanwhile.
    assert!(open() < before + 20, "{} open before, {} now", before, open());
}

fn a_descriptor_of_the_start_is_taken_once_by_its_number(kind: DriverKind) {
    use rustix::io::{FdFlags, fcntl_setfd};
    use std::os::{fd::AsRawFd, unix::net::UnixListener};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let socket = UnixListener::bind(&path).unwrap();
    let endpoint = format!("fd:{}", socket.as_raw_fd());
    let mut engine = engine(kind);
    let listen = |engine: &mut Engine| {
        engine.enter(|reactor| reactor.listen(&endpoint, |_| Listens(Heard::default())))
    };
    // What the program has opened itself cannot be taken.
    let error = listen(&mut engine).unwrap_err().to_string();
    assert!(error.contains(&endpoint) && error.contains("not started with it"), "{error}");
    // As it comes from whoever starts a program.
    fcntl_setfd(&socket, FdFlags::empty()).unwrap();
    let port = listen(&mut engine).unwrap();
    // It is the port's from now on.
    std::mem::forget(socket);
    assert!(listen(&mut engine).is_err());
    let peer = UnixStream::connect(&path).unwrap();
    run(&mut engine, || port.connections() == 1);
    drop(peer);
    for wrong in ["fd:0", "fd:-1", "fd:x", "fd:99999", "fd:"] {
        let error = engine.enter(|reactor| reactor.listen(wrong, |_| Listens(Heard::default())).unwrap_err());
        assert!(error.to_string().contains(wrong), "{error}");
    }
}

/// A protocol that pauses, or a coroutine that takes each, never has more of them than one message brings.
fn one_look_brings_the_descriptors_of_one_message(kind: DriverKind) {
    const MESSAGES: usize = 40;
    let mut driver = kind.driver().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let [giver, taker] = [far, near].map(|end| driver.open(Open::Adopt(Ends::one(end))).unwrap());
    for _ in 0..MESSAGES {
        let mut out = OutBuf::new();
        (0..2).for_each(|_| out.push_descriptor(File::open("/dev/null").unwrap().into()));
        out.push_slice(b".");
        driver.send(giver, &mut out);
        assert!(out.is_empty());
    }
    driver.read(taker, true);
    let (mut descriptors, mut bytes) = (0, 0);
    while bytes < MESSAGES {
        driver.wait(Some(Instant::now() + DEADLINE)).unwrap();
        let before = bytes;
        while let Some(event) = driver.next() {
            match event {
                Event::Descriptor { token, .. } if token == taker => descriptors += 1,
                Event::Received { token, data } if token == taker => bytes += data.len(),
                other => panic!("{other:?}"),
            }
        }
        assert!(bytes <= before + 1, "{} messages at once", bytes - before);
        assert_eq!(descriptors, 2 * bytes);
        driver.read(taker, false);
        driver.wait(Some(Instant::now())).unwrap();
        assert!(driver.next().is_none(), "it has paused");
        driver.read(taker, true);
    }
}

//! Uploads: pushed bytes, backpressure, full disks, connections and machines that are gone.

use super::*;
use std::time::Duration;
use trenza_core::{Input, Protocol, Result, Transport};
use trenza_sim::{Dice, DiskFate, DiskVerb, for_seeds};
use trenza_storage::{UPLOAD_FULL, UPLOAD_MAX, Upload};

/// Stores what it receives up to the end, and answers.
struct Store {
    upload: Option<Upload>,
    /// It waits for room.
    full: bool,
}

impl Protocol for Store {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        let upload = self.upload.as_ref().unwrap();
        assert!(!self.full, "it is paused");
        upload.push(input.rest());
        if upload.is_full() {
            self.full = true;
            transport.pause();
            upload.room().then_in(transport.handle::<Self>(), |store, transport, room| {
                if let Err(error) = room {
                    write!(transport, "{:?}", Error::from(error).kind())?;
                    transport.close();
                } else {
                    store.full = false;
                    transport.resume();
                }
                Ok(())
            });
        }
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, _: &mut Input<'_>) -> Result {
        let finish = self.upload.take().unwrap().finish(true);
        finish.then_in(transport.handle::<Self>(), |_, transport, done| {
            match done {
                Ok(found) => write!(transport, "{}", found.size)?,
                Err(error) => write!(transport, "{:?}", Error::from(error).kind())?,
            }
            transport.close();
            Ok(())
        });
        Ok(())
    }
}

/// Stores the next connection's bytes as `a`.
fn serve(host: &HostHandle, how: Write) -> trenza_core::Port {
    let storage = host.run(|reactor| Storage::new(reactor, host.disk()));
    let slot = std::rc::Rc::new(std::cell::RefCell::new(None));
    let into = slot.clone();
    host.run(|_| {
        storage.upload(&path("a"), how).then(move |upload| *into.borrow_mut() = upload.ok());
    });
    host.listen("tcp:7", move |_| Store { upload: slot.take(), full: false })
}

#[test]
fn what_is_pushed_is_stored() {
    for_seeds(0..20, |seed| {
        let (net, host) = net(seed);
        net.job_time(Duration::from_millis(20));
        let _port = serve(&host, Write::Create);
        net.run();
        let text = noise(3 * UPLOAD_FULL + 12_345);
        let probe = net.host("cli").probe("tcp:srv:7");
        probe.send(&text);
        probe.close_write();
        net.run();
        assert_eq!(probe.received(), text.len().to_string().as_bytes(), "seed {seed}");
        assert!(get(&host.disk(), "a").unwrap() == text, "seed {seed}");
        // It was synced, and its name too.
        host.crash();
        assert!(get(&host.disk(), "a").unwrap() == text, "seed {seed}");
    });
}

#[test]
fn a_client_that_is_gone_leaves_nothing() {
    for_seeds(0..20, |seed| {
        let (net, host) = net(seed);
        net.job_time(Duration::from_millis(20));
        let _port = serve(&host, Write::Create);
        net.run();
        let probe = net.host("cli").probe("tcp:srv:7");
        probe.send(noise(2 * UPLOAD_FULL));
        net.advance(Duration::from_millis(Dice::new(seed, u64::MAX).below(200) as u64));
        probe.reset();
        net.run();
        assert_eq!(names(&host.disk()), 0, "seed {seed}");
    });
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    for_seeds(0..20, |seed| {
        let (net, host) = net(seed);
        let disk = host.disk();
        let length = 2 * UPLOAD_FULL;
        disk.set_capacity(Dice::new(seed, u64::MAX).below(length) as u64);
        let _port = serve(&host, Write::Create);
        net.run();
        let probe = net.host("cli").probe("tcp:srv:7");
        probe.send(noise(length));
        probe.close_write();
        net.run();
        assert_eq!(probe.received(), b"NoSpace", "seed {seed}");
        assert_eq!(names(&disk), 0, "seed {seed}");
    });
}

#[test]
fn an_upload_goes_on_where_it_broke_off() {
    let (net, host) = net(5);
    put(&host.disk(), "a", b"0123456789");
    let _port = serve(&host, Write::At(8));
    net.run();
    let probe = net.host("cli").probe("tcp:srv:7");
    probe.send("abcdef");
    probe.close_write();
    net.run();
    assert_eq!(probe.received(), b"14");
    assert_eq!(get(&host.disk(), "a").unwrap(), b"01234567abcdef");
}

#[test]
fn any_call_of_the_disk_may_fail() {
    for nth in 0..9 {
        let (net, host) = net(nth);
        let disk = host.disk();
        let mut calls = 0;
        let rule = disk.rule(move |_| {
            calls += 1;
            if calls == nth + 1 { DiskFate::Fail } else { DiskFate::Go }
        });
        let failed = run(&net, &host, async move |storage| {
            let upload = match storage.upload(&path("a"), Write::Create).await {
                Ok(upload) => upload,
                Err(error) => return Ok(Some(Error::from(error).kind())),
            };
            upload.push(&noise(1000));
            Ok(kind(upload.finish(true)).await)
        });
        net.run();
        drop(rule);
        assert!(failed.is_none_or(|kind| kind == ErrorKind::Io), "call {nth}: {failed:?}");
        let there = get(&disk, "a").is_some();
        assert!(there || failed.is_some(), "call {nth}");
        assert_eq!(names(&disk), usize::from(there), "call {nth} leaves something hidden");
    }
}

#[test]
fn a_result_that_nobody_waits_for_does_not_keep_it_from_ending() {
    let (net, host) = net(1);
    run(&net, &host, async move |storage| {
        let upload = storage.upload(&path("a"), Write::Create).await?;
        upload.push(b"text");
        drop(upload.finish(false));
        Ok(())
    });
    net.run();
    assert_eq!(get(&host.disk(), "a").unwrap(), b"text");
}

#[test]
fn who_pushes_on_although_it_is_full_gets_an_error() {
    let (net, host) = net(1);
    let disk = host.disk();
    run(&net, &host, async move |storage| {
        let upload = storage.upload(&path("a"), Write::Create).await?;
        upload.room().await?;
        for _ in 0..2 * UPLOAD_MAX / UPLOAD_FULL {
            upload.push(&[0; UPLOAD_FULL]);
        }
        assert_eq!(upload.pushed(), 2 * UPLOAD_MAX as u64);
        assert!(upload.is_full());
        assert_eq!(kind(upload.room()).await, Some(ErrorKind::Busy));
        assert_eq!(kind(upload.finish(false)).await, Some(ErrorKind::Busy));
        Ok(())
    });
    net.run();
    assert_eq!(names(&disk), 0);
}

#[test]
fn a_failure_ends_all_who_wait() {
    let (net, host) = net(1);
    let disk = host.disk();
    let _rule =
        disk.rule(|access| if access.verb() == DiskVerb::Write { DiskFate::Full } else { DiskFate::Go });
    run(&net, &host, async move |storage| {
        let upload = storage.upload(&path("a"), Write::Create).await?;
        upload.push(b"x");
        upload.push(&[0; UPLOAD_FULL]);
        let waiting = [upload.room(), upload.room()];
        for room in waiting {
            assert_eq!(kind(room).await, Some(ErrorKind::NoSpace));
        }
        upload.push(b"y");
        assert_eq!(kind(upload.finish(true)).await, Some(ErrorKind::NoSpace));
        Ok(())
    });
    net.run();
    assert_eq!(names(&disk), 0);
}

#[test]
fn what_was_answered_survives_any_crash() {
    for_seeds(0..300, |seed| {
        let (net, host) = net(seed);
        net.job_time(Duration::from_millis(20));
        let _port = serve(&host, Write::Create);
        net.run();
        let text = noise(5000);
        let probe = net.host("cli").probe("tcp:srv:7");
        probe.send(&text);
        probe.close_write();
        net.advance(Duration::from_millis(Dice::new(seed, u64::MAX).below(400) as u64));
        let answered = !probe.received().is_empty();
        host.crash();
        match get(&host.disk(), "a") {
            Some(found) => assert!(found == text, "seed {seed}"),
            None => assert!(!answered, "seed {seed}"),
        }
    });
}

//! The power fails at every step of reception: a message that was answered 250 is there afterwards, whole. Each fsync is
//! left out once, to see that the sweep finds it; and all of it again with checks before the Maildirs.

use crate::{maildirs, reception, serve_with};
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use trenza_mail::{
    checks::{Answer, Checked, Checks, Names, NoAnswer, Spool},
    smtp::SmtpServer,
};
use trenza_sim::{Disk, DiskFate, HostHandle, Net};
use trenza_storage::{File, List, Metadata, Path, Result, Space, Storage, Tree, Write, Writer};

/// What is left out of what makes a message durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forgets {
    Nothing,
    /// To sync the file.
    File,
    /// To sync `new`.
    New,
    /// To sync the folders that lead to a Maildir.
    Folders,
}

/// A tree that forgets something.
#[derive(Debug)]
struct Forgetful(Disk, Forgets);

impl Tree for Forgetful {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        self.0.open(path)
    }
    fn write(&self, path: &Path, how: Write) -> Result<Box<dyn Writer>> {
        let writer = self.0.write(path, how)?;
        Ok(Box::new(ForgetfulWriter(writer, self.1)))
    }
    fn metadata(&self, path: &Path) -> Result<Metadata> {
        self.0.metadata(path)
    }
    fn symlink_metadata(&self, path: &Path) -> Result<Metadata> {
        self.0.symlink_metadata(path)
    }
    fn list(&self, path: &Path) -> Result<Box<dyn List>> {
        Tree::list(&self.0, path)
    }
    fn make_folder(&self, path: &Path) -> Result {
        self.0.make_folder(path)
    }
    fn remove_file(&self, path: &Path) -> Result {
        self.0.remove_file(path)
    }
    fn remove_folder(&self, path: &Path) -> Result {
        self.0.remove_folder(path)
    }
    fn rename(&self, from: &Path, to: &Path, replace: bool) -> Result {
        self.0.rename(from, to, replace)
    }
    fn link(&self, from: &Path, to: &Path) -> Result {
        self.0.link(from, to)
    }
    fn set_modified(&self, path: &Path, time: SystemTime) -> Result {
        self.0.set_modified(path, time)
    }
    fn set_mode(&self, path: &Path, mode: u32) -> Result {
        self.0.set_mode(path, mode)
    }
    fn sync(&self, path: &Path) -> Result {
        let is_new = path.name() == Some(b"new");
        match self.1 {
            Forgets::New if is_new => Ok(()),
            Forgets::Folders if !is_new => Ok(()),
            _ => self.0.sync(path),
        }
    }
    fn space(&self) -> Result<Space> {
        self.0.space()
    }
    fn sweep(&self, before: SystemTime) -> Result<u64> {
        self.0.sweep(before)
    }
}

#[derive(Debug)]
struct ForgetfulWriter(Box<dyn Writer>, Forgets);

impl Writer for ForgetfulWriter {
    fn write(&mut self, bytes: &[u8]) -> Result {
        self.0.write(bytes)
    }
    fn written(&self) -> u64 {
        self.0.written()
    }
    fn sync(&mut self) -> Result {
        if self.1 == Forgets::File { Ok(()) } else { self.0.sync() }
    }
    fn commit(self: Box<Self>) -> Result<Metadata> {
        self.0.commit()
    }
}

/// A DNS in which nothing is.
struct Empty;

impl Names for Empty {
    fn txt<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<u8>> {
        Box::pin(async { Err(NoAnswer::None) })
    }
    fn ips<'a>(&'a self, _: &'a str, _: IpAddr) -> Answer<'a, IpAddr> {
        Box::pin(async { Err(NoAnswer::None) })
    }
    fn mx<'a>(&'a self, _: &'a str) -> Answer<'a, String> {
        Box::pin(async { Err(NoAnswer::None) })
    }
    fn ptr(&self, _: IpAddr) -> Answer<'_, String> {
        Box::pin(async { Err(NoAnswer::None) })
    }
}

fn serve(srv: &HostHandle, server: &SmtpServer, forgets: Forgets, checked: bool) {
    let tree = Forgetful(srv.disk(), forgets);
    if !checked {
        return serve_with(srv, server, |reactor| maildirs(&Storage::new(reactor, tree)));
    }
    let waiting = Path::new("waiting").unwrap();
    Spool::clear(&tree, &waiting).unwrap();
    serve_with(srv, server, |reactor| {
        let storage = Storage::new(reactor, tree);
        let checks = Checks::new(reactor, Empty, "srv.example.org");
        Checked::new(checks, Spool::new(&storage, waiting), maildirs(&storage))
    });
}

/// What the messages are: each has a word that no other has, and two sectors.
fn text(number: usize) -> String {
    format!("message-{number}\r\n{}\r\n", "z".repeat(900))
}

/// Three messages, the last of which is for two, by DATA and BDAT.
fn script() -> String {
    let mail = "MAIL FROM:<a@b>\r\nRCPT TO:<ann@example.org>\r\n";
    let chunk = text(1);
    format!(
        "EHLO x\r\n{mail}DATA\r\n{}.\r\n{mail}BDAT {} LAST\r\n{chunk}{mail}RCPT TO:<bob@example.org>\r\nDATA\r\n{}.\r\n",
        text(0),
        chunk.len(),
        text(2)
    )
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
enum Run {
    /// All messages were taken before the power failed.
    Whole,
    Crashed,
    /// A message was answered 250, and is not there.
    Lost(usize),
}

/// Lets the power fail before the disk's call of this number.
fn run(seed: u64, step: usize, forgets: Forgets, checked: bool) -> Run {
    let net = Net::new(seed);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    serve(&srv, &reception(), forgets, checked);
    let mut calls = 0;
    let guard = srv.disk().rule(move |_| {
        calls += 1;
        if calls == step { DiskFate::PowerOff } else { DiskFate::Go }
    });
    let client = cli.probe("tcp:srv:25");
    client.send(script());
    net.advance(Duration::from_secs(2));
    let replies = String::from_utf8(client.received()).unwrap();
    srv.crash();
    drop(guard);
    let disk = srv.disk();
    // Nothing works after the failure, so what was taken are the first ones.
    let taken = replies.matches("250 2.0.0 Taken").count();
    for number in 0..taken {
        let there = |name: &str| stored(&disk, name).iter().any(|found| found.ends_with(&text(number)));
        if !there("ann") || (number == 2 && !there("bob")) {
            return Run::Lost(number);
        }
    }
    if taken == 3 { Run::Whole } else { Run::Crashed }
}

/// As [`messages`](crate::messages), for what need not be whole.
fn stored(disk: &Disk, name: &str) -> Vec<String> {
    let Ok(folder) = disk.folder(&format!("mail/{name}/new")) else { return Vec::new() };
    let names = folder.list().unwrap_or_default();
    let read = names
        .iter()
        .filter_map(|entry| folder.open(&entry.name, trenza_sim::DiskOpen::Read).ok()?.read_all().ok());
    read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// How many calls of the disk all messages take.
fn steps(checked: bool) -> usize {
    (1..500).find(|step| run(0, *step, Forgets::Nothing, checked) == Run::Whole).unwrap()
}

/// At least so many crashes, at every step.
fn crash(times: usize, checked: bool) {
    let steps = steps(checked);
    assert!(steps > 30, "{steps} steps are too few for three messages");
    let (mut crashes, mut taken) = (0, 0);
    for seed in 1.. {
        for step in 1..=steps + 1 {
            match run(seed, step, Forgets::Nothing, checked) {
                Run::Lost(number) => panic!("message {number} is lost: seed {seed}, step {step}"),
                Run::Whole => taken += 1,
                Run::Crashed => {}
            }
            crashes += 1;
        }
        if crashes >= times {
            break;
        }
    }
    assert!(taken > 0);
}

#[test]
fn ten_thousand_crashes_lose_nothing() {
    crash(10_000, false);
}

#[test]
fn nor_do_those_of_a_server_that_checks() {
    crash(3_000, true);
}

#[test]
fn every_fsync_that_is_left_out_is_found() {
    for checked in [false, true] {
        let steps = steps(checked);
        for forgets in [Forgets::File, Forgets::New, Forgets::Folders] {
            let mut runs = (1..20).flat_map(|seed| (1..=steps + 1).map(move |step| (seed, step)));
            let found = runs.any(|(seed, step)| matches!(run(seed, step, forgets, checked), Run::Lost(_)));
            assert!(found, "{forgets:?}, checked: {checked}");
        }
    }
}

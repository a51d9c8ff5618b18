//! [`Ftp`]: `trenza ftp serve` beside vsftpd and pyftpdlib: large files, many small ones, many sessions, idle ones.

mod crowd;
mod server;
mod session;

use crate::{family::done, rounds::Rounds};
use crowd::Crowd;
use server::{FtpServer, Kind};
use session::Session;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The large file: a sparse one in memory, so that no disk is measured.
const LARGE: u64 = 1 << 30;
/// The small files of a mirror, and the size of each.
const SMALL: usize = 5000;
const SMALL_SIZE: usize = 1 << 10;
/// Sessions at once.
const SESSIONS: usize = 500;
/// How many small files each of them gets.
const EACH: usize = 10;
/// For children that have ended to be waited for by their parent.
const SETTLE: Duration = Duration::from_millis(50);

/// The test of idle sessions.
const IDLE: &str = "idle";

/// What is done; and how much it is in the unit that is shown: MiB, files, sessions' files.
const WORKS: [(&str, &str, f64); 6] = [
    ("retr-1g", "MiB/s", LARGE as f64 / 1048576.0),
    ("retr-1g-tls", "MiB/s", LARGE as f64 / 1048576.0),
    ("stor-1g", "MiB/s", LARGE as f64 / 1048576.0),
    ("stor-1g-tls", "MiB/s", LARGE as f64 / 1048576.0),
    ("mirror-5000", "files/s", SMALL as f64),
    ("sessions-500", "files/s", (SESSIONS * EACH) as f64),
];

/// Servers and files.
#[derive(Debug)]
pub(crate) struct Ftp {
    /// In memory.
    place: TempDir,
    trenza: PathBuf,
    rounds: usize,
    /// Those of servers and load.
    cores: (usize, usize),
    /// Who takes part in what.
    choice: Choice,
}

/// What is to be measured of all that this group has.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    kinds: Vec<Kind>,
    tests: Vec<&'static str>,
}

/// The names of the tests.
pub(crate) fn tests() -> impl Iterator<Item = &'static str> {
    WORKS.iter().map(|(name, ..)| *name).chain([IDLE])
}

/// The names of the servers.
pub(crate) fn servers() -> impl Iterator<Item = &'static str> {
    Kind::ALL.iter().map(|kind| kind.name())
}

impl Choice {
    /// Tests whose names begin so, and servers of these names in their order, one twice if it was named twice; all if none
    /// is named. None: nothing is left.
    pub(crate) fn of(beginnings: &[String], names: &[String]) -> Option<Self> {
        let is_meant = |test: &&str| {
            beginnings.is_empty() || beginnings.iter().any(|start| test.starts_with(start.as_str()))
        };
        let kind = |name: &String| Kind::ALL.into_iter().find(|kind| kind.name() == name);
        let kinds: Vec<_> = match names {
            [] => Kind::ALL.into(),
            names => names.iter().filter_map(kind).collect(),
        };
        let tests: Vec<_> = tests().filter(is_meant).collect();
        (!kinds.is_empty() && !tests.is_empty()).then_some(Self { kinds, tests })
    }

    /// One of ours takes part, and has to be built.
    pub(crate) fn has_ours(&self) -> bool {
        self.kinds.iter().any(|kind| kind.is_ours())
    }
}

impl Ftp {
    /// Makes the files.
    ///
    /// # Errors
    /// What the file system says, `/dev/shm` in particular.
    pub(crate) fn new(
        trenza: PathBuf,
        rounds: usize,
        cores: (usize, usize),
        choice: Choice,
    ) -> io::Result<Self> {
        let place = tempfile::tempdir_in("/dev/shm")?;
        let files = place.path().join("files");
        fs::create_dir_all(files.join("small"))?;
        fs::create_dir(files.join("up"))?;
        File::create(files.join("large.bin"))?.set_len(LARGE)?;
        for number in 0..SMALL {
            fs::write(files.join(format!("small/{number}.bin")), vec![number as u8; SMALL_SIZE])?;
        }
        // vsftpd reads RSA keys only.
        let pem = place.path().join("pem");
        let request = "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -out";
        let mut openssl = Command::new("openssl");
        openssl.args(request.split(' ')).arg(&pem).arg("-keyout").arg(place.path().join("key"));
        done(openssl.stderr(Stdio::null()))?;
        let key = fs::read(place.path().join("key"))?;
        File::options().append(true).open(&pem)?.write_all(&key)?;
        Ok(Self { place, trenza, rounds, cores, choice })
    }

    /// Runs all of it and prints the tables.
    ///
    /// # Errors
    /// A server is not there, or nothing can be printed.
    pub(crate) fn run(&self, out: &mut impl Write) -> io::Result<()> {
        let servers = self.start()?;
        for (work, unit, amount) in WORKS.into_iter().filter(|(name, ..)| self.choice.tests.contains(name)) {
            writeln!(out, "\n### {work}\n")?;
            let all = Rounds::in_turn(&servers, self.rounds, amount, |server| self.measure(work, server));
            let named: Vec<_> = servers.iter().map(|server| server.kind.name()).zip(all).collect();
            Rounds::print(&named, unit, ("server's CPU s", 1.0), out)?;
        }
        drop(servers);
        if self.choice.tests.contains(&IDLE) { self.idle(out) } else { Ok(()) }
    }

    /// What idle sessions cost, of servers that have just been started.
    fn idle(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "\n### idle sessions\n\n{SESSIONS} that have logged in, each with its part of shared memory (PSS)\n"
        )?;
        writeln!(out, "| server | bytes each | before, KiB | after, KiB |\n|---|---:|---:|---:|")?;
        for server in self.start()? {
            let mut first = Session::login(&server)?;
            first.get("small/1.bin")?;
            let before = server.family.memory();
            let sessions = (0..SESSIONS).map(|_| Session::login(&server)).collect::<io::Result<Vec<_>>>()?;
            thread::sleep(SETTLE);
            let after = server.family.memory();
            drop(sessions);
            let each = after.saturating_sub(before) as f64 / SESSIONS as f64;
            writeln!(out, "| {} | {each:.0} | {} | {} |", server.kind.name(), before / 1024, after / 1024)?;
        }
        out.flush()
    }

    fn start(&self) -> io::Result<Vec<FtpServer>> {
        crate::machine::pin(Some(self.cores.0))?;
        let start = |kind: &Kind| FtpServer::start(*kind, &self.trenza, self.place.path());
        let all = self.choice.kinds.iter().map(start);
        let servers = all.collect();
        crate::machine::pin(Some(self.cores.1))?;
        servers
    }

    /// How long it took, and the server's CPU time.
    fn measure(&self, work: &str, server: &FtpServer) -> io::Result<(Duration, Duration)> {
        // Logins are no part of it.
        let crowd = if work == "sessions-500" { Some(Crowd::login(server, SESSIONS)?) } else { None };
        let (cost, began) = (server.family.spent(), Instant::now());
        let local = self.place.path().join("local");
        let large = self.place.path().join("files/large.bin");
        match work {
            "retr-1g" => done(curl(server).args(["-o", "/dev/null", &server.url("large.bin")]))?,
            "retr-1g-tls" => {
                done(curl(server).args(["--ssl-reqd", "-o", "/dev/null", &server.url("large.bin")]))?;
            }
            "stor-1g" => done(curl(server).arg("-T").arg(&large).arg(server.url("up/sent.bin")))?,
            "stor-1g-tls" => {
                done(curl(server).arg("--ssl-reqd").arg("-T").arg(&large).arg(server.url("up/sent.bin")))?;
            }
            "mirror-5000" => done(&mut lftp(server, &local))?,
            _ => crowd.into_iter().try_for_each(|mut crowd| crowd.get(EACH))?,
        }
        let took = began.elapsed();
        thread::sleep(SETTLE);
        let cost = server.family.spent().saturating_sub(cost);
        let _ = fs::remove_file(self.place.path().join("files/up/sent.bin"));
        if local.exists() {
            let came = fs::read_dir(&local)?.count();
            fs::remove_dir_all(&local)?;
            if came != SMALL {
                return Err(io::Error::other(format!("{came} files came of {SMALL}")));
            }
        }
        Ok((took, cost))
    }
}

fn curl(server: &FtpServer) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--insecure", "--user", server.kind.user()]);
    command
}

fn lftp(server: &FtpServer, to: &Path) -> Command {
    let (name, password) = server.kind.account();
    let always = "set cmd:fail-exit yes; set net:max-retries 1; set ftp:ssl-allow no; set xfer:log no";
    let script = format!(
        "{always}; open -u {name},{password} -p {} 127.0.0.1; mirror --parallel=4 small {}; bye",
        server.port,
        to.display()
    );
    let mut command = Command::new("lftp");
    command.args(["--norc", "-c", &script]).env("HOME", "/nonexistent").stdout(Stdio::null());
    command
}

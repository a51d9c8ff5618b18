//! `trenza ftp` against a server of others, whichever it is.

use crate::{pattern, program};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use trenza_tests::Program;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server of others that listens; it ends with this.
pub(crate) struct FtpServer {
    process: Child,
    /// What it serves is in `srv`; `up` in that can be written to.
    root: TempDir,
    /// Address and options of the program.
    url: String,
    options: Vec<String>,
}

impl FtpServer {
    /// Starts the command, which is to serve this folder on this port of 127.0.0.1.
    pub(crate) fn start(
        root: TempDir,
        port: u16,
        command: &mut Command,
        url: String,
        options: &[&str],
    ) -> Self {
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let server = Self { process, root, url, options: options.iter().map(ToString::to_string).collect() };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "{command:?} does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// `trenza ftp VERB` with these arguments; in them `{}` stands for the server's address.
    fn trenza(&self, verb: &str, arguments: &[&str]) -> Output {
        let arguments = arguments.iter().map(|argument| argument.replace("{}", &self.url));
        let mut command = Command::new(program());
        command.args(["ftp", verb]).args(&self.options).args(arguments).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// It must go well; gives the last line that it says, which sums it up.
    fn does(&self, verb: &str, arguments: &[&str]) -> String {
        let output = self.trenza(verb, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{verb} {arguments:?}: {}\n{said}", output.status);
        said.lines().last().unwrap_or_default().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        served(&self.root).join(name)
    }
}

impl Drop for FtpServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder for a server's own files, and in it the one that it serves.
pub(crate) fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(served(&root).join("up")).unwrap();
    fs::write(served(&root).join("big.bin"), pattern(3_000_000)).unwrap();
    root
}

/// The folder that a server serves.
pub(crate) fn served(root: &TempDir) -> PathBuf {
    root.path().join("srv")
}

/// A port that was free just now.
pub(crate) fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// 1,000 files of all sizes in 30 folders, with names that are hard to say.
pub(crate) fn tree(at: &Path) {
    for number in 0..1000_usize {
        let folder = at.join(format!("d {}/e'{}", number % 10, number % 3));
        fs::create_dir_all(&folder).unwrap();
        let name = match number % 7 {
            0 => format!(".hidden{number}"),
            1 => format!("\u{f1}andu \"{number}\""),
            2 => format!("-a{number}"),
            _ => format!("file {number} -> x"),
        };
        fs::write(folder.join(name), pattern(number * 37 % 5000)).unwrap();
    }
}

/// All files below a folder, with what is in them.
pub(crate) fn contents(at: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![at.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(at).unwrap().to_owned(), fs::read(path).unwrap());
            }
        }
    }
    files
}

/// 1,000 files there and back, compared byte for byte; nothing the second time; what is gone is deleted.
pub(crate) fn mirrors_both_ways(server: &FtpServer) {
    let here = tempfile::tempdir().unwrap();
    let (there, back) = (here.path().join("there"), here.path().join("back"));
    tree(&there);
    let (there_shown, back_shown) = (there.to_str().unwrap(), back.to_str().unwrap());
    let up = ["--parallel=3", there_shown, "{}/up/a/b"];
    assert!(server.does("mirror", &up).starts_with("1000 files copied"));
    let original = contents(&there);
    assert_eq!(original.len(), 1000);
    assert!(contents(&server.path("up/a/b")) == original, "what is there differs");
    assert!(server.does("mirror", &up).starts_with("0 files copied, 0 B; 1000 up to date"));

    let down = ["--delete", "{}/up/a/b/", back_shown];
    assert!(server.does("mirror", &down).starts_with("1000 files copied"));
    assert!(contents(&back) == original, "what came back differs");
    let again = server.does("mirror", &down);
    assert!(again.starts_with("0 files copied, 0 B; 1000 up to date"), "{again}");

    fs::remove_dir_all(there.join("d 1")).unwrap();
    fs::write(there.join("new"), "new").unwrap();
    server.does("mirror", &["--delete", there_shown, "{}/up/a/b"]);
    assert!(contents(&server.path("up/a/b")) == contents(&there), "what was deleted is still there");
    server.does("mirror", &down);
    assert!(contents(&back) == contents(&there), "what was deleted is still here");
}

/// Single files, cut ones gone on with, patterns, listings, text.
pub(crate) fn gets_puts_and_lists(server: &FtpServer) {
    let here = tempfile::tempdir().unwrap();
    let (file, shown) = (here.path().join("big.bin"), here.path().to_str().unwrap());
    let big = pattern(3_000_000);
    server.does("get", &["{}/big.bin", "--to", shown]);
    assert!(fs::read(&file).unwrap() == big, "what was got differs");

    fs::remove_file(&file).unwrap();
    fs::write(here.path().join(".big.bin.part"), big.get(..1_000_000).unwrap()).unwrap();
    let said = server.does("get", &["--continue", "{}/big.bin", "--to", shown]);
    assert!(said.starts_with("1 file copied, 1.91 MiB"), "{said}");
    assert!(fs::read(&file).unwrap() == big, "what was gone on with differs");

    let file = file.to_str().unwrap();
    server.does("put", &[file, "{}/up/"]);
    assert!(fs::read(server.path("up/big.bin")).unwrap() == big, "what was put differs");
    fs::write(server.path("up/big.bin"), big.get(..2_000_000).unwrap()).unwrap();
    let said = server.does("put", &["--continue", file, "{}/up/"]);
    assert!(said.starts_with("1 file copied, 976"), "{said}");
    assert!(fs::read(server.path("up/big.bin")).unwrap() == big, "what was gone on with differs");

    let listen = "--listen=tcp:0:interface=127.0.0.1";
    let mut proxy = Program::start(&program(), ["socks", listen]);
    let via = proxy.hear_url("socks5h://").replace("socks5h://", "socks5:");
    server.does("get", &["--via", via.trim_end_matches('/'), "{}/big.bin", "--to", shown]);

    for name in ["a 1.txt", "a 2.txt", "b.bin"] {
        fs::write(server.path("up").join(name), "1\r\n2\r\n").unwrap();
    }
    server.does("get", &["{}/up/a%20*.txt", "--active", "--to", shown]);
    assert_eq!(fs::read(here.path().join("a 2.txt")).unwrap(), b"1\r\n2\r\n");
    assert!(!here.path().join("b.bin").exists());
    let output = server.trenza("get", &["{}/up/b.bin;type=a", "--to", "-"]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"1\n2\n"[..]));
    let output = server.trenza("ls", &["{}/up/b.bin", "--names"]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"b.bin\n"[..]));
    let output = server.trenza("ls", &["{}/up/a*", "--names"]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"a 1.txt\na 2.txt\n"[..]));
}

/// What scripts see of what goes wrong.
pub(crate) fn says_what_went_wrong(server: &FtpServer) {
    let here = tempfile::tempdir().unwrap();
    let shown = here.path().to_str().unwrap();
    let nowhere = format!("ftp://127.0.0.1:{}/x", port());
    for (arguments, code, part) in [
        (["{}/nothing", "--to", shown], 6, "550"),
        (["{}/up/", "--to", shown], 2, "is a folder"),
        ([&nowhere, "--to", shown], 4, "refused"),
    ] {
        let output = server.trenza("get", &arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0, "nothing is left of what was not got");
}

//! `trenza socks` and `trenza forward` among other people's clients, proxies and targets.

mod curl;
mod microsocks;
mod proxychains4;
mod python3;
mod socat;
mod tinyproxy;

use crate::{folder, pattern, program, serve};
use std::{
    fs::{self, Permissions},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use trenza_tests::{PATIENCE, Program};

const LISTEN: &str = "--listen=tcp:0:interface=127.0.0.1";

/// A folder that is served, and where.
struct Site {
    folder: TempDir,
    _program: Program,
    url: String,
}

fn site() -> Site {
    let folder = folder(&[("hello.txt", b"Hello, braid!\n"), ("big.bin", &pattern(3 << 20))]);
    let (program, url) = serve(folder.path(), &["--quiet"]);
    Site { folder, _program: program, url }
}

impl Site {
    fn hello(&self) -> String {
        format!("{}hello.txt", self.url)
    }

    /// The same by a name, which somebody has to look up.
    fn hello_by_name(&self) -> String {
        self.hello().replace("127.0.0.1", "localhost")
    }

    fn port(&self) -> u16 {
        self.url.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap()
    }
}

/// A command of the program, and where it listens.
fn start(arguments: &[&str]) -> (Program, SocketAddr) {
    let mut program = Program::start(&program(), arguments);
    // The line with the address is set in.
    let line = program.hear("  ");
    let address = line.trim().trim_start_matches("socks5h://").parse().unwrap();
    program.hear("Ctrl-C stops.");
    (program, address)
}

/// `trenza socks`.
fn socks(options: &[&str]) -> (Program, SocketAddr) {
    start(&[&["socks", LISTEN][..], options].concat())
}

/// `trenza socks` with one user, ann, whose password is `pass word`.
fn socks_for_ann() -> (Program, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.txt");
    fs::write(&path, "ann:pass word\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    socks(&["--password-file", path.to_str().unwrap()])
}

/// `trenza forward` to an endpoint.
fn forward(to: &str) -> (Program, SocketAddr) {
    start(&["forward", LISTEN, "--to", to])
}

/// What it has said when it was stopped.
fn stop(program: Program) -> String {
    program.signal("TERM");
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    said
}

/// Somebody else's server. Dropping it kills the process.
struct Server(Child);

impl Server {
    /// Starts it, and waits until it listens on `port` of 127.0.0.1. Ports of such servers cannot be 0.
    fn start(command: &mut Command, port: u16) -> Self {
        let server =
            Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let late = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < late, "{command:?} does not listen on port {port}");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either may fail when it has ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

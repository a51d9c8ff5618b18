//! `trenza ftp serve` and other people's clients.

mod curl;
mod lftp;
mod python3;
mod tnftp;
mod twisted;

use crate::{pattern, secure::Certificates};
use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};
use tempfile::TempDir;
use trenza_tests::Program;

/// Ann's.
const PASSWORD: &str = "p w";

/// `trenza ftp serve` with the account ann, anonymous, and TLS by AUTH TLS and from the start. It has `big.bin`.
struct Served {
    certificates: Certificates,
    /// A folder for the client.
    here: TempDir,
    place: TempDir,
    /// The port of FTP, and that of TLS from the start.
    ports: [u16; 2],
    program: Program,
}

const BIG: usize = 3_000_000;

impl Served {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(options: &[&str]) -> Self {
        let (certificates, place) = (Certificates::new(), tempfile::tempdir().unwrap());
        let shown = |name: &str| place.path().join(name).display().to_string();
        fs::create_dir(place.path().join("files")).unwrap();
        fs::write(place.path().join("files/big.bin"), pattern(BIG)).unwrap();
        let mut add = Command::new(crate::program());
        add.args(["user", "add", "ann", "--password-stdin", "--file", &shown("users.toml")]);
        let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        add.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
        assert!(add.wait().unwrap().success());
        let (root, users, cert) = (shown("files"), shown("users.toml"), certificates.shown("localhost.pem"));
        let plain = ["ftp", "serve", "--anonymous", "--root", &root, "--users", &users];
        let secured = ["--tls-cert", &cert, "--listen=tls:0:interface=127.0.0.1"];
        let mut program = Program::start(
            &crate::program(),
            [&plain[..], &["--listen=tcp:0:interface=127.0.0.1"], &secured, options].concat(),
        );
        let ports = ["ftp://", "ftps://"].map(|scheme| {
            let url = program.hear_url(scheme);
            url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap()
        });
        Self { certificates, here: tempfile::tempdir().unwrap(), place, ports, program }
    }

    /// What is served.
    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join("files").join(name)
    }

    fn here(&self, name: &str) -> PathBuf {
        self.here.path().join(name)
    }

    fn port(&self) -> String {
        self.ports[0].to_string()
    }

    fn ca(&self) -> String {
        self.certificates.shown("ca.pem")
    }

    /// What it has said of transfers when it was stopped.
    fn stop(self) -> String {
        self.program.signal("TERM");
        let (status, said) = self.program.end();
        assert_eq!(status.code(), Some(0), "{said}");
        said
    }
}

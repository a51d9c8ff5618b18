//! Certificates made by the program, and the program serving with them.

use crate::{folder, program, run};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use trenza_tests::Program;

/// A certification authority with a server and a person, made by `trenza cert`.
pub(crate) struct Certificates(TempDir);

impl Certificates {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for arguments in
            [&["ca", "Test CA"][..], &["sign", "localhost", "127.0.0.1"], &["sign", "--client", "ann"]]
        {
            run(Command::new(program()).arg("cert").args(arguments).current_dir(place.0.path()));
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// `trenza web` over TLS with a file in it.
pub(crate) struct Site {
    pub(crate) certificates: Certificates,
    /// `https://127.0.0.1:PORT/`
    pub(crate) url: String,
    _program: Program,
    _folder: TempDir,
}

impl Site {
    /// With more options of the endpoint; `{}` in them stands for the folder of the certificates.
    pub(crate) fn new(options: &str) -> Self {
        let certificates = Certificates::new();
        let folder = folder(&[
            ("hello.txt", b"Hello, braid!\n"),
            ("index.html", b"<!doctype html><title>Braid</title><p id=\"said\">over TLS</p>"),
        ]);
        let options = options.replace("{}", &certificates.shown(""));
        let pem = certificates.shown("localhost.pem");
        let listen = format!("--listen=tls:0:interface=127.0.0.1:cert={pem}{options}");
        let path: &Path = folder.path();
        let mut server = Program::start(&program(), ["web".as_ref(), path.as_os_str(), listen.as_ref()]);
        let url = server.hear_url("https://");
        Self { certificates, url, _program: server, _folder: folder }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("https://").trim_end_matches('/')
    }
}

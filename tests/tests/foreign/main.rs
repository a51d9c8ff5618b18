//! The built program against real clients. `scripts/test foreign` runs it; the tests that need a tool are in the
//! module of the tool's name, which is how the script leaves them out where there is no such tool.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "the clients are the outside world"
)]

mod chromium;
mod curl;
mod dnsmasq;
mod ftp;
mod ftp_clients;
mod gnutls_cli;
mod gnutls_serv;
mod mail_checks;
mod mail_clients;
mod mail_servers;
mod mail_smarthosts;
mod openssl;
mod pop3;
mod proxies;
mod pyftpdlib;
mod secure;
mod strace;
mod systemd;
mod testssl;
mod unshare;
mod uploads;
mod vsftpd;
mod wrk;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;
use trenza_tests::Program;

/// The program under test. There is no default, so that nobody tests an old one unawares.
fn program() -> PathBuf {
    env::var_os("TRENZA_PROGRAM")
        .expect("run `scripts/test foreign`: it builds the program and names it")
        .into()
}

/// `trenza web` on a folder, and its address.
fn serve(folder: &Path, options: &[&str]) -> (Program, String) {
    Program::web(&program(), folder, options)
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// Bytes of which no two nearby pieces are the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Runs a tool to its end; it must succeed.
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said =
        || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said());
    output
}

//! vsftpd, for our client. It has no MLSD, and wants data connections to continue the session of the control connection.

use crate::{
    ftp::{self, FtpServer},
    run,
};
use std::{fs, process::Command};

/// It runs as whoever runs the tests.
const CONFIGURATION: &str = "\
listen=YES
listen_address=127.0.0.1
background=NO
run_as_launching_user=YES
anonymous_enable=YES
no_anon_password=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
write_enable=YES
seccomp_sandbox=NO
";

const TLS: &str = "\
ssl_enable=YES
allow_anon_ssl=YES
force_anon_data_ssl=YES
force_anon_logins_ssl=YES
require_ssl_reuse=YES
ssl_ciphers=HIGH
";

fn vsftpd(tls: bool) -> FtpServer {
    let (root, port) = (ftp::root(), ftp::port());
    let own = |name: &str| root.path().join(name).display().to_string();
    let (file, certificate) = (own("vsftpd.conf"), own("cert.pem"));
    let served = ftp::served(&root).display().to_string();
    let mut text = format!("{CONFIGURATION}listen_port={port}\nanon_root={served}\n");
    if tls {
        // It reads RSA keys only.
        let key = own("key.pem");
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
        let subject =
            ["-subj", "/CN=localhost", "-addext", names, "-addext", "basicConstraints=critical,CA:FALSE"];
        let output = ["-keyout", &key, "-out", &certificate];
        let made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"];
        run(Command::new("openssl").args(made).args(subject).args(output));
        text += &format!("{TLS}rsa_cert_file={certificate}\nrsa_private_key_file={key}\n");
    }
    fs::write(&file, text).unwrap();
    let scheme = if tls { "ftpes" } else { "ftp" };
    let options = if tls { vec!["--ca", &certificate] } else { vec![] };
    let url = format!("{scheme}://127.0.0.1:{port}");
    FtpServer::start(root, port, Command::new("vsftpd").arg(file), url, &options)
}

#[test]
fn mirrors_both_ways() {
    ftp::mirrors_both_ways(&vsftpd(false));
}

#[test]
fn mirrors_both_ways_over_tls() {
    ftp::mirrors_both_ways(&vsftpd(true));
}

#[test]
fn gets_puts_and_lists() {
    ftp::gets_puts_and_lists(&vsftpd(false));
}

#[test]
fn gets_puts_and_lists_over_tls() {
    ftp::gets_puts_and_lists(&vsftpd(true));
}

#[test]
fn says_what_went_wrong() {
    ftp::says_what_went_wrong(&vsftpd(false));
}

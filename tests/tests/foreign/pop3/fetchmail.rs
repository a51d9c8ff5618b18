//! fetchmail.

use super::{PASSWORD, Served, messages, with_lf};
use std::{fs, os::unix::fs::PermissionsExt, process::Command};

/// Runs it once. What it has given to its delivery agent, and whether there was mail.
fn fetchmail(served: &Served, port: u16, tls: &str) -> (Vec<u8>, bool) {
    let (configuration, out) = (served.here("fetchmailrc"), served.here("out"));
    let text = format!(
        "set no bouncemail\npoll localhost protocol pop3 port {port} auth password user \"ann\" password \"{PASSWORD}\" {tls} sslcertck \
         sslcertfile \"{}\" no rewrite no mimedecode mda \"cat >> {}\"\n",
        served.ca(),
        out.display()
    );
    fs::write(&configuration, text).unwrap();
    fs::set_permissions(&configuration, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new("fetchmail");
    command.env("FETCHMAILHOME", served.here("")).arg("--fetchmailrc").arg(&configuration);
    let done = command.args(["--nodetach", "--nosyslog", "--invisible", "--verbose"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    // 1: there is no mail.
    assert!(matches!(done.status.code(), Some(0 | 1)), "{}: {said}", done.status);
    (fs::read(out).unwrap_or_default(), done.status.success())
}

#[test]
fn fetches_over_stls_and_deletes_and_finds_nothing_over_tls() {
    let served = Served::new();
    let wanted = messages().iter().map(|message| with_lf(message)).collect::<Vec<_>>().concat();
    let (got, some) = fetchmail(&served, served.ports[0], "sslproto \"tls1.2+\"");
    assert!(some && got == wanted, "{} of {} bytes", got.len(), wanted.len());
    assert_eq!(served.left(), 0);
    assert!(!fetchmail(&served, served.ports[1], "ssl").1);
}

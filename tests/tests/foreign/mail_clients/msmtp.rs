//! msmtp.

use super::{PASSWORD, Served, ugly, with_lf};
use crate::run;
use std::{
    fs::File,
    process::{Command, Stdio},
};

#[test]
fn sends_on_all_ways() {
    let served = Served::new();
    let file = served.file("message", &with_lf(&ugly()));
    let ca = format!("--tls-trust-file={}", served.ca());
    let password = format!("--passwordeval=echo '{PASSWORD}'");
    let starttls = ["--tls=on", "--tls-starttls=on", &ca];
    let implicit = ["--tls=on", "--tls-starttls=off", &ca];
    let with = |tls: &[&str], auth: &str| -> Vec<String> {
        let auth = format!("--auth={auth}");
        let all = [tls, &["--user=ann", &password, &auth, "--from=ann@example.org"]].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    for (port, options) in [
        (&served.reception, vec!["--tls=off".to_owned(), "--from=x@example.com".to_owned()]),
        (&served.submission, with(&starttls, "plain")),
        (&served.submission, with(&starttls, "login")),
        (&served.submission, with(&starttls, "scram-sha-256")),
        (&served.secured, with(&implicit, "plain")),
    ] {
        let mut command = Command::new("msmtp");
        command.args(["--file=/dev/null", "--host=localhost", &format!("--port={port}")]).args(options);
        command.args(["--set-from-header=off", "--set-date-header=off", "--set-msgid-header=off"]);
        command.args(["--", "ann@example.org"]).stdin(Stdio::from(File::open(&file).unwrap()));
        run(&mut command);
        served.has(&ugly());
    }
}

//! curl's SMTP.

use super::{PASSWORD, Served, ugly};
use crate::run;
use std::process::Command;

impl Served {
    /// curl sends the ugly message to ann, with these arguments.
    fn curl(&self, url: &str, arguments: &[&str]) -> Command {
        let file = self.file("message", &ugly());
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "60", "--cacert", &self.ca(), "--url", url]);
        command.args(["--mail-rcpt", "ann@example.org", "--upload-file", &file]).args(arguments);
        command
    }
}

#[test]
fn sends_on_all_ways() {
    let served = Served::new();
    let (reception, submission) =
        (format!("smtp://localhost:{}", served.reception), format!("smtp://localhost:{}", served.submission));
    let secured = format!("smtps://localhost:{}", served.secured);
    let foreign = ["--mail-from", "x@example.com"];
    let user = format!("ann:{PASSWORD}");
    let own = ["--mail-from", "ann@example.org", "--user", &user];
    let plain = [&own[..], &["--login-options", "AUTH=PLAIN"]].concat();
    let login = [&own[..], &["--login-options", "AUTH=LOGIN"]].concat();
    for (url, arguments) in [
        (&reception, &foreign[..]),
        (&reception, &[&foreign[..], &["--ssl-reqd"]].concat()),
        (&submission, &[&plain[..], &["--ssl-reqd"]].concat()),
        (&submission, &[&login[..], &["--ssl-reqd"]].concat()),
        (&secured, &plain),
        (&secured, &login),
        (&secured, &[&own[..], &["--sasl-ir"]].concat()),
    ] {
        run(&mut served.curl(url, arguments));
        served.has(&ugly());
    }
    let said = served.stop();
    assert!(said.contains(" submission ") && said.contains(" ann 127.0.0.1 tls <ann@example.org>"), "{said}");
}

#[test]
fn is_refused_what_is_not_for_it() {
    let served = Served::new();
    let url = format!("smtp://localhost:{}", served.submission);
    let user = format!("ann:{PASSWORD}");
    for (arguments, said) in [
        (&["--mail-from", "ann@example.org"][..], "530"),
        (&["--mail-from", "bob@example.org", "--ssl-reqd", "--user", &user], "553"),
        (&["--mail-from", "ann@example.org", "--ssl-reqd", "--user", "ann:wrong"], "535"),
    ] {
        let output = served.curl(&url, &[arguments, &["--verbose"]].concat()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(&format!("< {said} ")), "{told}");
    }
    let url = format!("smtp://localhost:{}", served.reception);
    let relay = ["--mail-from", "x@example.com", "--mail-rcpt", "y@example.com", "--verbose"];
    let output = served.curl(&url, &relay).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("< 550 5.7.1"));
    assert!(served.messages("ann").is_empty());
}

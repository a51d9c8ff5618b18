//! `trenza mail send`: what it sends of what a script gives it, and what the script is told.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "this is the outside world"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};
use tempfile::tempdir;

/// The exit code, and what was said on standard error.
fn send(arguments: &[&str], message: &str) -> (i32, String) {
    send_as(arguments, message, None)
}

fn send_as(arguments: &[&str], message: &str, password: Option<&str>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trenza"));
    command.args(["mail", "send"]).args(arguments).env_remove("MAIL_PASSWORD");
    if let Some(password) = password {
        command.env("MAIL_PASSWORD", password);
    }
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who gets it wrong is told before the message is read.
    let _ = child.stdin.take().unwrap().write_all(message.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// A server on a free port that answers with these lines, one for each command; what it hears.
fn server(replies: &'static [&'static str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp:127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (heard, all) = channel();
    thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        let mut text = String::new();
        let _ = serve(&stream, replies, &mut text);
        let _ = heard.send(text);
    });
    (endpoint, all)
}

fn serve(mut stream: &TcpStream, replies: &[&str], text: &mut String) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    for reply in replies {
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            text.push_str(&line);
            // A message is to be read to its end before it is answered.
            if !reply.starts_with("354") || line == ".\r\n" {
                break;
            }
        }
    }
    Ok(())
}

const GOOD: &[&str] =
    &["220 x", "250-x\r\n250-8BITMIME\r\n250 SMTPUTF8", "250 ok", "250 ok", "354 go", "250 taken", "221 bye"];

/// What a server hears that takes everything.
fn sent(arguments: &[&str], message: &str, replies: &'static [&'static str]) -> String {
    let (server, heard) = server(replies);
    let (code, said) = send(&[arguments, &["--server", &server]].concat(), message);
    assert_eq!((code, &*said), (0, ""), "{arguments:?}");
    heard.recv().unwrap()
}

#[test]
fn help_has_examples_and_exit_codes() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_trenza")).args(["mail", "send", "--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in
        ["Examples:", "--starttls", "MAIL_PASSWORD", "--password-file", "Exit codes", "75 ", "-t,", "-f,"]
    {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
}

#[test]
fn a_message_without_a_header_gets_one() {
    let heard = sent(&["--from", "root@example.org", "ann@example.org"], "the disk is full\n", GOOD);
    assert!(
        heard.contains("MAIL FROM:<root@example.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n"),
        "{heard}"
    );
    assert!(heard.contains("\r\nFrom: root@example.org\r\nDate: ") && heard.contains("\r\nMessage-ID: <"));
    assert!(heard.contains("@example.org>\r\n\r\nthe disk is full\r\n.\r\n"), "{heard}");
}

#[test]
fn recipients_from_the_header() {
    let message = "From: Bob <bob@example.org>\nTo: Ann <ann@example.org>,\n ANN@example.com\nbcc: eve@example.org\n\
                   Cc: ann@example.org\nDate: x\nMessage-ID: <x>\nSubject: hi\n\n.\nbody\n";
    let replies =
        &["220 x", "250 x", "250 ok", "250 ok", "250 ok", "250 ok", "354 go", "250 taken", "221 bye"];
    let heard = sent(&["-t", "-i"], message, replies);
    let text = heard.split_once("DATA\r\n").unwrap();
    assert!(text.0.ends_with(
        "MAIL FROM:<bob@example.org>\r\nRCPT TO:<ann@example.org>\r\nRCPT TO:<ANN@example.com>\r\n\
         RCPT TO:<eve@example.org>\r\n"
    ));
    assert_eq!(
        text.1,
        "From: Bob <bob@example.org>\r\nTo: Ann <ann@example.org>,\r\n ANN@example.com\r\nCc: ann@example.org\r\n\
         Date: x\r\nMessage-ID: <x>\r\nSubject: hi\r\n\r\n..\r\nbody\r\n.\r\nQUIT\r\n"
    );
}

#[test]
fn what_is_not_ascii_is_said_to_be_so() {
    let heard = sent(&["-f", "", "--to", "ann@example.org"], "Subject: \u{e4}\n\n\u{fc}\n", GOOD);
    assert!(heard.contains("MAIL FROM:<> BODY=8BITMIME SMTPUTF8\r\n"), "{heard}");
    assert!(heard.contains("Subject: \u{e4}\r\n"));
}

#[test]
fn a_login() {
    const REPLIES: &[&str] =
        &["220 x", "250-x\r\n250 AUTH PLAIN", "235 in", "250 ok", "250 ok", "354 go", "250 taken", "221 bye"];
    let here = tempdir().unwrap();
    let file = here.path().join("secret");
    fs::write(&file, "se cret\nmore\n").unwrap();
    let file = file.to_str().unwrap();
    let base =
        ["--from", "bob@example.org", "--to", "ann@example.org", "--user", "bob", "--allow-plain-auth"];
    for (more, password) in [(&[][..], Some("se cret")), (&["--password-file", file][..], None)] {
        let (server, heard) = server(REPLIES);
        let arguments = [&base[..], more, &["--server", &server]].concat();
        assert_eq!(send_as(&arguments, "x", password), (0, String::new()));
        assert!(heard.recv().unwrap().contains("\r\nAUTH PLAIN AGJvYgBzZSBjcmV0\r\n"));
    }
    let (code, said) = send(&base, "x");
    assert!(code == 77 && said.contains("MAIL_PASSWORD") && said.contains("--password-file"), "{said}");
    // Nobody's password goes over clear text by accident.
    let (server, heard) = server(REPLIES);
    let arguments = [&base[..6], &["--server", &server]].concat();
    let (code, said) = send_as(&arguments, "x", Some("se cret"));
    assert!(code == 77 && said.contains("--starttls") && !said.contains("se cret"), "{said}");
    assert!(!heard.recv().unwrap().contains("AUTH"));
}

#[test]
fn wrong_usage_is_2_or_64() {
    for (arguments, code, part) in [
        (&["--lisen"][..], 2, "Usage"),
        (&["--server", "25", "-f", "a@b", "c@d"], 2, "tcp:25"),
        (&["--ca", "x", "-f", "a@b", "c@d"], 2, "--starttls"),
        (&["--ca", "x", "--insecure", "c@d"], 2, "cannot be used with"),
        (&["--ca", "/nowhere/x", "--server", "tls:localhost:1", "-f", "a@b", "c@d"], 1, "/nowhere/x"),
        (&["--timeout", "0", "c@d"], 2, "1..=1800"),
        (&["-f", "a@b"], 64, "nobody is to get"),
        (&["-f", "a@b", "-t"], 64, "nobody is to get"),
        (&["-f", "a@b", "ann"], 64, "\"ann\" is no address"),
        (&["-f", "me", "c@d"], 64, "\"me\" is no address"),
        (&["c@d"], 64, "--from"),
        (&["--starttls", "--server", "unix:/x", "-f", "a@b", "c@d"], 64, "--tls-name"),
        (&["--starttls", "--ca", "/nowhere/x", "-f", "a@b", "c@d"], 1, "/nowhere/x"),
    ] {
        let (exit, said) = send(arguments, "Subject: x\n\nx\n");
        assert_eq!(exit, code, "{arguments:?}: {said}");
        assert!(said.contains(part), "no {part} in:\n{said}");
    }
    let (code, said) = send(&["-t", "-f", "a@b"], "To: Ann Lee\n\nx\n");
    assert!(code == 65 && said.contains("\"Ann Lee\" is no address"), "{said}");
}

#[test]
fn scripts_see_why_it_was_not_sent() {
    for (replies, code, part) in [
        (&["421 4.3.2 busy"][..], 75, "421 4.3.2 busy"),
        (&["SSH-2.0-x"], 76, "is it a server of SMTP"),
        (&["220 x"], 75, "closed the connection"),
        (&["220 x", "250 x", "530 5.7.0 log in"], 77, "--user"),
        (&["220 x", "250 x", "250 ok", "550 5.1.1 nobody\x1b[2J", "221"], 67, "ann@example.org: tcp:127"),
        (&["220 x", "250 x", "250 ok", "450 4.2.1 later", "221"], 75, "450 4.2.1 later"),
        (&["220 x", "250 x", "250 ok", "250 ok", "354 go", "554 5.7.1 spam", "221"], 69, "554 5.7.1 spam"),
        (&["220 x", "250-x\r\n250 SIZE 3", "221"], 69, "over 3 bytes"),
    ] {
        let (server, _heard) = server(replies);
        let (exit, said) = send(&["-f", "", "--server", &server, "ann@example.org"], "Subject: x\n\nx\n");
        assert_eq!(exit, code, "{replies:?}: {said}");
        assert!(said.contains(part), "no {part} in:\n{said}");
        assert!(!said.contains('\x1b'), "{said:?}");
    }
    let (plain, _heard) = server(&["220 x"]);
    let (exit, said) = send(&["-f", "", "--server", &plain.replace("tcp:", "tls:"), "ann@example.org"], "x");
    assert!(exit == 76 && said.contains("--starttls"), "{said}");
    let (server, _heard) = server(&["220 x", "250 x"]);
    let (exit, said) = send(&["-f", "", "--starttls", "--server", &server, "ann@example.org"], "x");
    assert!(exit == 77 && said.contains("STARTTLS"), "{said}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (exit, said) = send(&["-f", "", "--server", &format!("tcp:127.0.0.1:{free}"), "a@b"], "x");
    assert!(exit == 75 && said.contains("--server"), "{said}");
}

#[test]
fn who_has_it_and_who_has_not() {
    let (server, _heard) = server(&[
        "220 x",
        "250 x",
        "250 ok",
        "250 ok",
        "550 5.1.1 who?",
        "450 4.2.1 later",
        "354 go",
        "250 taken",
        "221 bye",
    ]);
    let (code, said) =
        send(&["-f", "", "--server", &server, "ann@example.org", "no@example.org", "later@example.org"], "x");
    assert_eq!(code, 67, "{said}");
    assert!(said.contains("no@example.org: ") && said.contains("later@example.org: "), "{said}");
    assert!(said.contains("2 of 3 recipients do not have it") && !said.contains("ann@"), "{said}");
}

#[test]
fn what_is_too_large_for_memory_arrives_whole() {
    let lines: String = (0..400_000).map(|number| format!("{number} .\n.{number} \u{e4}\n")).collect();
    let text = sent(&["-f", "a@b", "c@d"], &format!("From: a@b\nDate: x\nMessage-ID: <y>\n\n{lines}"), GOOD);
    assert!(text.contains("MAIL FROM:<a@b> BODY=8BITMIME\r\n"), "8 bits come late in it");
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let expected: String = lines.split_inclusive('\n').fold(String::new(), |mut all, line| {
        all.extend([if line.starts_with('.') { "." } else { "" }, line.trim_end(), "\r\n"]);
        all
    });
    assert!(body.strip_prefix(&*expected).is_some_and(|rest| rest.starts_with(".\r\n")));
}

//! aiosmtpd, which takes nothing without TLS and a login.

use crate::secure::Certificates;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    thread,
};
use trenza_tests::{PATIENCE, Program};

/// The system's Python, whose package this is.
const PYTHON: &str = "/usr/bin/python3";

/// Says its port, and then what it has got, in lines of JSON.
const SCRIPT: &str = "
import asyncio, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1])

class Taken:
    async def handle_DATA(self, server, session, envelope):
        text = envelope.original_content.decode()
        print(json.dumps({'user': session.auth_data.decode(), 'tls': session.ssl is not None, 'to': envelope.rcpt_tos,
                          'text': text}), flush=True)
        return '250 taken'

def check(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b'me', b'se cret')
    return AuthResult(success=right, auth_data=data.login)

async def main():
    make = lambda: SMTP(Taken(), tls_context=context, require_starttls=True, authenticator=check, auth_required=True)
    server = await asyncio.get_running_loop().create_server(make, '127.0.0.1', 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
";

/// It ends with this.
struct Smarthost(Child);

impl Drop for Smarthost {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it was running");
    }
}

#[test]
fn takes_what_a_server_sends_that_logs_in() {
    let (certificates, place) = (Certificates::new(), tempfile::tempdir().unwrap());
    let mut command = Command::new(PYTHON);
    command.args(["-c", SCRIPT, &certificates.shown("localhost.pem")]);
    let mut smarthost = Smarthost(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let (stdout, (line, lines)) = (BufReader::new(smarthost.0.stdout.take().unwrap()), channel());
    thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|said| drop(line.send(said))));
    let said = |what: &str| lines.recv_timeout(PATIENCE).expect(what);
    let port = said("it says its port");

    let path = |name: &str| place.path().join(name);
    let shown = |name: &str| path(name).display().to_string();
    fs::create_dir(path("mail")).unwrap();
    fs::write(path("users.toml"), "").unwrap();
    fs::write(path("aliases"), "away: ann@example.net, bob@example.net\n").unwrap();
    fs::write(path("secret"), "se cret\n").unwrap();
    let login =
        format!("[[login]]\nserver = \"localhost:{port}\"\nuser = \"me\"\npassword-file = \"secret\"\n");
    fs::write(path("logins.toml"), login).unwrap();
    fs::set_permissions(path("logins.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    let mut program = Program::start(
        &crate::program(),
        [
            "mail".to_owned(),
            "serve".into(),
            "--domain=example.org".into(),
            "--smtp=tcp:0:interface=127.0.0.1".into(),
            format!("--maildir={}", shown("mail")),
            format!("--users={}", shown("users.toml")),
            format!("--aliases={}", shown("aliases")),
            format!("--queue={}", shown("queue")),
            format!("--logins={}", shown("logins.toml")),
            format!("--relay=starttls:localhost:{port}:ca={}", certificates.shown("ca.pem")),
        ],
    );
    let server = program.hear_url("smtp://").replace("smtp://", "--server=tcp:");
    for number in 0..3 {
        let mut send = Command::new(crate::program());
        send.args(["mail", "send", "--from=eve@example.com", &server, "away@example.org"]);
        let mut send = send.stdin(Stdio::piped()).spawn().unwrap();
        send.stdin.take().unwrap().write_all(format!("Subject: {number}\n\nHello!\n").as_bytes()).unwrap();
        assert!(send.wait().unwrap().success());
    }
    let mut subjects: Vec<String> = (0..3)
        .map(|_| {
            let taken: Value = serde_json::from_str(&said("it has got a message")).unwrap();
            assert_eq!((taken["user"].as_str(), taken["tls"].as_bool()), (Some("me"), Some(true)));
            assert_eq!(taken["to"], serde_json::json!(["ann@example.net", "bob@example.net"]));
            let text = taken["text"].as_str().unwrap();
            let (_, subject) = text.split_once("\r\nSubject: ").expect("it is there");
            subject.lines().next().unwrap().to_owned()
        })
        .collect();
    subjects.sort();
    assert_eq!(subjects, ["0", "1", "2"]);
    program.signal("TERM");
    assert!(program.end().0.success());
}

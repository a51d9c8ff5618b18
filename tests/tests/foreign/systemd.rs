//! systemd-socket-activate: a service manager that opens the socket.

use crate::{folder, program, run};
use std::{net::TcpListener, path::Path, process::Command};
use trenza_tests::Program;

#[test]
fn a_socket_is_opened_before_the_program_starts() {
    let folder = folder(&[("hello.txt", b"Hello, braid!\n")]);
    // Below those that the system gives to whoever asks for any, so that nobody takes it in between.
    let port = (7400..7500).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
    let (address, program) = (format!("127.0.0.1:{port}"), program());
    for which in ["systemd:0", "systemd:name=http"] {
        let arguments = ["--fdname=http".as_ref(), "-l".as_ref(), address.as_ref(), program.as_os_str()];
        let web = ["web".as_ref(), folder.path().as_os_str(), "--listen".as_ref(), which.as_ref()];
        let mut manager =
            Program::start(Path::new("systemd-socket-activate"), arguments.into_iter().chain(web));
        manager.hear("Listening on");
        // The first connection starts the program, which serves it.
        let url = format!("http://{address}/hello.txt");
        let answer = run(Command::new("curl").args(["-sS", "--max-time", "60", &url]));
        assert_eq!(answer.stdout, b"Hello, braid!\n");
        manager.hear(&format!("http://{address}/"));
    }
}

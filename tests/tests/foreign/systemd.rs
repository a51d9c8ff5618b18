//! systemd-socket-activate: a service manager that opens the socket.

use crate::{folder, program, run};
use std::{
    path::Path,
    process::{self, Command},
};
use trenza_tests::Program;

#[test]
fn a_socket_is_opened_before_the_program_starts() {
    let folder = folder(&[("hello.txt", b"Hello, braid!\n")]);
    let program = program();
    for (number, which) in [(0, "systemd:0"), (1, "systemd:name=http")] {
        // Below those that the system gives to whoever asks for any, so that nobody takes it in between; and one that a
        // run before this has not left busy.
        let port = 7900 + (process::id() + number) % 100;
        let address = format!("127.0.0.1:{port}");
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

//! What is answered as kept was synced before: the file, and then the folder that has its name.

use std::{
    fs,
    io::{self, Write},
    net::{Shutdown, TcpStream},
    path::Path,
};
use trenza_tests::Program;

const TRACED: &str = "--trace=openat,openat2,write,fsync,renameat,renameat2,sendto,sendmsg";
const TEXT: &[u8] = b"to be kept";

/// What is done, and how its call is recognised.
type Step<'a> = (&'a str, &'a dyn Fn(&str) -> bool);

/// The calls that make a file last, in their order, and the answer.
fn calls(folder: &Path) -> Vec<String> {
    let log = folder.join(".log");
    let output = format!("--output={}", log.display());
    let keep = env!("CARGO_BIN_EXE_keep");
    let arguments = [
        "TRENZA_DRIVER=poll",
        "strace",
        "--daemonize",
        "--follow-forks",
        TRACED,
        "--decode-fds=path",
        &output,
        "sh",
        "-c",
        // What it says is heard on standard error.
        "exec \"$0\" tcp:0:interface=127.0.0.1 \"$1\" >&2",
        keep,
        folder.to_str().unwrap(),
    ];
    let mut program = Program::start(Path::new("env"), arguments);
    let address = program.hear("listening on ").trim_start_matches("listening on ").to_owned();
    let mut client = TcpStream::connect(&address).unwrap();
    client.write_all(TEXT).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(io::read_to_string(client).unwrap(), "10 bytes in /kept-1\n");
    program.signal("TERM");
    let (status, said) = program.end();
    assert!(status.success(), "{status}: {said}");
    fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_is_answered_as_kept_was_synced_before() {
    let folder = tempfile::tempdir().unwrap();
    let calls = calls(folder.path());
    let root = format!("<{}>)", folder.path().display());
    let steps: [Step<'_>; 5] = [
        ("writes", &|call| {
            call.contains("write(") && call.contains("/.trenza-") && call.contains("to be kept")
        }),
        ("syncs the file", &|call| call.contains("fsync(") && call.contains("/.trenza-")),
        ("renames it", &|call| call.contains("renameat") && call.contains("\"kept-1\"")),
        ("syncs the folder", &|call| call.contains("fsync(") && call.contains(&root)),
        ("answers", &|call| call.contains("send") && call.contains("10 bytes")),
    ];
    let mut rest = calls.iter();
    for (step, is_it) in steps {
        let found = rest.find(|call| is_it(call));
        let found = found.unwrap_or_else(|| panic!("it never {step} in time:\n{}", calls.join("\n")));
        assert!(!found.contains(" = -1"), "{found}");
    }
}

//! tnftp, the client of the BSDs.

use super::{BIG, PASSWORD, Served};
use crate::{pattern, run};
use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

fn tnftp(served: &Served) -> Command {
    let mut command = Command::new("tnftp");
    command.current_dir(served.here.path()).env("HOME", served.here.path()).env("LC_ALL", "C");
    command
}

/// Types these lines after a login; gives what it printed.
fn types(served: &Served, lines: &[&str]) -> String {
    let mut command = tnftp(served);
    command.args(["-n", "-i", "-v", "127.0.0.1", &served.port()]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let script = [&[&*format!("user ann \"{PASSWORD}\""), "binary"], lines, &["bye", ""]].concat().join("\n");
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("230 ") && said.contains("221 "), "{said}");
    said
}

#[test]
fn a_session() {
    let served = Served::new();
    let big = pattern(BIG);
    fs::write(served.here("two  words 'x'"), "hello").unwrap();
    for name in ["1.txt", "2.txt", "3.dat"] {
        fs::write(served.here(name), name).unwrap();
    }
    fs::write(served.here("half"), big.get(..BIG / 2).unwrap()).unwrap();
    let said = types(
        &served,
        &[
            "pwd",
            "mkdir \"in here\"",
            "cd \"in here\"",
            "put \"two  words 'x'\"",
            "mput *.txt",
            "ls",
            "mlsd",
            "nlist",
            "modtime 1.txt",
            "size 1.txt",
            "rename 1.txt one.txt",
            "mget *.txt",
            "mdelete 2*",
            "append 3.dat one.txt",
            "site chmod 600 one.txt",
            "cd ..",
            "get big.bin",
            "reget big.bin half",
            "passive off",
            "get big.bin active",
            "epsv4 off",
            "passive on",
            "get big.bin pasv",
            "ascii",
            "put 3.dat text",
            "rstatus",
            "features",
            "quote XYZZY",
        ],
    );
    for part in ["Remote directory: /", "257 \"/in here\"", "\t5\n", "type=file;", "MLST", "500 "] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    for name in ["big.bin", "half", "active", "pasv"] {
        assert!(fs::read(served.here(name)).unwrap() == big, "{name} differs: {said}");
    }
    assert_eq!(fs::read(served.path("in here/two  words 'x'")).unwrap(), b"hello");
    assert_eq!(fs::read(served.path("in here/one.txt")).unwrap(), b"1.txt3.dat");
    assert_eq!(fs::read(served.here("one.txt")).unwrap(), b"1.txt");
    assert!(!served.path("in here/2.txt").exists() && !served.path("in here/1.txt").exists());
}

#[test]
fn addresses() {
    let served = Served::new();
    let url = format!("ftp://ann:p%20w@127.0.0.1:{}", served.port());
    run(tnftp(&served).args(["-V", "-o", "got", &format!("{url}/big.bin")]));
    assert!(fs::read(served.here("got")).unwrap() == pattern(BIG));
    run(tnftp(&served).args(["-V", "-u", &format!("{url}/sent-it"), "got"]));
    assert!(fs::read(served.path("sent-it")).unwrap() == pattern(BIG));
    run(tnftp(&served).args([
        "-V",
        "-a",
        "-o",
        "free",
        &format!("ftp://127.0.0.1:{}/big.bin", served.port()),
    ]));
    assert!(fs::read(served.here("free")).unwrap() == pattern(BIG));
}

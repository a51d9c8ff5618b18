//! curl, whose commands one can choose.

use super::{BIG, PASSWORD, Served};
use crate::{pattern, run};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, process::Command};

impl Served {
    /// curl as ann with these arguments, in which `{}` stands for the address; gives what it printed.
    fn curl(&self, arguments: &[&str]) -> Vec<u8> {
        run(&mut self.command(arguments)).stdout
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let (plain, implicit) =
            (format!("ftp://localhost:{}", self.port()), format!("ftps://localhost:{}", self.ports[1]));
        let arguments = arguments.iter().map(|it| it.replace("{}", &plain).replace("{tls}", &implicit));
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "60", "--cacert", &self.ca()]);
        command.args(["--user", &format!("ann:{PASSWORD}")]).args(arguments).current_dir(self.here.path());
        command
    }

    fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.curl(arguments)).unwrap()
    }
}

#[test]
fn gets_and_puts_on_all_ways() {
    let served = Served::new();
    let big = pattern(BIG);
    fs::write(served.here("big.bin"), &big).unwrap();
    for (number, ways) in [
        &["{}"][..],
        &["{}", "--disable-epsv"],
        &["{}", "--ftp-port", "127.0.0.1"],
        &["{}", "--ftp-port", "127.0.0.1", "--disable-eprt"],
        &["{}", "--ssl-reqd"],
        &["{}", "--ssl-reqd", "--tls-max", "1.2"],
        &["{}", "--ftp-ssl-control"],
        &["{tls}"],
    ]
    .into_iter()
    .enumerate()
    {
        let (at, options) = ways.split_first().unwrap();
        let (from, to) = (format!("{at}/big.bin"), format!("{at}/in/{number}.bin"));
        assert!(served.curl(&[options, &[&from]].concat()) == big, "{ways:?}");
        served.curl(&[options, &["--ftp-create-dirs", "-T", "big.bin", &to]].concat());
        assert!(fs::read(served.path(&format!("in/{number}.bin"))).unwrap() == big, "{ways:?}");
    }
}

#[test]
fn goes_on_both_ways() {
    let served = Served::new();
    let big = pattern(BIG);
    for options in [&[][..], &["--ssl-reqd"]] {
        fs::write(served.here("part"), big.get(..1_234_567).unwrap()).unwrap();
        served.curl(&[options, &["-C", "-", "-o", "part", "{}/big.bin"]].concat());
        assert!(fs::read(served.here("part")).unwrap() == big);
        fs::write(served.path("sent"), big.get(..2_345_678).unwrap()).unwrap();
        served.curl(&[options, &["-C", "-", "-T", "part", "{}/sent"]].concat());
        assert!(fs::read(served.path("sent")).unwrap() == big);
        // It ends the data connection when it has enough.
        assert_eq!(
            served.curl(&[options, &["-r", "10-19", "{}/big.bin"]].concat()),
            big.get(10..20).unwrap()
        );
        let two = served.curl(&[options, &["-r", "0-4", "{}/big.bin", "{}/big.bin"]].concat());
        assert_eq!(two, big.get(..5).unwrap().repeat(2));
    }
    fs::write(served.here("more"), "more").unwrap();
    served.curl(&["--append", "-T", "more", "{}/log"]);
    served.curl(&["--append", "-T", "more", "{}/log"]);
    assert_eq!(fs::read(served.path("log")).unwrap(), b"moremore");
}

#[test]
fn lists_and_commands() {
    let served = Served::new();
    fs::create_dir(served.path("d")).unwrap();
    fs::write(served.path("d/a b"), "1\n2\n").unwrap();
    fs::write(served.path("d/line\nend"), "never seen").unwrap();
    assert_eq!(served.text(&["-l", "{}/d/"]).trim_end(), "a b");
    let listed = served.text(&["{}/"]);
    assert!(listed.contains(" big.bin") && listed.contains(" d") && listed.lines().count() == 2, "{listed}");
    let facts = served.text(&["-X", "MLSD", "{}/"]);
    assert!(facts.contains("type=file;") && facts.contains(&format!("size={BIG};")), "{facts}");
    let head = served.text(&["-I", "{}/big.bin"]);
    assert!(head.contains("Last-Modified: ") && head.contains(&format!("Content-Length: {BIG}")), "{head}");
    assert_eq!(served.curl(&["--use-ascii", "{}/d/a%20b"]), b"1\n2\n");
    for method in ["multicwd", "singlecwd", "nocwd"] {
        assert_eq!(served.curl(&["--ftp-method", method, "{}/d/a%20b"]), b"1\n2\n");
    }
    let quoted = [
        "MKD e",
        "RNFR d/a b",
        "RNTO e/c",
        "SITE CHMOD 600 e/c",
        "MFMT 20200102030405 e/c",
        "*DELE nothing",
        "RMD d",
    ];
    fs::remove_file(served.path("d/line\nend")).unwrap();
    let quoted: Vec<&str> = quoted.iter().flat_map(|command| ["-Q", command]).collect();
    served.curl(&[&quoted[..], &["-l", "{}/"]].concat());
    assert_eq!(fs::read(served.path("e/c")).unwrap(), b"1\n2\n");
    assert!(!served.path("d").exists());
    assert!(served.curl(&["-z", "1 Jan 2021", "{}/e/c"]).is_empty());
    assert_eq!(served.curl(&["-z", "1 Jan 2019", "{}/e/c"]), b"1\n2\n");
}

#[test]
fn names_that_are_hard_to_say() {
    let served = Served::new();
    fs::write(served.here("x"), "x").unwrap();
    for (escaped, name) in [
        ("a%20b", &b"a b"[..]),
        ("%20lead%20", b" lead "),
        ("say%20%22hi%22", b"say \"hi\""),
        ("%27quoted%27", b"'quoted'"),
        ("%5bx%5d%2a%3f", b"[x]*?"),
        ("b%fe%e9%ff", b"b\xfe\xe9\xff"),
        ("%c3%b1%3b%23", "\u{f1};#".as_bytes()),
        ("-l%20-a", b"-l -a"),
    ] {
        let url = format!("{{}}/{escaped}");
        served.curl(&["-T", "x", &url]);
        let path = served.path("").join(OsStr::from_bytes(name));
        assert_eq!(fs::read(&path).unwrap_or_default(), b"x", "{escaped}");
        assert_eq!(served.curl(&[&url]), b"x", "{escaped}");
        let listed = served.curl(&["-l", "{}/"]);
        assert!(
            listed.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_end() == name.trim_ascii_end())
        );
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_may_not_be_is_refused() {
    let served = Served::new();
    fs::write(served.here("x"), "x").unwrap();
    for (arguments, code) in [
        (&["--user", "ann:wrong", "{}/big.bin"][..], 67),
        (&["{}/nothing"], 78),
        (&["{}/nowhere/x"], 9),
        (&["-T", "x", "{}/nowhere/x"], 9),
        (&["--user", "anonymous:me@", "-T", "x", "{}/x"], 25),
        (&["-Q", "DELE big", "{}/"], 21),
        (&["--ftp-method", "nocwd", "{}//etc/passwd"], 78),
        (&["--cacert", "/dev/null", "--ssl-reqd", "{}/big.bin"], 77),
    ] {
        let output = served.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    }
    assert!(!served.path("x").exists());
    assert!(served.curl(&["--user", "anonymous:me@", "{}/big.bin"]) == pattern(BIG));
}

#[test]
fn leaves_tls_again_where_that_is_allowed() {
    let served = Served::with(&["--allow-ccc"]);
    for mode in ["active", "passive"] {
        let ccc = ["--ssl-reqd", "--ftp-ssl-ccc-mode", mode, "-Q", "-PWD", "--verbose", "{}/big.bin"];
        let output = served.command(&ccc).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.stdout == pattern(BIG) && said.contains("> CCC") && said.contains("< 200 "), "{said}");
    }
}

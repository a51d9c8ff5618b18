//! lftp: whole trees over several sessions, and transfers that are cut and gone on with.

use super::{BIG, PASSWORD, Served};
use crate::{
    ftp::{contents, tree},
    pattern, run,
};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, process::Command};

const PLAIN: &str = "set ftp:ssl-allow no";
/// Each file goes once there and once back; the empty one does not, which lftp makes itself.
const TRANSFERS: usize = 1999;
const SECURED: &str = "set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:ca-file";

/// Does these commands in a session of ann's; gives what it printed.
fn lftp(served: &Served, settings: &str, commands: &str) -> String {
    let always = "set cmd:fail-exit yes; set net:max-retries 2; set net:timeout 20; set xfer:clobber yes";
    let open = format!("open -u ann,'{PASSWORD}' -p {} localhost", served.port());
    let mut command = Command::new("lftp");
    command.args(["--norc", "-c", &format!("{always}; {settings}; {open}; {commands}; bye")]);
    command.current_dir(served.here.path()).env("HOME", served.here.path()).env("LC_ALL", "C.UTF-8");
    String::from_utf8_lossy(&run(&mut command).stdout).into_owned()
}

fn secured(served: &Served) -> String {
    format!("{SECURED} {}", served.ca())
}

/// 1,000 files there and back, compared byte for byte; again, which has nothing to do; what is gone is deleted.
fn mirrors_both_ways(served: &Served, settings: &str) {
    tree(&served.here("there"));
    let original = contents(&served.here("there"));
    assert_eq!(original.len(), 1000);
    let up = "mirror -R --parallel=8 there up/a";
    lftp(served, settings, &format!("mkdir -p up; {up}"));
    assert!(contents(&served.path("up/a")) == original, "what is there differs");
    let down = "mirror --parallel=8 up/a back";
    lftp(served, settings, down);
    assert!(contents(&served.here("back")) == original, "what came back differs");
    lftp(served, settings, &format!("{up}; {down}"));
    fs::remove_dir_all(served.here("there/d 1")).unwrap();
    lftp(served, settings, &format!("{up} --delete; {down} --delete"));
    let left = contents(&served.here("there"));
    assert!(left.len() < 1000 && contents(&served.path("up/a")) == left, "what was deleted is there");
    assert!(contents(&served.here("back")) == left, "what was deleted is here");
}

#[test]
fn mirrors_both_ways_in_clear() {
    let served = Served::new();
    mirrors_both_ways(&served, PLAIN);
    let said = served.stop();
    assert_eq!(said.matches(" ann 127.0.0.1 ").count(), TRANSFERS, "{said}");
    assert!(!said.contains(" tls "));
}

#[test]
fn mirrors_both_ways_over_tls() {
    let served = Served::new();
    let settings = secured(&served);
    mirrors_both_ways(&served, &settings);
    let said = served.stop();
    let lines = || said.lines().filter(|line| line.contains(" ann 127.0.0.1 "));
    assert!(lines().count() == TRANSFERS && lines().all(|line| line.contains(" tls ")), "{said}");
}

#[test]
fn goes_on_where_it_was_cut() {
    let served = Served::new();
    let big = pattern(BIG);
    for settings in [PLAIN.to_owned(), secured(&served)] {
        fs::write(served.here("big.bin"), big.get(..1_000_000).unwrap()).unwrap();
        lftp(&served, &settings, "get -c big.bin");
        assert!(fs::read(served.here("big.bin")).unwrap() == big, "what was gone on with here differs");
        fs::write(served.path("sent.bin"), big.get(..2_000_000).unwrap()).unwrap();
        lftp(&served, &settings, "put -c big.bin -o sent.bin");
        assert!(fs::read(served.path("sent.bin")).unwrap() == big, "what was gone on with there differs");
        // Pieces at once, each of which is aborted where the next one begins.
        lftp(&served, &settings, "set pget:min-chunk-size 64k; pget -n 4 big.bin -o pieces.bin");
        assert!(fs::read(served.here("pieces.bin")).unwrap() == big, "what came in pieces differs");
    }
    let said = served.stop();
    for part in [" down 2000000@1000000 ", " up 1000000@2000000 "] {
        assert_eq!(said.matches(part).count(), 2, "{part} in {said}");
    }
}

#[test]
fn uploads_over_tls_are_whole() {
    let served = Served::new();
    let settings = secured(&served);
    fs::write(served.here("big.bin"), pattern(BIG)).unwrap();
    // It reads nothing on their data connections, so what it left unread there would reset them.
    let puts: Vec<_> = (0..50).map(|number| format!("put big.bin -o {number}")).collect();
    lftp(&served, &settings, &puts.join("; "));
    let said = served.stop();
    assert_eq!(said.matches(&format!(" up {BIG} tls ")).count(), 50, "{said}");
    assert!(!said.contains(" failed: "), "{said}");
}

#[test]
fn other_ways() {
    let served = Served::new();
    let big = pattern(BIG);
    let raw = OsStr::from_bytes(b"b\xff");
    fs::write(served.path("").join(raw), "raw").unwrap();
    fs::write(served.path("line\nend"), "never seen").unwrap();
    lftp(&served, PLAIN, "set ftp:passive-mode no; get big.bin -o active.bin");
    assert!(fs::read(served.here("active.bin")).unwrap() == big);
    lftp(
        &served,
        PLAIN,
        "set ftp:prefer-epsv no; set ftp:use-mlsd no; mkdir 'a \"b\"'; put active.bin -o 'a \"b\"/c d'",
    );
    assert!(fs::read(served.path("a \"b\"/c d")).unwrap() == big);
    let listed =
        lftp(&served, PLAIN, "cls -1; mv 'a \"b\"/c d' e; chmod 640 e; rmdir 'a \"b\"'; rm e; cls -1");
    assert!(
        listed.starts_with("a \"b\"/\n")
            && !listed.contains("line")
            && listed.matches("big.bin\n").count() == 2
    );
    // Bytes that are no UTF-8, to who takes names as they are.
    lftp(&served, "set ftp:ssl-allow no; set ftp:use-utf8 no", "mget b*");
    assert_eq!(fs::read(served.here.path().join(raw)).unwrap(), b"raw");

    let implicit = format!(
        "set ssl:ca-file {}; open -u ann,'{PASSWORD}' ftps://localhost:{}; get big.bin -o implicit.bin",
        served.ca(),
        served.ports[1]
    );
    lftp(&served, PLAIN, &implicit);
    assert!(fs::read(served.here("implicit.bin")).unwrap() == big);
}

#[test]
fn lists_what_is_below() {
    let served = Served::new();
    fs::create_dir_all(served.path("d/e")).unwrap();
    fs::write(served.path("d/e/deep"), "x").unwrap();
    let listed = lftp(&served, PLAIN, "ls -R");
    let at = |what: &str| listed.find(what).unwrap_or_else(|| panic!("no {what:?} in {listed}"));
    assert!(
        at(".:\n") < at(" big.bin\n") && at("\n./d:\n") < at("\n./d/e:\n") && at(" deep\n") > at("./d/e:")
    );
}

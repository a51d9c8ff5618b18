//! LIST, NLST, MLSD, STAT.

use crate::Site;
use trenza_ftp::FtpLimits;
use trenza_sim::{DiskOpen, Net};

fn lines(bytes: &[u8]) -> Vec<String> {
    assert!(bytes.is_empty() || bytes.ends_with(b"\r\n"));
    String::from_utf8_lossy(bytes).lines().map(Into::into).collect()
}

fn with_files() -> Site {
    let site = Site::ann();
    for name in ["b.txt", "a.txt", "c.rs", ".hidden"] {
        site.write(name, "hello");
    }
    site.ask("MKD d", "257");
    site.put("STOR d/e.txt", "x");
    site
}

#[test]
fn names() {
    let site = with_files();
    for (command, expected) in [
        ("NLST", &[".hidden", "a.txt", "b.txt", "c.rs", "d"][..]),
        ("NLST /", &[".hidden", "a.txt", "b.txt", "c.rs", "d"]),
        ("NLST -la", &[".hidden", "a.txt", "b.txt", "c.rs", "d"]),
        ("NLST d", &["e.txt"]),
        ("NLST *.txt", &["a.txt", "b.txt"]),
        ("NLST [ab].*", &["a.txt", "b.txt"]),
        ("NLST d/*", &["d/e.txt"]),
        ("NLST *.none", &[]),
        ("NLST a.txt", &["a.txt"]),
        ("NLST ./d/../a.txt", &["./d/../a.txt"]),
        ("NLST -d d", &["d"]),
    ] {
        assert_eq!(lines(&site.get(command)), expected, "{command}");
    }
    let _data = site.passive();
    site.ask("NLST none", "550");
    site.ask("NLST [a", "55");
    site.leaves_nothing();
}

#[test]
fn a_name_that_looks_like_a_pattern() {
    let site = Site::ann();
    site.write("a[1].txt", "");
    site.write("a1.txt", "");
    assert_eq!(lines(&site.get("NLST a[1].txt")), ["a[1].txt"]);
}

#[test]
fn long_and_facts() {
    let site = with_files();
    let long = lines(&site.get("LIST -la"));
    assert_eq!(long.len(), 5);
    assert!(long[1].starts_with("-rw") && long[1].ends_with(" a.txt") && long[1].contains(" 5 "), "{long:?}");
    assert!(long[4].starts_with('d'));
    let facts = lines(&site.get("MLSD"));
    assert_eq!(facts.len(), 5);
    assert!(facts[1].starts_with("type=file;size=5;modify="), "{facts:?}");
    assert!(facts[1].contains("perm=adfrw;") && facts[4].contains("perm=cdeflmp;"), "{facts:?}");
    assert_eq!(lines(&site.get("MLSD d")).len(), 1);
    let _data = site.passive();
    site.ask("MLSD a.txt", "501");
    let status = site.ask("STAT -l d", "213-");
    assert!(status.contains("e.txt\r\n213 End"), "{status}");
}

#[test]
fn names_with_line_ends_are_not_shown() {
    let site = Site::ann();
    site.srv.disk().root().open("a\r\nb", DiskOpen::CreateNew).unwrap();
    site.write("c", "");
    for command in ["LIST", "NLST", "MLSD"] {
        assert_eq!(lines(&site.get(command)).len(), 1, "{command}");
    }
    site.ask("DELE a\rb", "501");
}

#[test]
fn many_names() {
    let site = Site::ann();
    for n in 0..3000 {
        site.write(&format!("{n:05}"), "");
    }
    let names = lines(&site.get("NLST"));
    assert_eq!(names.len(), 3000);
    assert!(names.is_sorted());
    let status = site.ask("STAT .", "213-");
    assert!(status.lines().count() == 1002 && status.contains("there are more"));
    let data = site.passive();
    data.read(false);
    site.ask("LIST", "150");
    site.net.run();
    site.ask("ABOR", "426");
    site.expect("226");
    site.leaves_nothing();
}

/// What NLST or LIST shows, empty lines too.
fn tree(site: &Site, command: &str) -> String {
    String::from_utf8(site.get(command)).unwrap().replace("\r\n", "\n")
}

#[test]
fn what_is_below_a_folder() {
    let site = Site::ann();
    for folder in ["sub", "sub/one", "sub/one/two", "sub/three", "sub/none"] {
        site.ask(format!("MKD {folder}"), "257");
    }
    for file in ["sub/inner", "sub/one/two/deep", "sub/three/file"] {
        site.put(format!("STOR {file}"), "xyz");
    }
    let below = "sub:\ninner\nnone\none\nthree\n\nsub/none:\n\nsub/one:\ntwo\n\nsub/one/two:\ndeep\n\nsub/three:\nfile\n";
    assert_eq!(tree(&site, "NLST -R sub"), below);
    let long = tree(&site, "LIST -aR");
    let headers: Vec<&str> = long.lines().filter(|line| line.ends_with(':')).collect();
    assert_eq!(headers, [".:", "./sub:", "./sub/none:", "./sub/one:", "./sub/one/two:", "./sub/three:"]);
    assert!(long.lines().any(|line| line.starts_with("-rw") && line.ends_with(" deep")), "{long}");
    assert_eq!(tree(&site, "NLST -R /sub/three/"), "/sub/three/:\nfile\n");
    assert_eq!(tree(&site, "NLST -R /").lines().nth(3), Some("/sub:"));
    assert_eq!(tree(&site, "NLST -R sub/inner"), "sub/inner\n");
    assert_eq!(tree(&site, "NLST -R sub/t*"), "sub/three\n");
    site.leaves_nothing();
}

#[test]
fn what_is_below_is_limited() {
    let few = |recursive| {
        let limits = FtpLimits { recursive, ..FtpLimits::default() };
        let site = Site::logged_in(Net::gentle(1), |server| server.limits(limits));
        for name in ["a", "b"] {
            site.ask(format!("MKD {name}"), "257");
            site.put(format!("STOR {name}/file"), "x");
        }
        site
    };
    let site = few(3);
    let data = site.passive();
    site.ask("NLST -R", "150");
    site.expect("451");
    assert!(data.received().starts_with(b".:\r\na\r\nb\r\n"));
    site.leaves_nothing();
    assert_eq!(tree(&few(4), "NLST -R"), ".:\na\nb\n\n./a:\nfile\n\n./b:\nfile\n");
    assert_eq!(tree(&few(0), "NLST -R"), "a\nb\n");
}

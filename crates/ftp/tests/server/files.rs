//! Folders, names, facts.

use crate::Site;

#[test]
fn folders() {
    let site = Site::ann();
    for (command, code) in [
        ("MKD a", "257 \"/a\""),
        ("MKD a", "550"),
        ("CWD a", "250"),
        ("PWD", "257 \"/a\""),
        ("MKD b \"c\"", "257 \"/a/b \"\"c\"\"\""),
        ("CWD b \"c\"", "250"),
        ("PWD", "257 \"/a/b \"\"c\"\"\""),
        ("CDUP", "250"),
        ("CWD none", "550"),
        ("CWD ../../../..", "250"),
        ("PWD", "257 \"/\""),
        ("CDUP", "250"),
        ("RMD a", "550"),
        ("RMD a/b \"c\"", "250"),
        ("XRMD a", "250"),
        ("RMD a", "550"),
        ("RMD /", "5"),
        ("DELE /", "5"),
        ("RNFR /", "550"),
    ] {
        site.ask(command, code);
    }
}

#[test]
fn names_of_any_bytes() {
    let site = Site::ann();
    for name in
        [&b"caf\xc3\xa9"[..], b"caf\xe9", b" a  b ", b"\"quoted\"", b"-l", b"a\\b", b"\xff\xff", b"*?["]
    {
        let wire: Vec<u8> =
            name.iter().flat_map(|byte| if *byte == 255 { vec![255, 255] } else { vec![*byte] }).collect();
        site.put([b"STOR ", &wire[..]].concat(), name);
        assert_eq!(site.get([b"RETR ", &wire[..]].concat()), name);
        let listed = site.get("NLST");
        assert!(listed.windows(name.len()).any(|part| part == name), "{}", listed.escape_ascii());
        site.ask([b"DELE ", &wire[..]].concat(), "250");
    }
    assert!(site.names().is_empty());
}

#[test]
fn renaming() {
    let site = Site::ann();
    site.write("a", "1");
    site.write("b", "2");
    for (command, code) in [
        ("RNTO c", "503"),
        ("RNFR none", "550"),
        ("RNFR a", "350"),
        ("PWD", "257"),
        ("RNTO c", "503"),
        ("RNFR a", "350"),
        ("RNTO none/c", "550"),
        ("RNTO c", "503"),
        ("RNFR a", "350"),
        ("RNTO b", "250"),
    ] {
        site.ask(command, code);
    }
    assert_eq!((site.names(), site.read("b").unwrap()), (vec!["b".to_owned()], b"1".to_vec()));
}

#[test]
fn facts_of_files() {
    let site = Site::ann();
    site.write("a", "hello");
    site.ask("MFMT 20200102030405 a", "213 Modify=20200102030405; a");
    site.ask("MDTM a", "213 20200102030405");
    site.ask("SITE UTIME 202001020304 a", "250");
    site.ask("MDTM a", "213 20200102030400");
    site.ask("SITE CHMOD 640 a", "250");
    let facts = site.ask("MLST a", "250-");
    for fact in ["type=file;", "size=5;", "modify=20200102030400;", "UNIX.mode=0640;", " /a\r\n"] {
        assert!(facts.contains(fact), "{fact}: {facts}");
    }
    assert!(site.ask("MLST", "250-").contains("type=dir;"));
    site.ask("OPTS MLST size;", "200");
    assert!(site.ask("MLST a", "250-").contains("\r\n size=5; /a\r\n"));
    site.ask("HASH a", "213 SHA-256 0-5 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 a");
    for command in ["SIZE", "MDTM", "MLST", "HASH", "MFMT 20200102030405", "SITE CHMOD 600", "DELE"] {
        site.ask(format!("{command} none"), "550");
    }
    site.ask("MKD d", "257");
    site.ask("SIZE d", "550");
}

#[test]
fn nothing_outside_the_root_is_reached() {
    let site = Site::ann();
    site.ask("MKD a", "257");
    site.ask("CWD a", "250");
    for path in ["../../../etc/passwd", "/../../etc/passwd", "..//..//etc/passwd", "/etc/passwd"] {
        let _data = site.passive();
        site.ask(format!("RETR {path}"), "550");
        site.ask(format!("SIZE {path}"), "550");
    }
    site.ask("CWD a\0b", "501");
}

//! Lines of listings, as servers send them.

use super::*;
use crate::time;

/// Noon of the 25th of November 2026.
fn now() -> SystemTime {
    at("20261125120000")
}

fn at(text: &str) -> SystemTime {
    time::parse(text.as_bytes()).expect(text)
}

fn line(text: &str) -> Entry {
    parse_line(text.as_bytes(), now()).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn unix_lines() {
    for (text, kind, name, size, modified) in [
        ("-rw-r--r-- 1 ann staff 1024 Nov 25 11:59 a", Kind::File, "a", 1024, "20261125115900"),
        ("-rw-r--r--   1 ann  staff      1024 Nov 26 11:59 a", Kind::File, "a", 1024, "20261126115900"),
        ("-rw-r--r-- 1 ann staff 1 Nov 27 11:59 a", Kind::File, "a", 1, "20251127115900"),
        ("-rw-r--r-- 1 ann staff 1 Feb 29 11:59 a", Kind::File, "a", 1, "20240229115900"),
        ("-rw-r--r-- 1 ann staff 1 Dec  1  2020 a", Kind::File, "a", 1, "20201201000000"),
        ("drwxr-xr-x 2 ann 4096 Dec  1  2020 no group", Kind::Folder, "no group", 4096, "20201201000000"),
        ("drwxr-xr-x 2 1000 1000 4096 Dec 1 2020   led", Kind::Folder, "  led", 4096, "20201201000000"),
        ("-rw-r--r-- 1 ann domain users 7 1 Dec 2020 a b", Kind::File, "a b", 7, "20201201000000"),
        ("-rw-r--r-- ann staff 7 Dec 1 2020 unlinked", Kind::File, "unlinked", 7, "20201201000000"),
        ("-rw-r--r--+ 1 a b 7 Dec 1 2020 acl", Kind::File, "acl", 7, "20201201000000"),
        ("-rw-r--r--. 1 a b 7 Dec 1 2020 selinux", Kind::File, "selinux", 7, "20201201000000"),
        ("-rw-r--r-- 1 a b 7 2020-12-01 10:11 iso", Kind::File, "iso", 7, "20201201101100"),
        ("-rw-r--r-- 1 a b 7 2020-12-01 10:11:12.5 +0100 x", Kind::File, "x", 7, "20201201101112"),
        ("-rw-r--r-- 1 a b 7 Dec 1 2020 Jan 1 2021 x", Kind::File, "Jan 1 2021 x", 7, "20201201000000"),
        ("-rw-r--r-- 1 a 12 7 Dec 1 2020 x", Kind::File, "x", 7, "20201201000000"),
        ("drwxr-xr-x 2 a b 1 Dec 1 2020 .", Kind::Current, ".", 1, "20201201000000"),
        ("drwxr-xr-x 2 a b 1 Dec 1 2020 ..", Kind::Parent, "..", 1, "20201201000000"),
    ] {
        let entry = line(text);
        assert_eq!((entry.kind, &*entry.name), (kind, name.as_bytes()), "{text}");
        assert_eq!((entry.size, entry.modified), (Some(size), Some(at(modified))), "{text}");
    }
}

#[test]
fn unix_letters_owners_links_devices() {
    let entry = line("-rwsr-Sr-t 3 ann staff 1 Dec 1 2020 a");
    assert_eq!(entry.mode, Some(0o7745));
    assert_eq!(
        (entry.links, entry.owner.as_deref(), entry.group.as_deref()),
        (Some(3), Some("ann"), Some("staff"))
    );
    let entry = line("lrwxrwxrwx 1 a b 3 Dec 1 2020 here -> /there -> no");
    assert_eq!(
        (entry.kind, &*entry.name, entry.target.as_deref()),
        (Kind::Link, &b"here"[..], Some(&b"/there -> no"[..]))
    );
    let entry = line("brw-rw---- 1 root disk 8, 0 Dec 1 2020 sda");
    assert_eq!((entry.kind, entry.size, entry.group.as_deref()), (Kind::Other, None, Some("disk")));
    let entry = line("drwxr-xr-x 2 ann 4096 Dec 1 2020 x");
    assert_eq!((entry.owner.as_deref(), entry.group), (Some("ann"), None));
}

#[test]
fn dos_lines() {
    for (text, kind, name, size, modified) in [
        ("02-23-05  09:24PM       <DIR>          a folder", Kind::Folder, "a folder", None, "20050223212400"),
        ("02-23-1999  12:24AM                 12 a b", Kind::File, "a b", Some(12), "19990223002400"),
        ("2005-02-23  12:24PM              1,234 x", Kind::File, "x", Some(1234), "20050223122400"),
        ("02/23/70  23:24              5  x", Kind::File, " x", Some(5), "19700223232400"),
        ("02-23-05  09:24PM  <SYMLINKD>  l [c:\\x]", Kind::Link, "l", None, "20050223212400"),
    ] {
        let entry = line(text);
        assert_eq!((entry.kind, &*entry.name, entry.size), (kind, name.as_bytes(), size), "{text}");
        assert_eq!(entry.modified, Some(at(modified)), "{text}");
    }
    assert_eq!(line("02-23-05  09:24PM  <SYMLINKD>  l [c:\\x]").target.as_deref(), Some(&b"c:\\x"[..]));
}

#[test]
fn lines_that_say_nothing() {
    for text in [
        "",
        "\r",
        "total 8",
        "-rw-r--r--",
        "-rw-r--r-- 1 a b 7 Dec 1 2020",
        "-rw-r--r-- 1 a b 7 Dec 1 2020 ",
        "-rw-r--r-- 1 a b 7 Dec 32 2020 x",
        "-rw-r--r-- 1 a b 7 Feb 30 2020 x",
        "-rw-r--r-- 1 a b x Dec 1 2020 x",
        "-rw-r--r-- 1 a b 99999999999999999999 Dec 1 2020 x",
        "-rw-q--r-- 1 a b 7 Dec 1 2020 x",
        "lrwxrwxrwx 1 a b 3 Dec 1 2020  -> x",
        "02-23-05  09:24PM       <DIR>",
        "02-23-05  09:24PM       <DIR>          ",
        "02-23-05  09:24PM  x y",
        "13-23-05  09:24PM  1 y",
        "02-23-05  25:24  1 y",
        "type=file; x",
        "ls: no such file",
    ] {
        assert_eq!(parse_line(text.as_bytes(), now()), None, "{text}");
    }
}

#[test]
fn what_is_written_for_unix_is_read() {
    for (kind, mode, modified) in [
        (Kind::File, 0o644, "20261125115900"),
        (Kind::File, 0o7777, "20260801000000"),
        (Kind::Folder, 0o1755, "19991231000000"),
        (Kind::Link, 0o7000, "20300101000000"),
        (Kind::Other, 0o000, "19700101000000"),
    ] {
        let mut entry = Entry {
            size: Some(1 << 40),
            modified: Some(at(modified)),
            mode: Some(mode),
            owner: Some("ann".into()),
            group: Some("staff".into()),
            links: Some(2),
            ..Entry::new(" a \"b\" \u{e9}", kind)
        };
        if kind == Kind::Link {
            entry.target = Some(b"/x".to_vec());
        }
        let mut text = Vec::new();
        unix::write(&entry, now(), &mut text);
        assert_eq!(parse_line(&text, now()), Some(entry), "{}", text.escape_ascii());
    }
}

#[test]
fn facts_there_and_back() {
    let entry = Entry {
        size: Some(3),
        modified: Some(at("20201201101112.250")),
        mode: Some(0o1644),
        perm: Some("adfrw".into()),
        unique: Some("1g2".into()),
        owner: Some("ann".into()),
        group: Some("1000".into()),
        ..Entry::new(" a=b; c", Kind::File)
    };
    let mut text = Vec::new();
    mlsx::write(&entry, FactSet::default(), &mut text);
    let expected = "type=file;size=3;modify=20201201101112.250;perm=adfrw;unique=1g2;UNIX.mode=1644;\
        UNIX.owner=ann;UNIX.group=1000;  a=b; c";
    assert_eq!(String::from_utf8_lossy(&text), expected);
    assert_eq!(mlsx::parse(&text), Some(entry.clone()));
    assert_eq!(mlsx::parse(&[b" ", &*text].concat()), Some(entry.clone()), "in a reply to MLST");
    text.clear();
    mlsx::write(&entry, FactSet::parse(b"SIZE;unknown;"), &mut text);
    assert_eq!(text, b"size=3;  a=b; c");
    text.clear();
    mlsx::write(&entry, FactSet::NONE, &mut text);
    assert_eq!(text, b"  a=b; c");
    assert_eq!(mlsx::parse(&text).map(|entry| entry.name), Some(b" a=b; c".to_vec()));
    text.clear();
    mlsx::write(&Entry { owner: Some("a;b".into()), ..entry }, FactSet::new([Fact::Owner]), &mut text);
    assert_eq!(text, b"  a=b; c");
}

#[test]
fn facts_of_others() {
    let link = mlsx::parse(b"Type=OS.unix=slink:/there;Size=4;UNIX.ownername=ann;UNIX.owner=7; here")
        .expect("facts");
    assert_eq!(
        (link.kind, link.target.as_deref(), link.owner.as_deref()),
        (Kind::Link, Some(&b"/there"[..]), Some("ann"))
    );
    assert_eq!(
        mlsx::parse(b"type=cdir;sizd=4096; /").map(|entry| (entry.kind, entry.size)),
        Some((Kind::Current, Some(4096)))
    );
    assert_eq!(
        mlsx::parse(b"modify=never;size=-1; x").map(|entry| (entry.modified, entry.size)),
        Some((None, None))
    );
    for wrong in [&b""[..], b"type=file;", b"type=file; ", b"nothing here", b"-rw-r--r-- 1"] {
        assert_eq!(mlsx::parse(wrong), None, "{}", wrong.escape_ascii());
    }
    assert_eq!(
        FactSet::parse(b"type;Modify;").feature(),
        "type*;size;modify*;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;"
    );
    assert_eq!(FactSet::parse(b"modify;TYPE;x;").to_string(), "type;modify;");
}

//! curl: what a careful client asks for.

mod tls;

use crate::{folder, pattern, run, serve};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::ffi::OsStrExt,
    process::{Command, Output},
};
use tempfile::TempDir;
use trenza_tests::Program;

const BIG: usize = 3 << 20;

/// A folder that is served, and its address.
struct Site {
    folder: TempDir,
    _program: Program,
    url: String,
}

fn site() -> Site {
    let folder = folder(&[
        ("hello.txt", b"Hello, braid!\n"),
        ("big.bin", &pattern(BIG)),
        ("page/index.html", b"<p>index</p>\n"),
        ("list/one.txt", b"1"),
        ("list/.hidden", b"secret"),
    ]);
    let (program, url) = serve(folder.path(), &["--quiet"]);
    Site { folder, _program: program, url }
}

/// curl with these arguments behind the usual ones; it must succeed.
fn curl<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    run(Command::new("curl").args(["--silent", "--show-error", "--max-time", "60"]).args(arguments))
}

/// What curl prints: with `-i` or `-I` the heads, too.
fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn get() {
    let site = site();
    let answer = text(&curl(["-i", &format!("{}hello.txt", site.url)]));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "Hello, braid!\n");
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    let fields = [
        "content-length: 14",
        "content-type: text/plain",
        "etag: \"",
        "last-modified: ",
        "date: ",
        "accept-ranges: bytes",
    ];
    for field in fields {
        assert!(head.contains(&format!("\r\n{field}")), "no {field} in {head}");
    }
}

#[test]
fn head_has_the_length_and_no_body() {
    let site = site();
    // Two on one connection: a body would be taken for the head that follows.
    let url = format!("{}big.bin", site.url);
    let answer = text(&curl(["-I", "-w", "connects: %{num_connects}\n", &url, &url])).to_ascii_lowercase();
    assert_eq!(answer.matches(&format!("content-length: {BIG}\r\n")).count(), 2, "{answer}");
    assert!(answer.ends_with("connects: 0\n"), "{answer}");
}

#[test]
fn many_requests_on_one_connection() {
    let site = site();
    let url = format!("{}list/one.txt?[1-100]", site.url);
    assert_eq!(text(&curl(["-w", "+%{num_connects}", &url])), format!("1+1{}", "1+0".repeat(99)));
}

#[test]
fn ranges() {
    let site = site();
    let hello = format!("{}hello.txt", site.url);
    for (range, part) in [("0-4", "Hello"), ("7-", "braid!\n"), ("-2", "!\n"), ("13-99", "\n")] {
        let answer = curl(["-r", range, "-w", "%{http_code}", &hello]);
        assert_eq!(text(&answer), format!("{part}206"), "{range}");
    }
    let answer = text(&curl(["-i", "-r", "99-", &hello]));
    assert!(answer.starts_with("HTTP/1.1 416 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("\r\ncontent-range: bytes */14\r\n"), "{answer}");
}

#[test]
fn several_ranges_come_as_parts() {
    let site = site();
    let answer = text(&curl(["-i", "-r", "0-1,7-11", &format!("{}hello.txt", site.url)]));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    let kind =
        head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-type: multipart/byteranges"));
    let boundary = kind.unwrap().split_once("boundary=").unwrap().1.trim_matches('"');
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "two parts, what is before and what is behind: {body}");
    assert!(parts[1].contains("bytes 0-1/14\r\n") && parts[1].ends_with("\r\n\r\nHe\r\n"), "{body}");
    assert!(parts[2].contains("bytes 7-11/14\r\n") && parts[2].ends_with("\r\n\r\nbraid\r\n"), "{body}");
    assert!(parts[3].starts_with("--"), "{body}");
}

#[test]
fn http_1_0() {
    let site = site();
    let url = format!("{}big.bin", site.url);
    let got = curl(["--http1.0", &url]);
    assert!(got.stdout == pattern(BIG));
    let answer = text(&curl(["--http1.0", "-I", &url])).to_ascii_lowercase();
    assert!(!answer.contains("transfer-encoding"), "{answer}");
    // Kept open only when it is asked for and agreed to.
    let connects = |field: &str| {
        text(&curl([
            "--http1.0",
            "-o",
            "/dev/null",
            "-o",
            "/dev/null",
            "-H",
            field,
            "-w",
            "%{num_connects}",
            &url,
            &url,
        ]))
    };
    assert_eq!(connects("Connection: keep-alive"), "10");
    assert_eq!(connects("X: y"), "11");
}

#[test]
fn a_broken_download_is_resumed() {
    let site = site();
    let file = site.folder.path().join("part.bin");
    fs::write(&file, pattern(BIG).split_at(1_000_000).0).unwrap();
    let url = format!("{}big.bin", site.url);
    let answer = curl([
        OsStr::new("-C"),
        "-".as_ref(),
        "-w".as_ref(),
        "%{http_code} %{size_download}".as_ref(),
        "-o".as_ref(),
        file.as_ref(),
        url.as_ref(),
    ]);
    assert_eq!(text(&answer), format!("206 {}", BIG - 1_000_000));
    assert!(fs::read(&file).unwrap() == pattern(BIG));
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let site = site();
    let url = format!("{}hello.txt", site.url);
    let tag = site.folder.path().join("tag");
    let tag = tag.to_str().unwrap();
    let ask = |options: &[&str]| text(&curl(options.iter().copied().chain(["-w", "%{http_code}", &url])));
    assert_eq!(ask(&["--etag-save", tag]), "Hello, braid!\n200");
    assert_eq!(ask(&["--etag-compare", tag]), "304");
    assert_eq!(ask(&["-H", "If-None-Match: \"other\""]), "Hello, braid!\n200");
    let file = site.folder.path().join("hello.txt");
    assert_eq!(ask(&["-z", file.to_str().unwrap()]), "304", "by its time");
    assert_eq!(ask(&["-z", "2000-01-01"]), "Hello, braid!\n200");
}

#[test]
fn an_upload_is_refused_before_it_is_sent() {
    let site = site();
    let body = site.folder.path().join("upload");
    let url = format!("{}hello.txt", site.url);
    for (length, status) in [(1 << 20, 405), (100 << 20, 413)] {
        File::create(&body).unwrap().set_len(length).unwrap();
        let expect = ["-H", "Expect: 100-continue", "-T", body.to_str().unwrap()];
        let report = ["-o", "/dev/null", "-w", "%{http_code} %{size_upload}"];
        let answer = curl(expect.into_iter().chain(report).chain([url.as_str()]));
        assert_eq!(text(&answer), format!("{status} 0"));
    }
}

#[test]
fn compressed_siblings() {
    let site = site();
    let gzip = run(Command::new("gzip").args(["-kn", "hello.txt"]).current_dir(site.folder.path()));
    drop(gzip);
    let url = format!("{}hello.txt", site.url);
    let answer = text(&curl(["-i", "--compressed", &url]));
    assert!(answer.to_ascii_lowercase().contains("\r\ncontent-encoding: gzip\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nHello, braid!\n"), "{answer}");
    assert_eq!(text(&curl([&url])), "Hello, braid!\n");
}

#[test]
fn folders() {
    let site = site();
    assert_eq!(text(&curl([format!("{}page/", site.url)])), "<p>index</p>\n");
    assert_eq!(text(&curl(["-L", &format!("{}page", site.url)])), "<p>index</p>\n");
    let listing = text(&curl([format!("{}list/", site.url)]));
    assert!(listing.contains("href=\"one.txt\"") && !listing.contains("hidden"), "{listing}");
}

#[test]
fn no_path_leads_out() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let site = site();
    std::os::unix::fs::symlink(outside.path(), site.folder.path().join("link")).unwrap();
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    let paths = [
        format!("../{name}/secret"),
        format!("list/../../{name}/secret"),
        format!("%2e%2e/{name}/secret"),
        format!("..%2f{name}%2fsecret"),
        format!("%2e%2e%5c{name}%5csecret"),
        "link/secret".into(),
        "list/.hidden".into(),
        "list/one.txt%00".into(),
    ];
    for path in paths {
        let answer = text(&curl(["--path-as-is", "-w", "%{http_code}", &format!("{}{path}", site.url)]));
        assert!(
            !answer.contains("secret") && answer.get(answer.len() - 3..).unwrap().starts_with('4'),
            "{path}: {answer}"
        );
    }
}

#[test]
fn a_name_that_is_not_utf_8() {
    let site = site();
    let name = OsStr::from_bytes(b"caf\xe9.txt");
    File::create(site.folder.path().join(name)).unwrap().write_all(b"noir").unwrap();
    assert_eq!(text(&curl([format!("{}caf%E9.txt", site.url)])), "noir");
}

/// Behind a proxy, the log names the client that the proxy tells of.
#[test]
fn a_proxy_header_tells_who_asks() {
    let folder = folder(&[("hello.txt", b"Hello, braid!\n")]);
    let on = "--listen=haproxy:tcp:0:interface=127.0.0.1".as_ref();
    let mut program = Program::start(&crate::program(), ["web".as_ref(), folder.path().as_os_str(), on]);
    let line = program.hear("http://");
    let url = format!("{}hello.txt", line.trim());
    assert_eq!(text(&curl(["--haproxy-protocol", &url])), "Hello, braid!\n");
    let plain = Command::new("curl").args(["-sS", "--max-time", "60", &url]).output().unwrap();
    assert!(!plain.status.success() && plain.stdout.is_empty());
}

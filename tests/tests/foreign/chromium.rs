//! Chromium: a page with a picture, a style and a script.

use crate::{folder, run, secure::Site, serve};
use std::{fs, path::Path, process::Command};

const PAGE: &[(&str, &[u8])] = &[
    ("index.html", include_bytes!("page/index.html")),
    ("braid.png", include_bytes!("page/braid.png")),
    ("page.js", include_bytes!("page/page.js")),
    ("style/page.css", include_bytes!("page/page.css")),
];

/// Says nothing to anybody but the server under test.
const QUIET: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=640,480",
];

fn chromium(profile: &Path) -> Command {
    let mut command = Command::new("chromium");
    command.args(QUIET).arg(format!("--user-data-dir={}", profile.display()));
    command
}

#[test]
fn a_page_with_a_picture_and_a_script() {
    let site = folder(PAGE);
    let (program, url) = serve(site.path(), &[]);
    let profile = tempfile::tempdir().unwrap();
    let output = run(chromium(profile.path()).args(["--dump-dom", &url]));
    let page = String::from_utf8(output.stdout).unwrap();
    let said = r#"<p id="said">picture 96x64, background rgb(250, 245, 230)</p>"#;
    assert!(page.contains(said), "the script did not say {said:?}:\n{page}");
    program.signal("TERM");
    let (_, log) = program.end();
    for path in ["/", "/braid.png", "/page.js", "/style/page.css"] {
        assert!(log.contains(&format!("\"GET {path} HTTP/1.1\" 200 ")), "no line for {path} in:\n{log}");
    }
}

#[test]
fn a_page_over_tls() {
    let site = Site::new(":alpn=http/1.1");
    let profile = tempfile::tempdir().unwrap();
    // It knows no authority but public ones; which certificate it is, other clients look at.
    let output = run(chromium(profile.path()).args(["--ignore-certificate-errors", "--dump-dom", &site.url]));
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains(r#"<p id="said">over TLS</p>"#), "{page}");
}

#[test]
fn a_picture_of_a_page_and_of_a_listing() {
    let site = folder(PAGE);
    let listed =
        folder(&[("a file.txt", b"text"), ("übung/ein.html", b"<p>"), ("naïve <b>.bin", &[0; 5000])]);
    for (name, site) in [("page", &site), ("listing", &listed)] {
        let (_program, url) = serve(site.path(), &[]);
        let profile = tempfile::tempdir().unwrap();
        // Kept, for somebody to look at.
        let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chromium-{name}.png"));
        let _ = fs::remove_file(&picture);
        run(chromium(profile.path()).arg(format!("--screenshot={}", picture.display())).arg(&url));
        let bytes = fs::read(&picture).unwrap();
        assert!(
            bytes.starts_with(b"\x89PNG") && bytes.ends_with(b"IEND\xae\x42\x60\x82"),
            "{}",
            picture.display()
        );
        println!("screenshot: {}", picture.display());
    }
}

#[test]
fn links_of_a_listing_lead_to_the_files() {
    let names = ["a #1?.txt", "100%.txt", "übung & \"mehr\".txt", "<b>.txt"];
    let mut site = vec![("visit.html".to_owned(), VISIT.to_owned())];
    site.extend(names.map(|name| (format!("listed/{name}"), format!("[{name}]"))));
    let files: Vec<(&str, &[u8])> =
        site.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let site = folder(&files);
    let (_program, url) = serve(site.path(), &[]);
    let profile = tempfile::tempdir().unwrap();
    let budget = "--virtual-time-budget=10000"; // the page is finished when its requests are
    let output = run(chromium(profile.path()).args([budget, "--dump-dom", &format!("{url}visit.html")]));
    let page = String::from_utf8(output.stdout).unwrap();
    for name in names {
        let shown = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        assert!(page.contains(&format!("[{shown}]")), "{name} was not reached:\n{page}");
    }
}

/// Follows each link of a listing and shows what it led to.
const VISIT: &str = r#"<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><pre id="said"></pre><script>
(async () => {
  const listing = new URL("listed/", location);
  const page = new DOMParser().parseFromString(await (await fetch(listing)).text(), "text/html");
  for (const link of page.querySelectorAll("a")) {
    const target = new URL(link.getAttribute("href"), listing);
    if (target.pathname.startsWith(listing.pathname) && target.pathname.endsWith(".txt"))
      document.getElementById("said").textContent += await (await fetch(target)).text();
  }
})();
</script>
"#;

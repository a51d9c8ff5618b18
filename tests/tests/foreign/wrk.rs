//! wrk: nothing goes wrong under load.

use crate::{folder, pattern, run, serve};
use std::process::Command;

#[test]
fn sixty_four_connections_for_ten_seconds_without_an_error() {
    let site = folder(&[("1k.bin", &pattern(1 << 10))]);
    let (_program, url) = serve(site.path(), &[]);
    let output = run(Command::new("wrk").args(["-t1", "-c64", "-d10s", &format!("{url}1k.bin")]));
    let report = String::from_utf8(output.stdout).unwrap();
    println!("{report}");
    assert!(!report.contains("Socket errors") && !report.contains("Non-2xx"), "{report}");
    let requests: u64 =
        report.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok()).unwrap();
    assert!(requests > 64, "{report}");
}

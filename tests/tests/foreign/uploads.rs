//! Uploads, and what reaches a client that is told in the middle of one that it is too much.

use std::{path::Path, process::Command};
use trenza_tests::Program;

/// The server of `src/bin/uploads.rs`.
fn serve() -> (Program, String) {
    let mut program = Program::start(Path::new(env!("CARGO_BIN_EXE_uploads")), [""; 0]);
    let url = program.hear("http://");
    (program, url)
}

const TOO_MUCH: usize = 100 << 20;
const PAGE: usize = 200 << 10;
const TIMES: usize = 100;

mod curl {
    use super::*;
    use crate::{folder, run};

    fn curl(arguments: &[&str]) -> Vec<u8> {
        run(Command::new("curl").args(["--silent", "--show-error", "--max-time", "60"]).args(arguments))
            .stdout
    }

    #[test]
    fn an_upload_waits_for_100_continue() {
        let (_program, url) = serve();
        let site = folder(&[("body", &[b'x'; 500_000])]);
        let body = site.path().join("body");
        let trace = site.path().join("trace");
        let trace = trace.to_str().unwrap();
        // Without the 100 curl would wait for its own patience to end.
        let patience = ["--expect100-timeout", "50"];
        let expect = ["-H", "Expect: 100-continue", "-T", body.to_str().unwrap(), "--trace-ascii", trace];
        assert_eq!(curl(&[&patience[..], &expect, &[&url]].concat()), b"500000\n");
        let trace = std::fs::read_to_string(trace).unwrap();
        assert!(trace.contains("HTTP/1.1 100 Continue"), "{trace}");
        // Chunked, since a pipe has no length.
        let chunked = format!("head -c 500000 {} | curl -sS -T - {url}", body.display());
        assert_eq!(run(Command::new("sh").args(["-c", &chunked])).stdout, b"500000\n");
    }

    #[test]
    fn a_refusal_in_the_middle_arrives_whole() {
        let (_program, url) = serve();
        let site = folder(&[("body", &[])]);
        let body = site.path().join("body");
        std::fs::File::create(&body).unwrap().set_len(TOO_MUCH as u64).unwrap();
        for time in 1..=TIMES {
            let got = curl(&["-H", "Expect:", "-w", "%{http_code}", "-T", body.to_str().unwrap(), &url]);
            assert_eq!(got.len(), PAGE + 3, "time {time}");
            assert!(got.ends_with(b"x413"), "time {time}");
        }
    }
}

mod socket {
    use super::*;
    use std::{
        io::{Read, Write},
        net::{Shutdown, TcpStream},
        thread,
    };

    #[test]
    fn a_refusal_in_the_middle_arrives_whole() {
        let (_program, url) = serve();
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        for time in 1..=TIMES {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut upload = stream.try_clone().unwrap();
            let sender = thread::spawn(move || {
                let head = format!("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {TOO_MUCH}\r\n\r\n");
                let piece = [b'y'; 64 << 10];
                // Ends with an error when the server has had enough.
                let begun = upload.write_all(head.as_bytes());
                begun.is_ok() && (0..TOO_MUCH / piece.len()).all(|_| upload.write_all(&piece).is_ok())
            });
            let mut response = Vec::new();
            // A reset may come behind the response, not before.
            let end = stream.read_to_end(&mut response);
            let length =
                response.windows(4).position(|end| end == b"\r\n\r\n").map(|head| response.len() - head - 4);
            assert_eq!(length, Some(PAGE), "time {time}, ended with {end:?}");
            assert!(response.starts_with(b"HTTP/1.1 413 "));
            // The server leaves time to read; this client has read.
            let _ = stream.shutdown(Shutdown::Both);
            sender.join().unwrap();
        }
    }
}

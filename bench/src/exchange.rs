//! A request over HTTP and its answer, by blocking calls.

use std::io::{self, Read, Write};

/// Asks for a path, and gives the body of the answer, which must be 200 and say its length. `closing` asks the server to
/// close the connection then.
///
/// # Errors
/// The answer is another, or does not come.
pub(crate) fn get(stream: &mut (impl Read + Write), path: &str, closing: bool) -> io::Result<Vec<u8>> {
    let close = if closing { "Connection: close\r\n" } else { "" };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{close}\r\n");
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 16384]);
    loop {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => answer.extend(piece.iter().take(length)),
        }
        if let Some(body) = body(&answer)? {
            return Ok(body.to_vec());
        }
    }
}

/// The body, once all of it is there.
fn body(answer: &[u8]) -> io::Result<Option<&[u8]>> {
    let Some(end) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = answer.split_at(end + 4);
    let head = String::from_utf8_lossy(head);
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = lengths.next().and_then(|(_, value)| value.trim().parse::<usize>().ok());
    match length {
        Some(length) if head.starts_with("HTTP/1.1 200 ") => Ok((body.len() >= length).then_some(body)),
        _ => Err(io::Error::other(format!("the answer is {head}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-Length: 2\r\n\r\nok";
        for length in 0..whole.len() {
            assert_eq!(body(&whole[..length]).unwrap(), None);
        }
        assert_eq!(body(whole).unwrap(), Some(&b"ok"[..]));
    }

    #[test]
    fn others_are_errors() {
        for wrong in ["HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
            assert!(body(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}

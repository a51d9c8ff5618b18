//! What a client got: the bytes of a server, as a line of text.

use crate::{case::NEXT, handler::HANDLED};
use http::StatusCode;

/// What the handler answers to [`NEXT`].
const NEXT_ANSWER: &str = "200 GET /next @h";

/// More fields are in no response.
const FIELDS_MAX: usize = 32;

/// What a client got on its connection.
pub(crate) struct Outcome {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

/// How the server left the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It waits for more.
    Open,
    /// It has ended it.
    Closed,
    /// By a reset.
    Reset,
}

impl Outcome {
    /// The responses in order, and how the connection was left, separated by `; `. A response is
    ///
    /// - its status;
    /// - `close` or `keep-alive` where its field Connection says so, or (`close`) its version;
    /// - `chunked` or `to the end` where the body is not framed by Content-Length, `no body` where there is
    ///   none, with the Content-Length if the handler's response tells it all the same;
    /// - the body, which the handler has written. The page of an error that the server answers is left out.
    ///
    /// `next` is the good answer to [`NEXT`]. What comes after a switch of protocols is quoted.
    pub(crate) fn tell(&self) -> String {
        let mut told = Vec::new();
        let mut rest = &self.bytes[..];
        while !rest.is_empty() {
            let one = response(&mut rest);
            let one = one.unwrap_or_else(|| format!("garbage {}", std::mem::take(&mut rest).escape_ascii()));
            told.push(if one == NEXT_ANSWER { "next".to_owned() } else { one });
        }
        told.push(format!("{:?}", self.end).to_lowercase());
        told.join("; ")
    }
}

/// Takes one response off `rest`.
fn response(rest: &mut &[u8]) -> Option<String> {
    let data = *rest;
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(len)) = head.parse(data) else { return None };
    *rest = data.get(len..)?;
    let head = Head { status: head.code?, version: head.version?, fields: head.headers };
    let mut told = head.status.to_string();
    let keeps = head.lists("connection", "keep-alive");
    if head.lists("connection", "close") || head.version == 0 && !keeps {
        told.push_str(" close");
    }
    if keeps {
        told.push_str(" keep-alive");
    }
    if head.status == 101 || head.field(HANDLED) == Some(b"CONNECT") && head.status / 100 == 2 {
        let through = String::from_utf8_lossy(std::mem::take(rest));
        let through = through.replace(&*String::from_utf8_lossy(NEXT), "<next>");
        return Some(format!("{told} {through:?}"));
    }
    if head.status / 100 == 1 {
        return Some(told);
    }
    let (framing, body) = head.body(rest)?;
    let words = [told, framing, head.tell_body(&body)];
    Some(words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}

/// A response's head.
struct Head<'a> {
    status: u16,
    version: u8,
    fields: &'a [httparse::Header<'a>],
}

impl Head<'_> {
    fn lines(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    fn field(&self, name: &str) -> Option<&[u8]> {
        self.lines(name).next()
    }

    fn lists(&self, name: &str, option: &str) -> bool {
        let mut options = self.lines(name).flat_map(|value| value.split(|byte| *byte == b','));
        options.any(|listed| listed.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
    }

    /// Takes the body off `rest`; how it is framed, and what it is. None if that cannot be known.
    fn body(&self, rest: &mut &[u8]) -> Option<(String, Vec<u8>)> {
        if self.lines("content-length").count() + self.lines("transfer-encoding").count() > 1 {
            return None;
        }
        let length = self.field("content-length").map(|value| String::from_utf8_lossy(value).into_owned());
        let chunked = self.lists("transfer-encoding", "chunked");
        if matches!(self.status, 204 | 304) || self.field(HANDLED) == Some(b"HEAD") {
            let framing = length.unwrap_or_else(|| if chunked { "chunked".into() } else { String::new() });
            return Some((format!("no body {framing}").trim_end().into(), Vec::new()));
        }
        match (length, chunked) {
            (Some(length), _) if rest.is_empty() && self.field(HANDLED).is_none() && length != "0" => {
                Some(("no body".to_owned(), Vec::new()))
            }
            (Some(length), _) => {
                let (body, after) = rest.split_at_checked(length.parse().ok()?)?;
                *rest = after;
                Some((String::new(), body.to_vec()))
            }
            (None, true) => Some(("chunked".into(), chunks(rest)?)),
            (None, false) => Some(("to the end".into(), std::mem::take(rest).to_vec())),
        }
    }

    /// A body as text; nothing for the error page of a server.
    fn tell_body(&self, body: &[u8]) -> String {
        let body = String::from_utf8_lossy(body);
        if self.field(HANDLED).is_some() {
            return body.into_owned();
        }
        let status = StatusCode::from_u16(self.status).unwrap_or_default();
        let page = format!("<h1>{status}</h1>");
        if body.is_empty() || body.contains(&page) { String::new() } else { format!("garbage {body:?}") }
    }
}

/// Takes a chunked body off `rest`, as strictly as can be: neither extensions nor trailers.
fn chunks(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.iter().position(|byte| *byte == b'\r')?;
        let size = usize::from_str_radix(std::str::from_utf8(rest.get(..line)?).ok()?, 16).ok()?;
        let after = rest.get(line..)?.strip_prefix(b"\r\n")?;
        let (data, after) = after.split_at_checked(size)?;
        body.extend_from_slice(data);
        *rest = after.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some(body);
        }
    }
}

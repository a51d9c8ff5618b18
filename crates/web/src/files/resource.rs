//! A file that can be sent: its forms, their descriptors, and the heads of their responses made beforehand.

use super::{
    conditional::{self, Modified, Validators, Verdict},
    encoding::{self, Coding},
    opened::Opened,
    ranges::{self, Asked},
};
use crate::{Body, page};
use bytes::Bytes;
use foldhash::quality::FixedState;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use std::{fs::File, hash::BuildHasher, ops::Range, path::Path, sync::Arc, time::SystemTime};
use trenza_storage::Metadata;
use trenza_wire::Chunk;

/// A file and the compressed forms that lie beside it.
#[derive(Debug)]
pub(super) struct Resource {
    plain: Form,
    coded: Vec<(Coding, Form)>,
}

/// One form of a file.
#[derive(Debug)]
struct Form {
    file: Arc<File>,
    /// All of it, if it is short and was at rest.
    contents: Option<Bytes>,
    size: u64,
    validators: Validators,
    /// The head of a response with the whole of it, all but the length.
    headers: HeaderMap,
}

impl Resource {
    /// The file at `path` and its compressed forms, looked at when the wall clock showed `wall`. Blocks: short ones are
    /// read.
    ///
    /// The media type is that of the file's extension; for `text/*` UTF-8 is named as the character set,
    /// because nearly every text is in it and a browser without that word guesses by the reader's country.
    pub(super) fn new(path: &Path, plain: Opened, coded: Vec<(Coding, Opened)>, wall: SystemTime) -> Self {
        let content_type = content_type(path);
        let varies = !coded.is_empty();
        let form = |opened, coding| Form::new(opened, coding, content_type.clone(), varies, wall);
        Self {
            plain: form(plain, None),
            coded: coded.into_iter().map(|(coding, opened)| (coding, form(opened, Some(coding)))).collect(),
        }
    }

    /// How many descriptors it keeps open.
    pub(super) fn descriptors(&self) -> usize {
        1 + self.coded.len()
    }

    /// The answer to a GET or HEAD. To both it is the same, body included: the server does not send it for
    /// HEAD, but takes the length from it.
    ///
    /// `boundary` is called for the delimiter of a multipart body, which should not be guessed by who wrote
    /// the file.
    pub(super) fn answer(
        &self,
        method: &Method,
        headers: &HeaderMap,
        boundary: impl FnOnce() -> String,
    ) -> Response<Body> {
        let form = self.choose(headers);
        match conditional::evaluate(headers, &form.validators) {
            Verdict::Proceed => {}
            Verdict::NotModified => return form.not_modified(),
            Verdict::Failed => return page::page(StatusCode::PRECONDITION_FAILED, None),
        }
        // Only GET has ranges (RFC 9110 section 14.2).
        if method != Method::GET
            || !headers.contains_key(header::RANGE)
            || !conditional::if_range(headers, &form.validators)
        {
            return form.whole();
        }
        match ranges::asked(headers, form.size) {
            Asked::Whole => form.whole(),
            Asked::Parts(parts) => form.parts(&parts, boundary),
            Asked::Unsatisfiable => form.unsatisfiable(),
        }
    }

    fn choose(&self, headers: &HeaderMap) -> &Form {
        if self.coded.is_empty() {
            return &self.plain;
        }
        let form = |wanted| self.coded.iter().find(|(coding, _)| *coding == wanted).map(|(_, form)| form);
        encoding::choose(headers, |coding| form(coding).is_some()).and_then(form).unwrap_or(&self.plain)
    }
}

impl Form {
    fn new(
        opened: Opened,
        coding: Option<Coding>,
        content_type: HeaderValue,
        varies: bool,
        wall: SystemTime,
    ) -> Self {
        let contents = opened.contents(wall);
        let Opened { file, metadata } = opened;
        let modified = Modified::new(metadata.modified, wall);
        let validators = Validators { etag: etag(&metadata), modified };
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::ETAG, validators.etag.clone());
        if let Some(modified) = &validators.modified {
            headers.insert(header::LAST_MODIFIED, modified.header.clone());
        }
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        if varies {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        Self { file, contents, size: metadata.size, validators, headers }
    }

    fn whole(&self) -> Response<Body> {
        page::respond(StatusCode::OK, self.headers.clone(), self.body(0..self.size))
    }

    /// 304 with the fields that a cache may have to bring up to date (RFC 9110 section 15.4.5).
    fn not_modified(&self) -> Response<Body> {
        let mut headers = HeaderMap::with_capacity(4);
        for name in [header::ETAG, header::LAST_MODIFIED, header::VARY] {
            if let Some(value) = self.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        page::respond(StatusCode::NOT_MODIFIED, headers, Body::empty())
    }

    fn unsatisfiable(&self) -> Response<Body> {
        page::page(StatusCode::RANGE_NOT_SATISFIABLE, Some(ranges::unsatisfied_range(self.size)))
    }

    fn parts(&self, parts: &[Range<u64>], boundary: impl FnOnce() -> String) -> Response<Body> {
        let mut headers = self.headers.clone();
        if let [part] = parts {
            headers.extend([ranges::content_range(part, self.size)]);
            return page::respond(StatusCode::PARTIAL_CONTENT, headers, self.body(part.clone()));
        }
        let boundary = boundary();
        let content_type = headers.remove(header::CONTENT_TYPE).unwrap_or(OCTETS);
        headers.extend([ranges::multipart_type(&boundary)]);
        let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
        for part in parts {
            pieces.push(Chunk::Own(ranges::part_head(&boundary, content_type.as_bytes(), part, self.size)));
            pieces.push(self.piece(part.clone()));
        }
        pieces.push(Chunk::Own(ranges::multipart_end(&boundary)));
        page::respond(StatusCode::PARTIAL_CONTENT, headers, Body::pieces(pieces))
    }

    fn body(&self, range: Range<u64>) -> Body {
        if range.is_empty() { Body::empty() } else { self.piece(range).into() }
    }

    fn piece(&self, range: Range<u64>) -> Chunk {
        let kept = self.contents.as_ref().and_then(|contents| {
            let part = contents.get(range.start.try_into().ok()?..range.end.try_into().ok()?)?;
            Some(Chunk::Shared(contents.slice_ref(part)))
        });
        kept.unwrap_or_else(|| Chunk::File(self.file.clone(), range))
    }
}

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

fn content_type(path: &Path) -> HeaderValue {
    let Some(guess) = mime_guess::from_path(path).first_raw() else { return OCTETS };
    if !guess.starts_with("text/") {
        return HeaderValue::from_static(guess);
    }
    HeaderValue::from_str(&format!("{guess}; charset=utf-8")).unwrap_or(OCTETS)
}

/// A strong tag: the size, and a hash of all that tells one state of a file from another. It is a hash so
/// that it tells no inode numbers.
fn etag(metadata: &Metadata) -> HeaderValue {
    let hash = FixedState::default().hash_one(metadata);
    HeaderValue::from_str(&format!("\"{:x}-{hash:016x}\"", metadata.size))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::body::Piece;
    use std::{os::unix::fs::FileExt, time::Duration};
    use trenza_storage::{Folder, Tree as _};

    /// `len` digits in the file `name`, with compressed forms, which are opened too.
    fn resource(name: &str, len: usize, codings: &[Coding]) -> Resource {
        let dir = tempfile::tempdir().unwrap();
        let tree = Folder::new(dir.path()).unwrap();
        let make = |name: String, text: String| {
            std::fs::write(dir.path().join(&name), text).unwrap();
            Opened::new(&*tree.open(&trenza_storage::Path::new(&name).unwrap()).unwrap()).unwrap()
        };
        let plain = make(name.into(), "0123456789".repeat(len / 10));
        let coded = codings
            .iter()
            .map(|coding| (*coding, make(format!("{name}{}", coding.suffix()), coding.name().into())));
        let coded: Vec<_> = coded.collect();
        let wall = plain.metadata.modified + Duration::from_secs(60);
        Resource::new(Path::new(name), plain, coded, wall)
    }

    fn get(resource: &Resource, lines: &[(&str, &str)]) -> Response<Body> {
        ask(resource, Method::GET, lines)
    }

    fn ask(resource: &Resource, method: Method, lines: &[(&str, &str)]) -> Response<Body> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        resource.answer(&method, &headers, || "BOUNDARY".into())
    }

    /// All that a response has to send.
    pub(in crate::files) fn chunks(response: &mut Response<Body>) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        while let Piece::Chunk(chunk) = response.body_mut().piece() {
            chunks.push(chunk);
        }
        chunks
    }

    pub(in crate::files) fn text(response: &mut Response<Body>) -> String {
        let mut text = Vec::new();
        for chunk in chunks(response) {
            match chunk {
                Chunk::File(file, range) => {
                    let mut part = vec![0; (range.end - range.start) as usize];
                    file.read_exact_at(&mut part, range.start).unwrap();
                    text.extend(part);
                }
                bytes => text.extend_from_slice(bytes.bytes().unwrap()),
            }
        }
        String::from_utf8(text).unwrap()
    }

    fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn whole_files() {
        let file = resource("a.txt", 20, &[]);
        let mut response = get(&file, &[]);
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "text/plain; charset=utf-8");
        assert_eq!(header(&response, "accept-ranges"), "bytes");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert!(header(&response, "etag").starts_with("\"14-"));
        assert!(header(&response, "last-modified").ends_with(" GMT"));
        assert_eq!(header(&response, "vary"), "");
        assert_eq!(text(&mut response), "01234567890123456789");
        assert_eq!(ask(&file, Method::HEAD, &[]).body().len(), Some(20));
        assert_eq!(get(&resource("empty", 0, &[]), &[]).body().len(), Some(0));
    }

    #[test]
    fn media_types() {
        for (name, expected) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.CSS", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.wasm", "application/wasm"),
            ("a.tar.gz", "application/gzip"),
            ("a.unheard-of", "application/octet-stream"),
            ("README", "application/octet-stream"),
            (".html", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn one_part() {
        let file = resource("a.txt", 20, &[]);
        let mut response = get(&file, &[("range", "bytes=5-9")]);
        assert_eq!(response.status(), 206);
        assert_eq!(header(&response, "content-range"), "bytes 5-9/20");
        assert_eq!(header(&response, "content-type"), "text/plain; charset=utf-8");
        assert_eq!(text(&mut response), "56789");
        assert_eq!(text(&mut get(&file, &[("range", "bytes=-3")])), "789");
        let mut joined = get(&file, &[("range", "bytes=0-4,5-6")]);
        assert_eq!(header(&joined, "content-range"), "bytes 0-6/20");
        assert_eq!(text(&mut joined), "0123456");
        let head = ask(&file, Method::HEAD, &[("range", "bytes=5-9")]);
        assert_eq!((head.status().as_u16(), head.body().len()), (200, Some(20)));
        assert_eq!(get(&file, &[("range", "lines=5-9")]).status(), 200);
    }

    #[test]
    fn several_parts() {
        let mut response = get(&resource("a.txt", 20, &[]), &[("range", "bytes=0-1,-2,99-")]);
        assert_eq!(response.status(), 206);
        assert_eq!(header(&response, "content-type"), "multipart/byteranges; boundary=BOUNDARY");
        assert_eq!(header(&response, "content-range"), "");
        let expected = "\r\n--BOUNDARY\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/20\r\n\r\n01\
                        \r\n--BOUNDARY\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 18-19/20\r\n\r\n89\
                        \r\n--BOUNDARY--\r\n";
        assert_eq!(response.body().len(), Some(expected.len() as u64));
        assert_eq!(text(&mut response), expected);
    }

    #[test]
    fn parts_that_are_not_there() {
        let mut response = get(&resource("a.txt", 20, &[]), &[("range", "bytes=20-")]);
        assert_eq!(response.status(), 416);
        assert_eq!(header(&response, "content-range"), "bytes */20");
        assert!(text(&mut response).contains("<h1>416 "));
        assert_eq!(get(&resource("a.txt", 0, &[]), &[("range", "bytes=0-")]).status(), 416);
        assert_eq!(get(&resource("a.txt", 0, &[]), &[("range", "bytes=-1")]).status(), 200);
    }

    #[test]
    fn preconditions() {
        let file = resource("a.txt", 20, &[]);
        let fresh = get(&file, &[]);
        let (etag, date) = (header(&fresh, "etag"), header(&fresh, "last-modified"));
        let same = get(&file, &[("if-none-match", etag)]);
        assert_eq!((same.status().as_u16(), same.body().len()), (304, Some(0)));
        assert_eq!((header(&same, "etag"), header(&same, "last-modified")), (etag, date));
        assert_eq!(header(&same, "content-type"), "");
        assert_eq!(get(&file, &[("if-modified-since", date)]).status(), 304);
        assert_eq!(get(&file, &[("if-match", "\"other\"")]).status(), 412);
        assert_eq!(get(&file, &[("if-none-match", etag), ("range", "bytes=0-0")]).status(), 304);
        assert_eq!(get(&file, &[("if-match", etag), ("range", "bytes=0-0")]).status(), 206);
    }

    #[test]
    fn if_range_sends_the_whole_of_another_file() {
        let file = resource("a.txt", 20, &[]);
        let fresh = get(&file, &[]);
        let (etag, date) = (header(&fresh, "etag"), header(&fresh, "last-modified"));
        for (value, status) in
            [(etag, 206), (date, 206), ("\"other\"", 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200)]
        {
            assert_eq!(
                get(&file, &[("range", "bytes=5-9"), ("if-range", value)]).status(),
                status,
                "{value}"
            );
            let beyond = if status == 206 { 416 } else { 200 };
            assert_eq!(
                get(&file, &[("range", "bytes=99-"), ("if-range", value)]).status(),
                beyond,
                "{value}"
            );
        }
    }

    #[test]
    fn compressed_forms() {
        let file = resource("a.html", 20, &Coding::ALL);
        assert_eq!(file.descriptors(), 3);
        let mut tags = Vec::new();
        for (accept, coding, body) in
            [("gzip, br", "br", "br"), ("gzip", "gzip", "gzip"), ("identity", "", "01234567890123456789")]
        {
            let mut response = get(&file, &[("accept-encoding", accept)]);
            assert_eq!(header(&response, "content-encoding"), coding);
            assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
            assert_eq!(header(&response, "vary"), "Accept-Encoding");
            assert_eq!(text(&mut response), body);
            let tag = header(&response, "etag").to_owned();
            assert!(!tags.contains(&tag), "each form has its own tag");
            let same = get(&file, &[("accept-encoding", accept), ("if-none-match", &tag)]);
            assert_eq!((same.status().as_u16(), header(&same, "vary")), (304, "Accept-Encoding"));
            tags.push(tag);
        }
        let mut part = get(&file, &[("accept-encoding", "gzip"), ("range", "bytes=1-")]);
        assert_eq!(header(&part, "content-range"), "bytes 1-3/4");
        assert_eq!(text(&mut part), "zip");
        assert_eq!(text(&mut get(&file, &[])), "01234567890123456789");
    }
}

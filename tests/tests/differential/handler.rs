//! The handler that both servers run. Its answers tell how the server has understood the request.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header::HOST, request::Parts};
use std::fmt::Write;

/// A field in every response of the handler: the method of the request. Errors of a server do not have it.
pub(crate) const HANDLED: &str = "handled";

/// The port to which there is no tunnel.
const CLOSED: u16 = 1;

/// The longest body that is repeated in a response, in bytes; of others the length is told.
const REPEATED_MAX: usize = 64;

/// What a response carries.
pub(crate) enum Content {
    /// These bytes.
    Whole(String),
    /// These bytes, and the server is not told how many they are.
    Streamed(String),
    /// Whatever the client sends is sent back.
    Echo,
}

/// What became of reading the request's body, with its trailers.
pub(crate) type Upload = Result<(Vec<u8>, HeaderMap), ()>;

/// The handler does not read the body of these requests.
pub(crate) fn ignores_body(head: &Parts) -> bool {
    head.uri.path() == "/ignore" || is_tunnel(head)
}

fn is_tunnel(head: &Parts) -> bool {
    head.method == Method::CONNECT || head.uri.path() == "/upgrade"
}

/// Answers a request. Its path says with what: see the body of this function.
pub(crate) fn answer(head: &Parts, upload: Upload) -> Response<Content> {
    let text = upload.as_ref().map(|upload| text(head, upload));
    let mut response = Response::new(Content::Whole(String::new()));
    let mut status = StatusCode::OK;
    match (head.uri.path(), text) {
        (_, Err(())) => {
            status = StatusCode::BAD_REQUEST;
            response.headers_mut().insert("connection", HeaderValue::from_static("close"));
        }
        ("/204", _) => status = StatusCode::NO_CONTENT,
        ("/304", _) => status = StatusCode::NOT_MODIFIED,
        ("/stream", Ok(text)) => *response.body_mut() = Content::Streamed(text),
        (_, Ok(text)) if head.uri.port_u16() == Some(CLOSED) => {
            status = StatusCode::FORBIDDEN;
            *response.body_mut() = Content::Whole(text);
        }
        _ if head.method == Method::CONNECT => *response.body_mut() = Content::Echo,
        ("/upgrade", _) => {
            status = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("upgrade", HeaderValue::from_static("echo"));
            response.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
            *response.body_mut() = Content::Echo;
        }
        ("/close", Ok(text)) => {
            response.headers_mut().insert("connection", HeaderValue::from_static("close"));
            *response.body_mut() = Content::Whole(text);
        }
        (_, Ok(text)) => *response.body_mut() = Content::Whole(text),
    }
    *response.status_mut() = status;
    let method = HeaderValue::from_str(head.method.as_str()).expect("a method is a token");
    response.headers_mut().insert(HANDLED, method);
    response
}

/// `GET /path @host x-field=value "body" +trailer=value`: the request as the server has understood it. Of the
/// fields, those are told whose names begin with `x`.
fn text(head: &Parts, (body, trailers): &(Vec<u8>, HeaderMap)) -> String {
    let mut text = format!("{} {}", head.method, head.uri);
    for host in head.headers.get_all(HOST) {
        let _ = write!(text, " @{}", host.as_bytes().escape_ascii());
    }
    for (name, value) in head.headers.iter().filter(|(name, _)| name.as_str().starts_with('x')) {
        let _ = write!(text, " {name}={}", value.as_bytes().escape_ascii());
    }
    match body.len() {
        0 => {}
        1..=REPEATED_MAX => {
            let _ = write!(text, " \"{}\"", body.escape_ascii());
        }
        len => {
            let _ = write!(text, " {len} bytes");
        }
    }
    for (name, value) in trailers {
        let _ = write!(text, " +{name}={}", value.as_bytes().escape_ascii());
    }
    text
}

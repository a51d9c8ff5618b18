//! Small HTML pages of the server's own: errors, redirects, and the frame of folder listings.

use crate::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

/// Nothing but the style sheet in the page itself may take effect, and no other page may frame it: a file
/// name that got through the escaping would still do nothing.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.4rem;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%}\
th{text-align:left;font-weight:600}\
th,td{padding:.2rem .6rem;border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent)}\
td:first-child{overflow-wrap:anywhere}\
td+td,th+th{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\
a{text-decoration:none}a:hover{text-decoration:underline}\
@media(max-width:30rem){td+td+td,th+th+th{display:none}}";

/// An HTML document; `title` and `body` are HTML already.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// A response with one of our documents.
pub(crate) fn html(status: StatusCode, document: impl Into<Body>) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    respond(status, headers, document.into())
}

/// A response from its parts.
pub(crate) fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A small HTML page that says what a status means: what the server answers errors with.
pub fn status_page(status: StatusCode) -> Response<Body> {
    page(status, None)
}

/// A page that says what a status means, with one more header field where that is needed.
pub(crate) fn page(status: StatusCode, field: Option<(HeaderName, HeaderValue)>) -> Response<Body> {
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let body = format!("<h1>{title}</h1>\n<p>{}</p>\n", explanation(status));
    let mut response = html(status, document(&title, &body));
    if let Some((name, value)) = field {
        response.headers_mut().insert(name, value);
    }
    response
}

fn explanation(status: StatusCode) -> &'static str {
    match status {
        StatusCode::MOVED_PERMANENTLY => "This is a folder; its address ends with a slash.",
        StatusCode::BAD_REQUEST => "The request cannot be understood.",
        StatusCode::FORBIDDEN => "This may not be read.",
        StatusCode::NOT_FOUND => "There is nothing at this address.",
        StatusCode::METHOD_NOT_ALLOWED => "What is here can only be read.",
        StatusCode::REQUEST_TIMEOUT => "The request took too long to arrive.",
        StatusCode::PRECONDITION_FAILED => "This is not the version that was asked for.",
        StatusCode::PAYLOAD_TOO_LARGE => "The request is larger than this server takes.",
        StatusCode::URI_TOO_LONG => "The address is longer than this server takes.",
        StatusCode::RANGE_NOT_SATISFIABLE => "The file is shorter than the part that was asked for.",
        StatusCode::EXPECTATION_FAILED => "The request expects something that this server does not do.",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "The head of the request is larger than this server takes."
        }
        StatusCode::NOT_IMPLEMENTED => "This server cannot do that.",
        StatusCode::SERVICE_UNAVAILABLE => "The server is busy. Please try again.",
        StatusCode::HTTP_VERSION_NOT_SUPPORTED => "This server speaks HTTP/1.0 and HTTP/1.1 here.",
        _ => "Something went wrong on the server.",
    }
}

/// `text` with the characters that mean something in HTML escaped, quotes too.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_say_what_happened_and_carry_no_power() {
        for code in [400, 403, 404, 405, 408, 412, 413, 414, 416, 417, 431, 500, 501, 503, 505] {
            let status = StatusCode::from_u16(code).unwrap();
            let response = page(status, None);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"));
            assert!(response.body().len().is_some_and(|len| len > 100 && len < 2000));
        }
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
    }
}

//! Small pages for errors.

use crate::Body;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

/// A small HTML page that names the status: what the server answers errors with.
pub fn status_page(status: StatusCode) -> Response<Body> {
    let (code, reason) = (status.as_str(), status.canonical_reason().unwrap_or("Error"));
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{code} {reason}</title></head>\n\
         <body><h1>{code} {reason}</h1></body></html>\n"
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

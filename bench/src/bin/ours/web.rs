//! HTTP from memory.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use std::{collections::BTreeMap, fs};
use trenza::{
    prelude::*,
    web::{Body, Server},
};

/// A hello on `/`, and the files of a folder.
pub(crate) fn serve(port: &str, folder: &str, pem: Option<&str>) -> Result {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.insert(format!("/{}", entry.file_name().display()), Bytes::from(fs::read(entry.path())?));
    }
    let on = match pem {
        Some(pem) => format!("tls:{port}:interface=127.0.0.1:cert={pem}"),
        None => format!("tcp:{port}:interface=127.0.0.1"),
    };
    let answer = move |request: Request<Body>| answer(&files, request.uri().path());
    run(|reactor| reactor.listen_with(&on, Server::new(answer)).map(drop))
}

fn answer(files: &BTreeMap<String, Bytes>, path: &str) -> Response<Body> {
    if path == "/" {
        let mut response = Response::new(Body::from("Hello, World!"));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        return response;
    }
    let file = files.get(path).cloned();
    let status = if file.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut response = Response::new(Body::from(file.unwrap_or_default()));
    *response.status_mut() = status;
    response
}

//! `hyper PORT DIR [PEM]`: hyper on one thread, with the files of DIR in memory; with PEM over tokio-rustls.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{collections::HashMap, convert::Infallible, env, error::Error, fs, io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::{LocalSet, spawn_local},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs::Ticketer,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

type Files = HashMap<String, Bytes>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let mut next = || args.next().ok_or("usage: hyper PORT DIR [PEM]");
    let (port, folder) = (next()?.parse()?, next()?);
    let tls = next().ok().map(|pem| config(&fs::read(pem)?)).transpose()?;
    let files = Arc::new(files(&folder)?);
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(serve(port, tls, files))
}

fn config(pem: &[u8]) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(pem)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.ticketer = Ticketer::new()?;
    config.send_tls13_tickets = 2;
    Ok(Arc::new(config))
}

fn files(folder: &str) -> io::Result<Files> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let file = |entry: fs::DirEntry| {
        let path = format!("/{}", entry.file_name().to_string_lossy());
        fs::read(entry.path()).map(|data| (path, Bytes::from(data)))
    };
    entries.into_iter().map(file).collect()
}

async fn serve(port: u16, tls: Option<Arc<ServerConfig>>, files: Arc<Files>) -> Result<(), Box<dyn Error>> {
    let (listener, acceptor) = (TcpListener::bind(("127.0.0.1", port)).await?, tls.map(TlsAcceptor::from));
    let local = LocalSet::new();
    local
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let (acceptor, files) = (acceptor.clone(), files.clone());
                spawn_local(async move {
                    if let Some(acceptor) = acceptor {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        speak(stream, files).await;
                    } else {
                        speak(stream, files).await;
                    }
                });
            }
        })
        .await
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin, files: Arc<Files>) {
    let answer = service_fn(move |request| answer(request, files.clone()));
    // Who hangs up in the middle is no concern of the others.
    let _ = http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(request: Request<Incoming>, files: Arc<Files>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/" {
        let mut response = Response::new(Full::new(Bytes::from_static(b"Hello, World!")));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        return Ok(response);
    }
    let body = files.get(request.uri().path()).cloned();
    let status = if body.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut response = Response::new(Full::new(body.unwrap_or_default()));
    *response.status_mut() = status;
    Ok(response)
}

//! `hyper-https PORT PEM DIR`: hyper over tokio-rustls on one thread, with the files of DIR in memory.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{collections::HashMap, convert::Infallible, env, error::Error, fs, io, sync::Arc};
use tokio::net::TcpListener;
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
    let mut next = || args.next().ok_or("usage: hyper-https PORT PEM DIR");
    let (port, pem, folder) = (next()?.parse()?, next()?, next()?);
    let config = config(&fs::read(pem)?)?;
    let files = Arc::new(files(&folder)?);
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(serve(port, config, files))
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

async fn serve(port: u16, config: Arc<ServerConfig>, files: Arc<Files>) -> Result<(), Box<dyn Error>> {
    let (listener, acceptor) = (TcpListener::bind(("127.0.0.1", port)).await?, TlsAcceptor::from(config));
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let (acceptor, files) = (acceptor.clone(), files.clone());
                tokio::task::spawn_local(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let answer = service_fn(move |request| answer(request, files.clone()));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        })
        .await
}

async fn answer(request: Request<Incoming>, files: Arc<Files>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = files.get(request.uri().path()).cloned();
    let status = if body.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut response = Response::new(Full::new(body.unwrap_or_default()));
    *response.status_mut() = status;
    Ok(response)
}

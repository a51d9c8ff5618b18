//! Certificates made by the program, the program serving with them, and servers of others for our client.

use crate::{folder, program, run};
use std::{
    io::{self, BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    rc::Rc,
    thread,
};
use tempfile::TempDir;
use trenza::{Reactor, Result, Secured, block_on};
use trenza_tests::Program;

/// A certification authority with a server and a person, made by `trenza cert`.
pub(crate) struct Certificates(TempDir);

impl Certificates {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for arguments in
            [&["ca", "Test CA"][..], &["sign", "localhost", "127.0.0.1"], &["sign", "--client", "ann"]]
        {
            place.make(arguments);
        }
        place
    }

    /// `trenza cert` with these arguments, in the folder.
    pub(crate) fn make(&self, arguments: &[&str]) {
        run(Command::new(program()).arg("cert").args(arguments).current_dir(self.0.path()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// `trenza web` over TLS with a file in it.
pub(crate) struct Site {
    pub(crate) certificates: Certificates,
    /// `https://127.0.0.1:PORT/`
    pub(crate) url: String,
    pub(crate) program: Program,
    pub(crate) folder: TempDir,
}

impl Site {
    /// With more options of the endpoint; `{}` in them stands for the folder of the certificates.
    pub(crate) fn new(options: &str) -> Self {
        Self::of(Certificates::new(), options)
    }

    /// With the certificate of `localhost` among these.
    pub(crate) fn of(certificates: Certificates, options: &str) -> Self {
        Self::with(certificates, &format!("cert={{}}/localhost.pem{options}"))
    }

    /// With options that say which certificates.
    pub(crate) fn with(certificates: Certificates, options: &str) -> Self {
        let folder = folder(&[
            ("hello.txt", b"Hello, braid!\n"),
            ("index.html", b"<!doctype html><title>Braid</title><p id=\"said\">over TLS</p>"),
        ]);
        let options = options.replace("{}", &certificates.shown(""));
        let listen = format!("--listen=tls:0:interface=127.0.0.1:{options}");
        let path: &Path = folder.path();
        let mut server = Program::start(&program(), ["web".as_ref(), path.as_os_str(), listen.as_ref()]);
        let url = server.hear_url("https://");
        Self { certificates, url, program: server, folder }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("https://").trim_end_matches('/')
    }
}

/// A server of others on a port of this machine, which ends with this.
pub(crate) struct Foreign {
    process: Child,
    pub(crate) port: u16,
}

impl Foreign {
    /// Starts the command for a port; `says` stands in the line that tells that it listens.
    pub(crate) fn start(says: &str, command: impl FnOnce(u16) -> Command) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (reader, writer) = io::pipe().unwrap();
        let mut command = command(port);
        command.stdin(Stdio::piped()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut lines = BufReader::new(reader).lines();
        // What holds the writer's end would keep it from ending.
        drop(command);
        let heard = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(says)));
        assert!(heard.is_some(), "it ends without a {says:?}");
        // Read on, or it would stop when the pipe is full.
        thread::spawn(move || lines.for_each(drop));
        Self { process, port }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What our client gets from an HTTP server on the first connection and on a second one, and how they were secured.
pub(crate) fn ask_twice(to: &str) -> Result<[(String, Rc<Secured>); 2]> {
    let to = to.to_owned();
    block_on(async move |reactor| Ok([ask(&reactor, &to).await?, ask(&reactor, &to).await?]))
}

async fn ask(reactor: &Reactor, to: &str) -> Result<(String, Rc<Secured>)> {
    let mut stream = reactor.open(to).await?;
    let secured = stream.peer().secured.clone().ok_or("nothing is encrypted")?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut page = Vec::new();
    while let Some(piece) = stream.read().await? {
        page.extend_from_slice(&piece);
    }
    Ok((String::from_utf8_lossy(&page).into_owned(), secured))
}

//! [`Server`]: a server under measurement, pinned to a core.

use crate::{
    PATIENCE,
    ground::Ground,
    machine,
    programs::Programs,
    recipe::{Kind, Program, Recipe},
};
use rustix::process::geteuid;
use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How often a server that starts is asked.
const PAUSE: Duration = Duration::from_millis(20);

/// A running server of one process. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// On 127.0.0.1.
    pub(crate) port: u16,
    /// It was started.
    pub(crate) began: Instant,
    child: Child,
    log: PathBuf,
}

/// Which cores do what; None: any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pinned {
    pub(crate) servers: Option<usize>,
    pub(crate) load: Option<usize>,
}

impl Server {
    /// Starts it on a free port, and waits until it answers. Read buffers are of so many bytes where it has a choice.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub(crate) fn start(
        recipe: &Recipe,
        programs: &Programs,
        ground: &Ground,
        cores: Pinned,
        buffer: usize,
    ) -> io::Result<Self> {
        let mut server = Self::launch(recipe, programs, ground, cores, buffer)?;
        server.wait(PAUSE)?;
        Ok(server)
    }

    /// Starts it on a free port. When that began, [`Server::began`] tells.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn launch(
        recipe: &Recipe,
        programs: &Programs,
        ground: &Ground,
        cores: Pinned,
        buffer: usize,
    ) -> io::Result<Self> {
        let port = free_port()?;
        let folder = ground.folder().join(format!("{}-{port}", recipe.name));
        fs::create_dir(&folder)?;
        let mut command = Command::new(programs.path(&recipe.program));
        for argument in recipe.arguments.split_whitespace() {
            let argument = argument.replace("{port}", &port.to_string());
            let argument = argument.replace("{buffer}", &buffer.to_string());
            let argument = argument.replace("{site}", &ground.site().to_string_lossy());
            command.arg(argument.replace("{pem}", &ground.pem().to_string_lossy()));
        }
        match recipe.program {
            Program::Ours(driver) | Program::Trenza(driver) => drop(command.env(trenza::DRIVER, driver)),
            Program::Nginx => {
                let tls = (recipe.kind == Kind::Https).then(|| ground.pem());
                fs::write(folder.join("nginx.conf"), nginx(&folder, ground.site(), tls, port))?;
                command
                    .arg("-c")
                    .arg(folder.join("nginx.conf"))
                    .arg("-p")
                    .arg(&folder)
                    .args(["-e", "stderr"]);
            }
            _ => {}
        }
        let log = folder.join("log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        // What is started inherits it.
        machine::pin(cores.servers)?;
        let began = Instant::now();
        let child = command.spawn();
        machine::pin(cores.load)?;
        let child = child.map_err(|error| io::Error::other(format!("{command:?}: {error}")))?;
        Ok(Self { name: recipe.name.clone(), kind: recipe.kind, port, began, child, log })
    }

    /// Its process, which is the only one.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where a path of it is.
    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.kind == Kind::Https { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    /// Waits until it answers, and asks so often.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn wait(&mut self, pause: Duration) -> io::Result<()> {
        while self.began.elapsed() < PATIENCE {
            if self.child.try_wait()?.is_some() {
                break;
            }
            if self.answers() {
                return Ok(());
            }
            thread::sleep(pause);
        }
        Err(io::Error::other(format!("it does not start: {}", fs::read_to_string(&self.log)?.trim())))
    }

    fn answers(&self) -> bool {
        if self.kind != Kind::Udp {
            return TcpStream::connect(self.address()).is_ok();
        }
        let echo = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_read_timeout(Some(PAUSE))?;
            socket.connect(self.address())?;
            socket.send(b"?")?;
            socket.recv(&mut [0])
        };
        echo().is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either may fail when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now; nobody else here takes ports in a hurry.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// One process, its fastest way to send files, no log.
fn nginx(folder: &Path, site: &Path, tls: Option<&Path>, port: u16) -> String {
    let ssl = if tls.is_some() { " ssl" } else { "" };
    let certificate = tls.map(|pem| {
        format!(
            "  ssl_certificate {0};\n  ssl_certificate_key {0};\n  ssl_protocols TLSv1.2 TLSv1.3;\n  \
             ssl_ecdh_curve X25519;\n  ssl_session_tickets on;\n",
            pem.display()
        )
    });
    let certificate = certificate.unwrap_or_default();
    let user = if geteuid().is_root() { "user root root;" } else { "" };
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "{user}\n\
         worker_processes 1;\n\
         master_process off;\n\
         daemon off;\n\
         pid {folder}/pid;\n\
         error_log stderr;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n  \
           access_log off;\n  \
           default_type application/octet-stream;\n  \
           sendfile on;\n  \
           keepalive_requests 1000000000;\n  \
           open_file_cache max=1000;\n  \
           open_file_cache_valid 1s;\n\
         {temporary}{certificate}  \
           server {{\n    \
             listen 127.0.0.1:{port} backlog=4096{ssl};\n    \
             root {site};\n    \
             location = / {{ default_type text/plain; return 200 \"Hello, World!\"; }}\n  \
           }}\n\
         }}\n",
        site = site.display()
    )
}

//! [`Server`]: a web server under measurement, `trenza`, nginx or a peer of ours, pinned to a core.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;
use trenza_tests::{PATIENCE, Program};

/// A running server. Dropping it ends the process.
#[derive(Debug)]
pub struct Server {
    /// `trenza`, `nginx` or `hyper-https`.
    pub name: String,
    /// `http://127.0.0.1:PORT/`, or with `https`
    pub url: String,
    /// Its process; nginx's child does the work.
    pub process: u32,
    _running: Running,
}

#[derive(Debug)]
#[expect(dead_code, reason = "kept to be dropped")]
enum Running {
    Trenza(Program),
    Nginx(Nginx),
    Peer(Peer),
}

/// A program of `bench/peers`.
#[derive(Debug)]
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Debug)]
struct Nginx {
    master: Child,
    /// Its configuration, log and temporary files.
    _folder: TempDir,
}

impl Server {
    /// Starts the server at `program` on a free port, with TLS where a file with key and certificate is given. What its
    /// file is called says which server it is: nginx, hyper-https, or else trenza.
    ///
    /// # Errors
    /// It cannot be started or pinned.
    pub fn start(program: &Path, site: &Path, tls: Option<&Path>, core: u32) -> io::Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let server = if name.starts_with("nginx") {
            let (nginx, url) = Nginx::start(program, site, tls)?;
            Self { name, url, process: nginx.master.id(), _running: Running::Nginx(nginx) }
        } else if name.starts_with("hyper") {
            let pem = tls.ok_or_else(|| io::Error::other(format!("{name} speaks TLS only")))?;
            let (peer, url) = Peer::start(program, site, pem)?;
            Self { name, url, process: peer.0.id(), _running: Running::Peer(peer) }
        } else {
            let (program, url) = ours(program, site, tls);
            Self { name, url, process: program.id(), _running: Running::Trenza(program) }
        };
        server.pin(core)?;
        Ok(server)
    }

    fn pin(&self, core: u32) -> io::Result<()> {
        let mut processes = vec![self.process];
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.process))?;
        processes.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        for process in processes {
            let mut command = Command::new("taskset");
            command.args(["--all-tasks", "--cpu-list", "--pid", &core.to_string(), &process.to_string()]);
            if !command.stdout(Stdio::null()).status()?.success() {
                return Err(io::Error::other(format!("{command:?} failed")));
            }
        }
        Ok(())
    }
}

fn ours(program: &Path, site: &Path, tls: Option<&Path>) -> (Program, String) {
    let Some(pem) = tls else { return Program::web(program, site, &["--quiet"]) };
    let listen = format!("--listen=tls:0:interface=127.0.0.1:cert={}", pem.display());
    let mut program =
        Program::start(program, [OsStr::new("web"), site.as_os_str(), "--quiet".as_ref(), listen.as_ref()]);
    let url = program.hear_url("https://");
    (program, url)
}

/// A port that is free now; nobody else here takes ports in a hurry.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Peer {
    fn start(program: &Path, site: &Path, pem: &Path) -> io::Result<(Self, String)> {
        let port = free_port()?;
        let mut command = Command::new(program);
        command.arg(port.to_string()).arg(pem).arg(site).stdin(Stdio::null());
        let mut peer = Self(command.spawn()?);
        for _ in 0..PATIENCE.as_millis() / 20 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok((peer, format!("https://127.0.0.1:{port}/")));
            }
            if peer.0.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::other(format!("{} does not start", program.display())))
    }
}

impl Nginx {
    fn start(program: &Path, site: &Path, tls: Option<&Path>) -> io::Result<(Self, String)> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let configuration = folder.path().join("nginx.conf");
        fs::write(&configuration, configure(folder.path(), site, tls, port))?;
        let log = folder.path().join("error.log");
        let mut command = Command::new(program);
        command.arg("-c").arg(&configuration).arg("-e").arg(&log).arg("-p").arg(folder.path());
        let mut nginx = Self { master: command.stdin(Stdio::null()).spawn()?, _folder: folder };
        // Its master listens before the child that answers is there.
        for _ in 0..PATIENCE.as_millis() / 20 {
            let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", nginx.master.id()))?;
            if !children.is_empty() && TcpStream::connect(("127.0.0.1", port)).is_ok() {
                let scheme = if tls.is_some() { "https" } else { "http" };
                return Ok((nginx, format!("{scheme}://127.0.0.1:{port}/")));
            }
            if nginx.master.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::other(format!("nginx does not start: {}", fs::read_to_string(log)?)))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked to end, since killed it would leave its child behind.
        let asked = Command::new("kill").args(["-s", "TERM", &self.master.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.master.kill();
        }
        let _ = self.master.wait();
    }
}

/// What issue and benches compare with: one worker, its fastest way to send files, no log.
fn configure(folder: &Path, site: &Path, tls: Option<&Path>, port: u16) -> String {
    let ssl = if tls.is_some() { " ssl" } else { "" };
    let certificate = tls.map(|pem| {
        format!(
            "  ssl_certificate {0};\n  ssl_certificate_key {0};\n  ssl_protocols TLSv1.2 TLSv1.3;\n  \
             ssl_ecdh_curve X25519;\n  ssl_session_tickets on;\n",
            pem.display()
        )
    });
    let certificate = certificate.unwrap_or_default();
    let user = if rustix::process::geteuid().is_root() { "user root root;" } else { "" };
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "{user}\n\
         worker_processes 1;\n\
         worker_rlimit_nofile 20000;\n\
         daemon off;\n\
         pid {folder}/pid;\n\
         error_log {folder}/error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  \
           access_log off;\n  \
           default_type application/octet-stream;\n  \
           sendfile on;\n  \
           keepalive_requests 1000000000;\n  \
           open_file_cache max=1000;\n  \
           open_file_cache_valid 1s;\n\
         {temporary}{certificate}  \
           server {{ listen 127.0.0.1:{port} backlog=4096{ssl}; root {site}; }}\n\
         }}\n",
        site = site.display()
    )
}

/// A folder with `1k.bin` and `10m.bin`, of bytes that are not all the same.
///
/// # Errors
/// What the file system says.
pub fn site() -> io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    for (name, size) in [("1k.bin", 1 << 10), ("10m.bin", 10 << 20)] {
        let bytes: Vec<u8> = (0..size as u32).map(|at| (at ^ (at >> 8)) as u8).collect();
        fs::write(folder.path().join(name), bytes)?;
    }
    Ok(folder)
}

/// The path of a program that cargo built beside this one.
///
/// # Errors
/// The path of this program is not known.
pub fn beside(name: &str) -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(name))
}

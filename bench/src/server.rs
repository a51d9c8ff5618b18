//! [`Server`]: a web server under measurement, `trenza` or nginx, pinned to a core.

use std::{
    env, fs, io,
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
    /// `trenza` or `nginx`.
    pub name: String,
    /// `http://127.0.0.1:PORT/`
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
}

#[derive(Debug)]
struct Nginx {
    master: Child,
    /// Its configuration, log and temporary files.
    _folder: TempDir,
}

impl Server {
    /// Starts the server at `program` on a free port; it is taken for nginx if its file is called so.
    ///
    /// # Errors
    /// It cannot be started or pinned.
    pub fn start(program: &Path, site: &Path, core: u32) -> io::Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let server = if name.starts_with("nginx") {
            let (nginx, url) = Nginx::start(program, site)?;
            Self { name, url, process: nginx.master.id(), _running: Running::Nginx(nginx) }
        } else {
            let (program, url) = Program::web(program, site, &["--quiet"]);
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

impl Nginx {
    fn start(program: &Path, site: &Path) -> io::Result<(Self, String)> {
        let folder = tempfile::tempdir()?;
        // Free now; nobody else here takes ports in a hurry.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let configuration = folder.path().join("nginx.conf");
        fs::write(&configuration, configure(folder.path(), site, port))?;
        let log = folder.path().join("error.log");
        let mut command = Command::new(program);
        command.arg("-c").arg(&configuration).arg("-e").arg(&log).arg("-p").arg(folder.path());
        let mut nginx = Self { master: command.stdin(Stdio::null()).spawn()?, _folder: folder };
        // Its master listens before the child that answers is there.
        for _ in 0..PATIENCE.as_millis() / 20 {
            let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", nginx.master.id()))?;
            if !children.is_empty() && TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok((nginx, format!("http://127.0.0.1:{port}/")));
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
fn configure(folder: &Path, site: &Path, port: u16) -> String {
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
         {temporary}  \
           server {{ listen 127.0.0.1:{port} backlog=4096; root {site}; }}\n\
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

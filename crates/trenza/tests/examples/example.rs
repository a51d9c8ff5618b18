//! [`Example`]: an example as a process, and [`Client`]: a connection to it.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test fails rather than hangs. Far more than any of it needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Any free port.
pub(crate) const ANY: &str = "tcp:0:interface=127.0.0.1";

/// A running example. Dropping it kills the process.
pub(crate) struct Example {
    child: Child,
    stdout: Receiver<String>,
}

impl Example {
    /// Starts an example on a free port of 127.0.0.1; and the address that it says.
    pub(crate) fn server(name: &str) -> (Self, String) {
        let example = Self::start(name, &[ANY]);
        let address = example.address();
        (example, address)
    }

    /// Starts an example with these arguments, in the folder of this package.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_in(Path::new(env!("CARGO_MANIFEST_DIR")), name, arguments)
    }

    /// The same in another folder.
    pub(crate) fn start_in(folder: &Path, name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(path(name));
        command.args(arguments).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdout = lines(child.stdout.take().expect("standard output is a pipe"));
        Self { child, stdout }
    }

    /// Runs an example with this input to its good end, and gives its output.
    pub(crate) fn filter(name: &str, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(path(name));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it takes its input");
        let stdout = lines(child.stdout.take().expect("a pipe"));
        let example = Self { child, stdout };
        let mut said = String::new();
        loop {
            match example.stdout.recv_timeout(PATIENCE) {
                Ok(line) => said = said + &line + "\n",
                Err(end) => {
                    assert_eq!(end, RecvTimeoutError::Disconnected, "it does not end");
                    example.ends();
                    return said;
                }
            }
        }
    }

    /// The next line that it prints.
    pub(crate) fn says(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).expect("it prints a line")
    }

    /// The next address that it says it listens on.
    pub(crate) fn address(&self) -> String {
        let line = self.says();
        let address = line.strip_prefix("listening on ").expect("it says where it listens");
        address.trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    /// Asks it to stop.
    pub(crate) fn stop(&self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", "TERM", &id]).status().expect("kill runs");
        assert!(status.success(), "it had ended already");
    }

    /// Waits for the end, which has to be a good one.
    pub(crate) fn ends(mut self) {
        // The pipe is at its end when the process is.
        let late = Instant::now() + PATIENCE;
        let end = loop {
            if let Err(end) = self.stdout.recv_timeout(late.saturating_duration_since(Instant::now())) {
                break end;
            }
        };
        assert_eq!(end, RecvTimeoutError::Disconnected, "it does not end");
        let status = self.child.wait().expect("the process is ours");
        assert!(status.success(), "{status}");
    }

    /// Asks it to stop, and waits for the end.
    pub(crate) fn stops(self) {
        self.stop();
        self.ends();
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Either may fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The built example. Cargo puts it beside the folder of the tests; `cargo test --test examples` alone does not.
fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("it is in deps/");
    let path = folder.join("examples").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).with_extension("rs");
    let changed = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    let (built, written) = (changed(&path), changed(&source).expect("the example is there"));
    assert!(
        built.is_some_and(|built| built >= written),
        "{name} is not built: `cargo test -p trenza` does it"
    );
    path
}

/// Lines, read to the end whoever listens: a full pipe would stop the program.
fn lines(pipe: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
    });
    lines
}

/// A blocking connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: impl AsRef<str>) -> Self {
        let address = address.as_ref();
        Self::new(TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    /// Waits for somebody to connect.
    pub(crate) fn accept(listener: &TcpListener) -> Self {
        listener.set_nonblocking(true).expect("it need not wait");
        let late = Instant::now() + PATIENCE;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("it may wait");
                    return Self::new(stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < late => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("nobody connects: {error}"),
            }
        }
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, data: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(data.as_ref()).expect("it takes bytes");
    }

    /// Sends no more.
    pub(crate) fn finish(&mut self) {
        self.0.get_mut().shutdown(Shutdown::Write).expect("it is connected");
    }

    /// The next line, with its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line comes");
        line
    }

    /// The next bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("so many bytes come");
        bytes
    }

    /// Everything to the end.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the end comes");
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Sends this and nothing more, and gives all that comes.
    pub(crate) fn ask(address: impl AsRef<str>, data: impl AsRef<[u8]>) -> String {
        let mut client = Self::connect(address);
        client.send(data);
        client.finish();
        client.rest()
    }
}

//! [`Recorder`] and [`Recording`]: taps that keep what they see, for programs.

use crate::{Seen, Tap, Transport};
use std::{
    cell::{Ref, RefCell},
    fmt::{self, Write as _},
    io::{self, Write},
    rc::Rc,
    time::Instant,
};

/// A [`Tap`] that writes down everything that it sees, up to a limit: to a file, a buffer, a socket.
///
/// A record is a line of ASCII, ended by LF: `SECONDS CONNECTION KIND REST`. SECONDS counts from the tap's beginning, to
/// the microsecond; CONNECTION is the connection's name.
///
/// | KIND | REST |
/// |---|---|
/// | `+` it began | the far address, then the near one |
/// | `<` received | the bytes as lower-case hexadecimal digits |
/// | `>` sent | the bytes as lower-case hexadecimal digits |
/// | `f` sent from a file | first byte, a hyphen, the byte behind the last |
/// | `.` the peer's FIN | nothing |
/// | `-` it ended | the reason, with everything but printable characters escaped |
/// | `!` | nothing: the limit is reached; only `-` follows |
///
/// ```
/// use trenza_core::{IntoEndpoint, Policy, Recording, Transport};
///
/// let recording = Recording::new(1 << 20);
/// let seen = recording.clone();
/// let on = "tcp:7".into_endpoint()?.policy(Policy::new().tap(move |_: &Transport| seen.recorder()));
///
/// let net = trenza_sim::Net::gentle(1);
/// net.host("srv").run(|reactor| {
///     reactor.serve(on, |mut stream| async move {
///         stream.write_all(b"hi").await?;
///         stream.close().await
///     })
/// })?;
/// let cli = net.host("cli").probe("tcp:srv:7");
/// net.run();
/// let text = String::from_utf8_lossy(&recording.bytes()).into_owned();
/// assert!(text.contains("> 6869\n"), "{text}");
/// # drop(cli);
/// # Ok::<(), trenza_core::Error>(())
/// ```
///
/// It writes when it is called, on the loop's thread, so give it a writer that does not wait for long. After an error
/// of the writer it writes no more.
pub struct Recorder<W> {
    to: W,
    left: u64,
    files: bool,
    began: Option<Instant>,
}

impl<W: Write + 'static> Recorder<W> {
    /// Writes to `to`, at most `limit` bytes of records (and a last line of a few more).
    pub fn new(to: W, limit: u64) -> Self {
        Self { to, left: limit, files: false, began: None }
    }

    /// Records the bytes of files too: they are copied then, not sent by `sendfile`.
    #[must_use]
    pub fn copy_files(self) -> Self {
        Self { files: true, ..self }
    }

    /// Writes a record. What does not fit is not begun.
    fn record(&mut self, transport: &Transport, kind: char, rest: fmt::Arguments<'_>, last: bool) {
        let now = transport.reactor().now();
        let passed = now.saturating_duration_since(*self.began.get_or_insert(now));
        let (seconds, micros, id) = (passed.as_secs(), passed.subsec_micros(), transport.id());
        let line = match rest.as_str() {
            Some("") => format!("{seconds}.{micros:06} {id} {kind}\n"),
            _ => format!("{seconds}.{micros:06} {id} {kind} {rest}\n"),
        };
        let line = match self.left.checked_sub(line.len() as u64) {
            Some(left) => {
                self.left = left;
                line
            }
            None if last => line,
            None if self.left == 0 => return,
            None => {
                self.left = 0;
                format!("{seconds}.{micros:06} {id} !\n")
            }
        };
        if self.to.write_all(line.as_bytes()).is_err() {
            self.left = 0;
        }
    }

    fn bytes(&mut self, transport: &Transport, kind: char, data: &[u8]) {
        let mut digits = String::with_capacity(2 * data.len());
        // Writing to a string cannot fail.
        for byte in data {
            let _ = write!(digits, "{byte:02x}");
        }
        self.record(transport, kind, format_args!("{digits}"), false);
    }
}

impl<W: Write + 'static> Tap for Recorder<W> {
    fn see(&mut self, transport: &Transport, seen: Seen<'_>) {
        match seen {
            Seen::Began => {
                let peer = transport.peer();
                self.record(transport, '+', format_args!("{} {}", peer.remote, peer.local), false);
            }
            // No more is written anyway.
            Seen::Received(_) | Seen::Sent(_) if self.left == 0 => {}
            Seen::Received(data) => self.bytes(transport, '<', data),
            Seen::Sent(data) => self.bytes(transport, '>', data),
            Seen::SentFile(range) => {
                self.record(transport, 'f', format_args!("{}-{}", range.start, range.end), false);
            }
            Seen::Eof => self.record(transport, '.', format_args!(""), false),
            Seen::Ended(reason) => {
                let reason = reason.to_string().escape_default().to_string();
                self.record(transport, '-', format_args!("{reason}"), true);
                let _ = self.to.flush();
            }
        }
    }

    fn copies_files(&self) -> bool {
        self.files
    }
}

impl<W> fmt::Debug for Recorder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("left", &self.left).finish_non_exhaustive()
    }
}

/// A buffer for what [`Recorder`]s write, in memory and bounded. Clones are the same buffer.
#[derive(Clone, Debug)]
pub struct Recording {
    data: Rc<RefCell<Vec<u8>>>,
    max: usize,
}

impl Recording {
    /// An empty buffer for at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { data: Rc::default(), max }
    }

    /// A tap that records here, as long as there is room.
    pub fn recorder(&self) -> Recorder<Self> {
        let room = self.max.saturating_sub(self.data.borrow().len());
        Recorder::new(self.clone(), room as u64)
    }

    /// What was recorded. The tap must not be called while this is held.
    pub fn bytes(&self) -> Ref<'_, [u8]> {
        Ref::map(self.data.borrow(), Vec::as_slice)
    }

    /// Takes what was recorded; there is room again.
    pub fn take(&self) -> Vec<u8> {
        self.data.take()
    }
}

impl Write for Recording {
    /// Takes all or nothing.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut held = self.data.borrow_mut();
        if held.len() + data.len() > self.max {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the recording is full"));
        }
        held.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! What clients get of a server, compared with what they should.

use super::server::{Addresses, LARGE, SMALL};
use crate::pattern;
use socket2::{Domain, Socket, Type};
use std::{
    fmt,
    io::{Error, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

/// After how long without a byte a client is sure that none will come.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long clients that make sends short pause between reads, and their receive buffer.
const PAUSE: Duration = Duration::from_micros(500);
const NARROW: usize = 4096;
/// How often the large file is sent at once.
const BULK: usize = 3;
const ECHOED: usize = 600_000;
const FORWARDED: usize = 300_000;
/// Of lines, and of datagrams.
const LINES: usize = 40;
/// After which time a datagram is sent again, and how often in all that is done.
const AGAIN: Duration = Duration::from_millis(100);
const TRIES: usize = 200;

/// What a client got.
pub(super) struct Outcome {
    what: &'static str,
    pub(super) got: usize,
    wanted: usize,
    /// What came was the beginning of what should, or all of it.
    pub(super) is_right: bool,
    /// It came to no end.
    pub(super) hung: bool,
    /// Whoever serves it says why it has ended. A coroutine of a connection ends with it, and a web server tells nobody.
    pub(super) is_told: bool,
    /// The error at its end.
    error: Option<Error>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, got, wanted, .. } = self;
        write!(f, "{what}: {got} of {wanted} bytes")?;
        if !self.is_right {
            f.write_str(", which were wrong")?;
        }
        if self.hung {
            f.write_str(", then nothing")?;
        }
        match &self.error {
            Some(error) => write!(f, ", then: {error}"),
            None => Ok(()),
        }
    }
}

impl Outcome {
    pub(super) fn is_whole(&self) -> bool {
        self.is_right && !self.hung && self.got == self.wanted
    }
}

/// Some clients of each kind at once.
pub(super) fn visit_all(to: &Addresses) -> Vec<Outcome> {
    thread::scope(|scope| {
        let visits = [
            scope.spawn(|| exchange("echo", &to.echo, &pattern(ECHOED), true)),
            scope.spawn(|| exchange("echo", &to.echo, &pattern(ECHOED / 2), false)),
            scope.spawn(|| exchange("forward", &to.forward, &pattern(FORWARDED), false)),
            scope.spawn(|| exchange("forward", &to.forward, &pattern(FORWARDED), true)),
            scope.spawn(|| datagrams(&to.udp)),
            scope.spawn(|| lines(&to.lines)),
            scope.spawn(|| lines(&to.lines)),
            scope.spawn(|| bulk(&to.bulk, false)),
            scope.spawn(|| get(&to.web, SMALL, false)),
            scope.spawn(|| get(&to.web, LARGE, true)),
            scope.spawn(|| get(&to.web, LARGE, false)),
        ];
        visits.into_iter().map(|visit| visit.join().unwrap()).collect()
    })
}

/// Clients each of whom is alone.
pub(super) fn visit_one_by_one(to: &Addresses) -> Vec<Outcome> {
    (0..4).map(|_| lines(&to.lines)).collect()
}

/// Clients who read so slowly that sends are short.
pub(super) fn visit_slowly(to: &Addresses) -> Vec<Outcome> {
    thread::scope(|scope| {
        let visits = [scope.spawn(|| bulk(&to.bulk, true)), scope.spawn(|| get(&to.web, LARGE, true))];
        visits.into_iter().map(|visit| visit.join().unwrap()).collect()
    })
}

/// Some clients who have programs started.
pub(super) fn visit_programs(to: &Addresses) -> Vec<Outcome> {
    thread::scope(|scope| {
        let visits: Vec<_> = (0..4).map(|_| scope.spawn(|| program(&to.programs))).collect();
        visits.into_iter().map(|visit| visit.join().unwrap()).collect()
    })
}

/// One more client: is it served well?
pub(super) fn echoes(to: &str) -> bool {
    exchange("echo", to, &pattern(5000), false).is_whole()
}

/// Sends and gets back the same, both at once.
fn exchange(what: &'static str, to: &str, bytes: &[u8], narrow: bool) -> Outcome {
    let stream = connect(to, narrow);
    let mut sink = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // Both fail when the server has ended the connection, which the other half notices.
            let _ = bytes.chunks(7000).try_for_each(|piece| sink.write_all(piece));
            let _ = sink.shutdown(Shutdown::Write);
        });
        outcome(what, stream, bytes, narrow)
    })
}

/// One line after the other.
fn lines(to: &str) -> Outcome {
    let stream = connect(to, false);
    let mut sink = stream.try_clone().unwrap();
    let lines: String = (0..LINES).map(|n| format!("line {n}\r\n")).collect();
    let upper = lines.to_ascii_uppercase();
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = lines.lines().try_for_each(|line| sink.write_all(format!("{line}\r\n").as_bytes()));
            let _ = sink.shutdown(Shutdown::Write);
        });
        outcome("lines", stream, upper.as_bytes(), false)
    })
}

/// Much at once.
fn bulk(to: &str, narrow: bool) -> Outcome {
    outcome("bulk", connect(to, narrow), &pattern(LARGE.1).repeat(BULK), narrow)
}

/// One line, which a program says.
fn program(to: &str) -> Outcome {
    let mut stream = connect(to, false);
    let _ = stream.write_all(b"hello\r\n");
    let _ = stream.shutdown(Shutdown::Write);
    outcome("program", stream, b"hello\n", false)
}

/// Datagrams one after the other, each until it comes back: they may get lost, but no other may come.
fn datagrams(to: &str) -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(AGAIN)).unwrap();
    let (mut got, mut is_right, mut tries) = (0, true, 0);
    let mut buffer = [0; 100];
    while got < LINES && tries < TRIES {
        // An error tells of an earlier one, which is sent again.
        let _ = socket.send(format!("datagram {got}").as_bytes());
        tries += 1;
        while let Ok(length) = socket.recv(&mut buffer) {
            let number =
                buffer.get(..length).and_then(|bytes| str::from_utf8(bytes).ok()?.strip_prefix("datagram "));
            let number = number.and_then(|number| number.parse::<usize>().ok());
            is_right &= number.is_some_and(|number| number <= got);
            if number == Some(got) {
                got += 1;
                break;
            }
        }
    }
    Outcome {
        what: "datagrams",
        got,
        wanted: LINES,
        is_right,
        hung: got < LINES,
        is_told: false,
        error: None,
    }
}

/// A file over HTTP.
fn get(to: &str, (name, size): (&str, usize), narrow: bool) -> Outcome {
    let mut stream = connect(to, narrow);
    let request = format!("GET /{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes());
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    let found = head.starts_with(b"HTTP/1.1 200 ") && head.ends_with(b"\r\n\r\n");
    // Anything else is a refusal, of which nothing was promised.
    let body = if found { pattern(size) } else { Vec::new() };
    let mut outcome = outcome("web", stream, &body, narrow);
    outcome.is_told = false;
    if !found {
        outcome = Outcome { got: 0, wanted: size, is_right: true, ..outcome };
    }
    outcome
}

/// Reads to the end.
fn outcome(what: &'static str, mut stream: TcpStream, wanted: &[u8], narrow: bool) -> Outcome {
    let (mut got, mut is_right, mut error) = (0, true, None);
    let mut buffer = vec![0; if narrow { NARROW } else { 64 * 1024 }];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                is_right &= wanted.get(got..got + n) == buffer.get(..n);
                got += n;
                if narrow {
                    thread::sleep(PAUSE);
                }
            }
            Err(failed) => {
                error = Some(failed);
                break;
            }
        }
    }
    let is_told = !matches!(what, "lines" | "program");
    let hung = error
        .as_ref()
        .is_some_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    Outcome { what, got, wanted: wanted.len(), is_right, hung, is_told, error }
}

fn connect(to: &str, narrow: bool) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if narrow {
        // Before the connect, since the window follows from it.
        socket.set_recv_buffer_size(NARROW).unwrap();
    }
    let to: SocketAddr = to.parse().unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

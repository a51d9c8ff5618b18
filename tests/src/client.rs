//! [`Client`]: a connection that says exactly what it is told, to see what no real client would ask.

use crate::PATIENCE;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// A blocking connection.
#[derive(Debug)]
pub struct Client(BufReader<TcpStream>);

/// A response as it came, its body by `Content-Length`.
#[derive(Debug)]
pub struct Answer {
    /// The status line and the fields, with their line ends.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a field, by its name in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The number of the status.
    ///
    /// # Panics
    /// When there is none.
    pub fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {:?}", self.head))
    }
}

impl Client {
    /// Connects to what a URL names: `http://127.0.0.1:8080/`.
    ///
    /// # Panics
    /// When it cannot.
    pub fn connect(url: &str) -> Self {
        let address = address(url);
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("TCP_NODELAY can be set");
        Self(BufReader::new(stream))
    }

    /// Connects again and again until nobody listens any more.
    ///
    /// # Panics
    /// When somebody still does.
    pub fn until_refused(url: &str) {
        let late = Instant::now() + PATIENCE;
        while TcpStream::connect(address(url)).is_ok() {
            assert!(Instant::now() < late, "{url} is still served");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// `GET path` on a connection that stays open.
    ///
    /// # Panics
    /// When it cannot be sent or answered.
    pub fn get(&mut self, path: &str) -> Answer {
        self.ask(path);
        self.answer().expect("an answer")
    }

    /// The request of `get`, without waiting for its answer.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn ask(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.send(request.as_bytes()).expect("the request is sent");
    }

    /// A whole response with a `Content-Length`.
    ///
    /// # Errors
    /// The connection ended before the response did.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = Answer { head: self.head()?, body: Vec::new() };
        let length = answer.field("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        answer.body.resize(length, 0);
        self.0.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// A head, up to the empty line and with it.
    ///
    /// # Errors
    /// The connection ended before the head did.
    pub fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the connection ended after {head:?}"),
                ));
            }
        }
        Ok(head)
    }

    /// At most this many bytes; none at the end.
    ///
    /// # Errors
    /// What the system says, a reset for one.
    pub fn read(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let length = self.0.read(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// `127.0.0.1:8080` of `http://127.0.0.1:8080/`.
fn address(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

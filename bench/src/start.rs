//! [`first_answer`]: how long a server takes to start.

use crate::{PATIENCE, memory::Client, server::Server};
use std::{io, net::TcpStream, time::Duration};

/// How often a server that starts is asked.
const PAUSE: Duration = Duration::from_micros(200);

/// From the start of its program to its first answer. It is ended then.
///
/// # Errors
/// It does not answer, or not right.
pub(crate) fn first_answer(mut server: Server, path: &str) -> io::Result<Duration> {
    server.wait(PAUSE)?;
    let stream = TcpStream::connect_timeout(&server.address(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Client::Plain(stream).ask(server.kind, path)?;
    Ok(server.began.elapsed())
}

//! [`Sink`]: a server that takes every message, and counts them.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// How long no message may come while one waits for them.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often one looks whether they have come.
const LOOK: Duration = Duration::from_millis(2);

/// A server of SMTP that takes all, a thread for each connection.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) port: u16,
    taken: Arc<AtomicUsize>,
}

impl Sink {
    /// Listens until the program ends.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (port, taken) = (listener.local_addr()?.port(), Arc::new(AtomicUsize::new(0)));
        let count = taken.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let count = count.clone();
                // Who hangs up in the middle has his messages counted that were whole.
                thread::spawn(move || take(stream, &count));
            }
        });
        Ok(Self { port, taken })
    }

    /// How many messages it has taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(SeqCst)
    }

    /// Waits until it has taken so many.
    pub(super) fn wait_for(&self, count: usize) -> io::Result<()> {
        let (mut seen, mut since) = (self.taken(), Instant::now());
        while seen < count {
            thread::sleep(LOOK);
            let now = self.taken();
            if now > seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("only {seen} of {count} messages came")));
            }
        }
        Ok(())
    }
}

/// Takes what comes over a connection.
fn take(stream: TcpStream, taken: &AtomicUsize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    stream.get_mut().write_all(b"220 sink ESMTP\r\n")?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match &*verb {
            b"EHLO" => b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n",
            b"DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n")?;
                while line != b".\r\n" {
                    line.clear();
                    if stream.read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                }
                taken.fetch_add(1, SeqCst);
                b"250 taken\r\n"
            }
            b"QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        stream.get_mut().write_all(answer)?;
    }
}

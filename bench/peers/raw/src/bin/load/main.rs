//! `load WORK PORT CONNECTIONS SIZE DEPTH`: load for echo servers on 127.0.0.1 from one thread, by io_uring.
//!
//! WORK is `stream` (DEPTH messages of SIZE bytes are under way on each connection), `connect` (each connection is opened,
//! echoes one message and is closed, so many at a time) or `datagram` (as `stream`, on sockets of UDP).
//!
//! When all is connected it says `ready` and does what the lines of its standard input say, each answered with a line
//! `OPERATIONS NANOSECONDS LOST`. Between them nothing is under way, so that what a server has spent in the meantime was
//! for these operations.
//!
//! - `verify N`: so many operations, of which each byte is compared
//! - `run MS`: as many as come to their end in that time, and those that were under way then

mod connect;
mod datagram;
mod stream;

use connect::Connect;
use datagram::Datagram;
use peer_raw::Ring;
use rustix::net::{AddressFamily, SocketAddrV4, SocketType, bind, ipproto, socket, sockopt};
use std::{
    env,
    error::Error,
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, OwnedFd},
    time::{Duration, Instant},
};
use stream::Stream;

/// Receive buffers for all connections together.
const BUFFERS: usize = 8 << 20;
/// How often the clock is looked at when nothing comes.
const TICK: Duration = Duration::from_millis(50);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Addresses that connections come from, so that ports do not run out.
const SOURCES: usize = 64;
/// What an operation of the ring is, in its tag above the number of the connection.
const CONNECT: u64 = 1 << 32;
const SEND: u64 = 2 << 32;
const RECEIVE: u64 = 3 << 32;
const CLOCK: u64 = 4 << 32;

/// How much is to be done.
#[derive(Clone, Copy)]
enum Until {
    Operations(u64),
    Time(Instant),
}

/// What was done.
#[derive(Default)]
struct Tally {
    operations: u64,
    lost: u64,
}

/// One run.
#[derive(Clone, Copy)]
struct Run {
    until: Until,
    verify: bool,
    began: Instant,
}

impl Run {
    /// True once no more is to be begun.
    fn is_over(self, done: u64, now: Instant) -> bool {
        match self.until {
            Until::Operations(count) => done >= count,
            Until::Time(end) => now >= end,
        }
    }

    /// # Errors
    /// It should have been done long ago.
    fn check(self, now: Instant) -> io::Result<()> {
        let end = match self.until {
            Until::Operations(_) => self.began,
            Until::Time(end) => end,
        };
        if now < end + PATIENCE { Ok(()) } else { Err(io::Error::other("the server answers no more")) }
    }
}

/// A kind of load.
trait Work {
    fn run(&mut self, run: Run) -> io::Result<Tally>;
}

/// What is sent.
struct Messages {
    /// Several in a row.
    all: &'static [u8],
    size: usize,
}

impl Messages {
    fn new(size: usize, depth: usize) -> Self {
        let one = (0..size as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8);
        let all: Vec<u8> = one.cycle().take(size * depth).collect();
        Self { all: all.leak(), size }
    }

    fn first(&self, count: usize) -> &'static [u8] {
        &self.all[..count * self.size]
    }

    /// # Errors
    /// These are not the bytes that come at this place.
    fn compare(&self, from: usize, got: &[u8]) -> io::Result<()> {
        let want = self.all.iter().cycle().skip(from % self.size);
        match got.iter().zip(want).position(|(got, want)| got != want) {
            None => Ok(()),
            Some(at) => Err(io::Error::other(format!("the wrong byte came back at {}", from + at))),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let mut next = || args.next().ok_or("usage: load WORK PORT CONNECTIONS SIZE DEPTH");
    let (work, port, connections) = (next()?, next()?.parse()?, next()?.parse()?);
    let (size, depth) = (next()?.parse()?, next()?.parse()?);
    let (to, messages) = (SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), Messages::new(size, depth));
    let mut work: Box<dyn Work> = match &*work {
        "stream" => Box::new(Stream::new(to, connections, messages, depth)?),
        "connect" => Box::new(Connect::new(to, connections, messages)?),
        "datagram" => Box::new(Datagram::new(to, connections, messages, depth)?),
        _ => return Err("there is no such work".into()),
    };
    println!("ready");
    for line in io::stdin().lines() {
        let line = line?;
        let (what, count) = line.split_once(' ').ok_or("a word and a number")?;
        let (began, count) = (Instant::now(), count.parse()?);
        let verify = what == "verify";
        let until =
            if verify { Until::Operations(count) } else { Until::Time(began + Duration::from_millis(count)) };
        let tally = work.run(Run { until, verify, began })?;
        println!("{} {} {}", tally.operations, began.elapsed().as_nanos(), tally.lost);
    }
    Ok(())
}

/// A socket for a connection; the number chooses where it comes from.
fn client(number: usize) -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    let source = Ipv4Addr::new(127, 0, 1, (number % SOURCES) as u8 + 1);
    choose_port_late(&socket)?;
    bind(&socket, &SocketAddrV4::new(source, 0))?;
    Ok(socket)
}

/// The port is chosen by `connect`, which knows to whom: else one that was used a minute ago would be passed over.
fn choose_port_late(socket: &OwnedFd) -> io::Result<()> {
    let (on, option) = (1i32, libc::IP_BIND_ADDRESS_NO_PORT);
    let (place, length) = ((&raw const on).cast(), size_of::<i32>() as u32);
    // SAFETY: the option's value is an integer, which is copied.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, option, place, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn ring(packed: bool) -> io::Result<Ring> {
    let mut ring = Ring::new(BUFFERS, packed)?;
    ring.tick(TICK, CLOCK);
    Ok(ring)
}

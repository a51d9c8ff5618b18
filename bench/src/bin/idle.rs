//! What does an idle keep-alive connection cost in memory?
//!
//! `cargo build --release && cargo run --release -p trenza-bench --bin idle`
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the client is the outside world")]

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::{
    error::Error,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    thread,
    time::Duration,
};
use trenza_bench::{beside, descriptors, resident, site};
use trenza_tests::{PATIENCE, Program};

/// Opens keep-alive connections, each of which makes one request, and prints how much the server's memory grew.
#[derive(Debug, Parser)]
struct Args {
    /// The server [default: the trenza that was built beside this program]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    connections: u32,
    /// Fail when a connection costs more than this
    #[arg(long, value_name = "BYTES")]
    most: Option<f64>,
}

const REQUEST: &[u8] = b"GET /1k.bin HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    // For the server too, which inherits it.
    allow_descriptors(u64::from(args.connections) + 200)?;
    let site = site()?;
    let path = match args.program {
        Some(path) => path,
        None => beside("trenza")?,
    };
    let (server, url) = Program::web(&path, site.path(), &["--quiet"]);
    let address: SocketAddr = url.trim_start_matches("http://").trim_end_matches('/').parse()?;

    // The first request pays for what all share.
    ask(&mut connect(address, 0)?)?;
    let before = resident(server.id())?;
    let mut connections = Vec::new();
    for number in 0..args.connections {
        let mut connection = connect(address, number)?;
        ask(&mut connection)?;
        connections.push(connection);
    }
    thread::sleep(Duration::from_secs(1));
    let after = resident(server.id())?;

    let open = descriptors(server.id())?;
    if open < connections.len() {
        return Err(
            format!("the server has only {open} descriptors for {} connections", connections.len()).into()
        );
    }
    // None was given up to save memory.
    for connection in connections.iter_mut().step_by(100) {
        ask(connection)?;
    }
    let each = (after as f64 - before as f64) / f64::from(args.connections);
    println!("| idle connections | RSS before, KiB | RSS after, KiB | growth a connection, bytes |");
    println!("|---:|---:|---:|---:|");
    println!("| {} | {} | {} | {each:.0} |", args.connections, before / 1024, after / 1024);
    match args.most {
        Some(most) if each > most => Err(format!("more than {most} bytes a connection").into()),
        _ => Ok(()),
    }
}

/// One of 64 source addresses, so that ports do not run out.
fn connect(address: SocketAddr, number: u32) -> io::Result<TcpStream> {
    let source = Ipv4Addr::new(127, 0, 1, 1 + (number % 64) as u8);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&address.into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}

/// A request and its whole response.
fn ask(connection: &mut TcpStream) -> io::Result<()> {
    connection.write_all(REQUEST)?;
    let mut response = Vec::new();
    let mut piece = [0; 4096];
    while !complete(&response) {
        let length = connection.read(&mut piece)?;
        if length == 0 {
            return Err(io::Error::other("the server closed the connection"));
        }
        response.extend(piece.iter().take(length));
    }
    if response.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err(io::Error::other("the server refused")) }
}

fn complete(response: &[u8]) -> bool {
    let head = response.windows(4).position(|end| end == b"\r\n\r\n");
    head.is_some_and(|head| response.len() >= head + 4 + 1024)
}

fn allow_descriptors(needed: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < needed) {
        return Err(io::Error::other(format!("{needed} descriptors are not allowed here: see ulimit -Hn")));
    }
    if limit.current.is_some_and(|most| most < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })?;
    }
    Ok(())
}

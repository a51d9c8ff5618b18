//! What does TLS cost, beside nginx and hyper over tokio-rustls, one core for the server and one for the load?
//!
//! `cargo build --release && cargo build --release --manifest-path bench/peers/Cargo.toml
//!  && cargo run --release -p trenza-bench --bin tls`

use clap::Parser;
use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};
use trenza_bench::{Group, Handshakes, Server, beside, cpu, machine, median, site, spread, wrk};

/// Compares servers over TLS: rounds of all of them by turns, all running all the time.
#[derive(Debug, Parser)]
struct Args {
    /// The servers, ours first; what a file is called says which it is (nginx, hyper-https, or else trenza)
    /// [default: the trenza built beside this program, the hyper-https of bench/peers, nginx]
    #[arg(long, value_name = "FILE")]
    servers: Vec<PathBuf>,
    /// Rounds of each test
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: usize,
    /// Connections of a round of handshakes
    #[arg(long, value_name = "N", default_value_t = 3000)]
    handshakes: usize,
    /// Length of a round of requests on kept connections
    #[arg(long, value_name = "S", default_value_t = 3)]
    seconds: u32,
    /// Core of the servers
    #[arg(long, value_name = "N", default_value_t = 0)]
    server_core: u32,
    /// Core of the load
    #[arg(long, value_name = "N", default_value_t = 1)]
    load_core: u32,
}

/// A kind of load.
#[derive(Debug, Clone, Copy)]
enum Test {
    Handshake { group: Group, resumed: bool },
    KeepAlive { file: &'static str },
}

const TESTS: [(&str, Test); 6] = [
    ("full handshake, X25519", Test::Handshake { group: Group::X25519, resumed: false }),
    ("resumed handshake, X25519", Test::Handshake { group: Group::X25519, resumed: true }),
    ("full handshake, X25519MLKEM768", Test::Handshake { group: Group::Hybrid, resumed: false }),
    ("resumed handshake, X25519MLKEM768", Test::Handshake { group: Group::Hybrid, resumed: true }),
    ("1 KiB, keep-alive, 64 connections", Test::KeepAlive { file: "1k.bin" }),
    ("10 MiB, keep-alive, 64 connections", Test::KeepAlive { file: "10m.bin" }),
];

/// What one round came to: operations a second, and the server's CPU time for each, in µs.
type Round = (f64, f64);

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let site = site()?;
    let pem = site.path().join(".key-and-certificate.pem");
    fs::write(&pem, certificate()?)?;
    let servers = args
        .programs()?
        .iter()
        .map(|program| Server::start(program, site.path(), Some(&pem), args.server_core))
        .collect::<io::Result<Vec<_>>>()?;
    rustix::thread::sched_setaffinity(None, &only(args.load_core))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}\n", machine()?)?;
    writeln!(
        out,
        "{} rounds, servers on core {}, load on core {}; ECDSA P-256, TLS_AES_256_GCM_SHA384; in brackets the quartiles\n",
        args.rounds, args.server_core, args.load_core
    )?;
    writeln!(out, "| work | server | operations/s | CPU µs an operation | CPU, ours / its |")?;
    writeln!(out, "|---|---|---:|---:|---:|")?;
    for (name, test) in TESTS {
        let able: Vec<&Server> = servers.iter().filter(|server| can(server, test)).collect();
        let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); able.len()];
        for server in &able {
            round(&args, server, &pem, test)?; // warm
        }
        for number in 0..args.rounds {
            let mut order: Vec<usize> = (0..able.len()).collect();
            order.rotate_left(number % able.len().max(1));
            for at in order {
                if let (Some(server), Some(rounds)) = (able.get(at), rounds.get_mut(at)) {
                    rounds.push(round(&args, server, &pem, test)?);
                }
            }
        }
        let ours = rounds.first().cloned().unwrap_or_default();
        for (server, rounds) in able.iter().zip(&rounds) {
            let ratios: Vec<f64> = ours.iter().zip(rounds).map(|(ours, its)| ours.1 / its.1).collect();
            let column = |of: fn(&Round) -> f64| median(&rounds.iter().map(of).collect::<Vec<_>>());
            writeln!(
                out,
                "| {name} | {} | {:.0} | {:.1} | {} |",
                server.name,
                column(|round| round.0),
                column(|round| round.1),
                spread(&ratios)
            )?;
        }
    }
    Ok(())
}

impl Args {
    fn programs(&self) -> io::Result<Vec<PathBuf>> {
        if !self.servers.is_empty() {
            return Ok(self.servers.clone());
        }
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/target/release/hyper-https");
        Ok(vec![beside("trenza")?, peers, "nginx".into()])
    }
}

/// Does the server know what the test asks for? OpenSSL, which nginx is built with, knows hybrids from 3.5 on.
fn can(server: &Server, test: Test) -> bool {
    !(server.name.starts_with("nginx") && matches!(test, Test::Handshake { group: Group::Hybrid, .. }))
}

fn round(args: &Args, server: &Server, pem: &Path, test: Test) -> io::Result<Round> {
    match test {
        Test::Handshake { group, resumed } => {
            let clients = Handshakes::new(pem, group, resumed)?;
            let to = server.url.trim_start_matches("https://").trim_end_matches('/');
            let to = to.parse().map_err(io::Error::other)?;
            clients.run(to, "/1k.bin", 1)?;
            let before = cpu(server.process)?;
            let took = clients.run(to, "/1k.bin", args.handshakes)?;
            let spent = cpu(server.process)?.saturating_sub(before).as_secs_f64() * 1e6;
            let count = args.handshakes as f64;
            Ok((count / took.as_secs_f64(), spent / count))
        }
        Test::KeepAlive { file } => {
            let before = cpu(server.process)?;
            let load = wrk(&format!("{}{file}", server.url), 64, args.seconds, args.load_core)?;
            let spent = cpu(server.process)?.saturating_sub(before).as_secs_f64() * 1e6;
            Ok((load.rate, spent / load.requests))
        }
    }
}

/// A certificate for localhost and its key.
fn certificate() -> Result<String, rcgen::Error> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    Ok(made.cert.pem() + &made.signing_key.serialize_pem())
}

fn only(core: u32) -> rustix::thread::CpuSet {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core as usize);
    set
}

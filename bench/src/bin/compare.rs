//! How fast are files served, beside nginx, one core for the server and one for the load?
//!
//! `cargo build --release && cargo run --release -p trenza-bench --bin compare`

use clap::Parser;
use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::PathBuf,
};
use trenza_bench::{Server, beside, cpu, machine, median, site, spread, wrk};
use trenza_tests::Client;

/// Compares two web servers under `wrk`: pairs of rounds, A B then B A, both servers running all the time.
///
/// A server whose file is called nginx gets a configuration of nginx; any other is run as `FILE web DIR`.
#[derive(Debug, Parser)]
struct Args {
    /// The server to judge [default: the trenza that was built beside this program]
    #[arg(long, value_name = "FILE")]
    ours: Option<PathBuf>,
    /// The server to compare with
    #[arg(long, value_name = "FILE", default_value = "nginx")]
    theirs: PathBuf,
    /// Pairs of rounds for each file
    #[arg(long, value_name = "N", default_value_t = 9)]
    pairs: usize,
    /// Length of a round
    #[arg(long, value_name = "S", default_value_t = 5)]
    seconds: u32,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: u32,
    /// Core of the servers
    #[arg(long, value_name = "N", default_value_t = 0)]
    server_core: u32,
    /// Core of the load
    #[arg(long, value_name = "N", default_value_t = 1)]
    load_core: u32,
}

/// One round of one server.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// Requests a second.
    rate: f64,
    /// The server's CPU time for a request, in µs.
    cost_us: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let site = site()?;
    let ours = match &args.ours {
        Some(path) => path.clone(),
        None => beside("trenza")?,
    };
    let a = Server::start(&ours, site.path(), None, args.server_core)?;
    let b = Server::start(&args.theirs, site.path(), None, args.server_core)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}\n", machine()?)?;
    writeln!(
        out,
        "wrk -t1 -c{} -d{}s on core {}, servers on core {}, {} pairs; in brackets the quartiles\n",
        args.connections, args.seconds, args.load_core, args.server_core, args.pairs
    )?;
    writeln!(
        out,
        "| file | {0}, requests/s | {1}, requests/s | {0} / {1} | CPU µs a request: {0} | {1} | {0} / {1} |",
        a.name, b.name
    )?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|---:|")?;
    for file in ["1k.bin", "10m.bin"] {
        for server in [&a, &b] {
            let want = fs::read(site.path().join(file))?;
            let got = Client::connect(&server.url).get(&format!("/{file}"));
            if got.status() != 200 || got.body != want {
                return Err(format!("{} does not serve {file} right", server.name).into());
            }
            wrk(&format!("{}{file}", server.url), args.connections, 1, args.load_core)?;
        }
        let pairs = pairs(&args, [&a, &b], file)?;
        let column = |of: fn(&(Round, Round)) -> f64| pairs.iter().map(of).collect::<Vec<f64>>();
        writeln!(
            out,
            "| {file} | {:.0} | {:.0} | {} | {:.1} | {:.1} | {} |",
            median(&column(|pair| pair.0.rate)),
            median(&column(|pair| pair.1.rate)),
            spread(&column(|pair| pair.0.rate / pair.1.rate)),
            median(&column(|pair| pair.0.cost_us)),
            median(&column(|pair| pair.1.cost_us)),
            spread(&column(|pair| pair.0.cost_us / pair.1.cost_us)),
        )?;
    }
    Ok(())
}

/// The rounds of both servers, side by side; which one begins alternates, so that a drift hits both.
fn pairs(args: &Args, servers: [&Server; 2], file: &str) -> io::Result<Vec<(Round, Round)>> {
    let [a, b] = servers;
    (0..args.pairs)
        .map(|number| {
            if number % 2 == 0 {
                let first = round(args, a, file)?;
                Ok((first, round(args, b, file)?))
            } else {
                let first = round(args, b, file)?;
                Ok((round(args, a, file)?, first))
            }
        })
        .collect()
}

fn round(args: &Args, server: &Server, file: &str) -> io::Result<Round> {
    let before = cpu(server.process)?;
    let load = wrk(&format!("{}{file}", server.url), args.connections, args.seconds, args.load_core)?;
    let spent = cpu(server.process)?.saturating_sub(before);
    Ok(Round { rate: load.rate, cost_us: spent.as_secs_f64() * 1e6 / load.requests })
}

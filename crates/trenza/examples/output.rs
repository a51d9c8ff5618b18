//! A program that is run once, with input and limits: all its output, or a clear error.
//! `cargo run -p trenza --example output`, then lines to turn round and Ctrl-D; or with ` -- sort -r` behind it.

use std::{env, io::Read, time::Duration};
use trenza::prelude::*;

fn main() -> Result {
    let mut words = env::args().skip(1);
    let program = words.next().unwrap_or_else(|| "rev".into());
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    block_on(async move |reactor: Reactor| {
        let command = Command::new(program)
            .args(words)
            .input(input)
            .output_max(1024 * 1024)
            .time_limit(Duration::from_secs(10));
        let output = reactor.output(command).await?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        println!("{}", output.status);
        Ok(())
    })
}

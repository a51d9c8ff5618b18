//! A program's output, line by line as it comes, and how it ends:
//! `cargo run -p trenza --example process` with ` -- ping -c 3 localhost` behind it.

use std::env;
use trenza::{ExitStatus, prelude::*};

struct Lines;

impl ProcessProtocol for Lines {
    fn received(&mut self, _: &Process, which: u32, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line_lf(4096)? {
            println!("{which}: {}", String::from_utf8_lossy(line));
        }
        Ok(())
    }

    fn exited(&mut self, _: &Process, status: ExitStatus) -> Result {
        println!("{status}");
        Ok(())
    }

    fn ended(&mut self, process: &Process, _: &Reason) {
        process.reactor().stop();
    }
}

fn main() -> Result {
    let mut words = env::args().skip(1);
    let program = words.next().ok_or("which program?")?;
    run(|reactor| {
        let process = reactor.spawn_process(Command::new(program).args(words), Lines)?;
        process.close(0); // nothing to read
        Ok(())
    })
}

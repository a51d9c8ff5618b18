//! Opens files on threads, since a disk may block, and sends them without reading them:
//! `cargo run -p trenza --example files`, then `nc 127.0.0.1 7005` and the name of a file of the current folder.
use std::{fs::File, path::Path};
use trenza::prelude::*;

struct Files;

/// Blocks. What is before the last slash does not count.
fn open(name: &str) -> Result<(File, u64)> {
    let name = Path::new(Path::new(name).file_name().ok_or("no name of a file")?);
    let about = name.metadata()?;
    if about.is_file() { Ok((File::open(name)?, about.len())) } else { Err("not a file".into()) }
}

impl Protocol for Files {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        let Some(line) = input.line_lf(255)? else { return Ok(()) };
        let name = String::from_utf8_lossy(line).into_owned();
        transport.pause(); // one after the other: more lines wait unread
        let opened = transport.reactor().in_thread(move || open(&name));
        opened.then_in(transport.handle::<Self>(), |_, transport, opened| {
            match opened {
                Ok((file, length)) => transport.send_file(file, 0..length),
                Err(error) => writeln!(transport, "no: {error}")?,
            }
            transport.resume();
            Ok(())
        });
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7005:interface=127.0.0.1".into());
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, |_| Files)?.addr());
        Ok(())
    })
}

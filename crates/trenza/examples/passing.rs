//! Opens files for others over a UNIX socket, and passes the descriptors: `cargo run -p trenza --example passing`.

use std::{fs::File, io::Read};
use trenza::prelude::*;

/// Whoever names a file gets it opened; a line says what became of it.
struct Opener;

impl Protocol for Opener {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(name) = input.line_lf(256)? {
            match File::open(String::from_utf8_lossy(name).as_ref()) {
                Ok(file) => {
                    transport.send_descriptor(file)?; // goes with the next byte
                    transport.write(b"here you are\r\n");
                }
                Err(error) => write!(transport, "no: {error}\r\n")?,
            }
        }
        Ok(())
    }
}

fn main() -> Result {
    let at = std::env::args().nth(1).unwrap_or_else(|| "unix:/tmp/trenza-passing.sock:mode=600".into());
    block_on(async move |reactor| {
        let port = reactor.listen(&at, |_| Opener)?;
        let mut stream = reactor.open(&format!("unix:{}", port.addr())).await?;
        for name in ["Cargo.toml", "nothing"] {
            stream.write_all(format!("{name}\n").as_bytes()).await?;
            let answer = stream.line(256).await?.ok_or("no answer")?;
            println!("{name}: {}", String::from_utf8_lossy(&answer));
        }
        let mut text = String::new();
        File::from(stream.take_descriptor().ok_or("nothing was passed")?).read_to_string(&mut text)?;
        println!("it begins with {}", text.lines().next().unwrap_or_default());
        stream.close().await
    })
}

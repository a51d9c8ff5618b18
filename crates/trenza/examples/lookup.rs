//! Asks name servers: `cargo run -p trenza --example lookup`, with a name and a type behind `--`.

use trenza::dns::{Config, RecordType, Resolver, server_address};
use trenza::prelude::*;

fn main() -> Result {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "localhost".into());
    let record_type = arguments.next();
    let server = arguments.next();
    block_on(async move |reactor| {
        let resolver = match server {
            Some(server) => Resolver::new(&reactor, Config::asking([server_address(&server)?])),
            None => Resolver::system(&reactor).await?,
        };
        match record_type {
            Some(record_type) => {
                let answer = resolver.lookup(&name, record_type.parse::<RecordType>()?).await?;
                answer.aliases.iter().for_each(|alias| println!("{alias} is an alias"));
                answer.records.iter().for_each(|record| println!("{record}"));
            }
            None => resolver.addresses(&name).await?.iter().for_each(|address| println!("{address}")),
        }
        Ok(())
    })
}

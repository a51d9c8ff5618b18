//! Sends a message in one call: `cargo run -p trenza --example send_mail`
//! sends to ann@example.org by the example `smtp_server`; other servers and addresses can be named behind `--`:
//! `tcp:mail.example.org:25 me@example.com ann@example.org bob@example.org`.

use std::env;
use trenza::{
    mail::smtp::client::{ClientOptions, send_mail},
    prelude::*,
};

fn main() -> Result {
    let mut arguments = env::args().skip(1);
    let server = arguments.next().unwrap_or_else(|| "tcp:localhost:2525".into());
    let from = arguments.next().unwrap_or_else(|| "me@example.com".into());
    let mut to: Vec<String> = arguments.collect();
    if to.is_empty() {
        to.push("ann@example.org".into());
    }
    let text = format!("From: {from}\nTo: {}\nSubject: hello\n\nHello!\n", to.join(", "));
    block_on(async move |_: Reactor| {
        let refused = send_mail(&server, ClientOptions::new(), &from, &to, text.as_bytes()).await?;
        for (who, error) in &refused {
            println!("not to {who}: {error}");
        }
        println!("sent to {} of {}", to.len() - refused.len(), to.len());
        Ok(())
    })
}

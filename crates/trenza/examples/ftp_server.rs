//! Serves the current folder, or the one that is named, by FTP: `cargo run -p trenza --example ftp_server`, then
//! `lftp -u ann,secret ftp://127.0.0.1:2121`. With a PEM file behind it (`-- tcp:2121 . tls.pem`) over TLS, too.

use std::env;
use trenza::{
    auth::{Account, Anonymous, Chain, Memory, Portal},
    ftp::{FtpServer, Homes, Transfer},
    prelude::*,
    tls::{Identity, ServerTls},
};

fn main() -> Result {
    let mut arguments = env::args().skip(1);
    let on = arguments.next().unwrap_or_else(|| "tcp:2121:interface=127.0.0.1".into());
    let root = arguments.next().unwrap_or_else(|| ".".into());
    let users = Memory::new().with(Account::new("ann"), "secret");
    let portal = Portal::new("ftp", Chain::new().with(users).with(Anonymous::new()), Homes::of_folder(root));
    let mut server = FtpServer::new(portal).log(|transfer: &Transfer| eprintln!("{}", transfer.text()));
    if let Some(pem) = arguments.next() {
        server = server.tls(ServerTls::new(Identity::from_pem(std::fs::read(pem)?.as_slice())?).build()?);
    }
    run(|reactor| {
        let port = reactor.listen_with(&on, server.factory())?;
        println!("listening on {}", port.addr());
        Ok(())
    })
}

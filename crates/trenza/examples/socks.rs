//! A SOCKS proxy with a user and a rule: `cargo run -p trenza --example socks`, then
//! `curl --proxy socks5h://ann:secret@127.0.0.1:7028 http://example.org/`.

use trenza::{
    prelude::*,
    proxy::{Rules, SocksServer, Users},
};

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7028:interface=127.0.0.1".into());
    run(|reactor| {
        let mut users = Users::new();
        users.add("ann", "secret")?;
        // Mail goes by servers that know who sends it.
        let rules = Rules::new().deny("*:25".parse()?);
        let proxy = SocksServer::new().users(users).rules(rules);
        let port = reactor.listen_with(&on, proxy)?;
        println!("listening on {}", port.addr());
        Ok(())
    })
}

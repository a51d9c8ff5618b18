//! Logs people in: `cargo run -p trenza --example login`, then `nc -C 127.0.0.1 7090` and `ann secret`.
//! With an endpoint and the `users.toml` of `trenza user` behind it (`-- tcp:7090 users.toml`) these are the people.

use std::{env, sync::Arc};
use trenza::{
    auth::{Account, Accounts, AccountsFile, Checker, Credentials, Denied, Memory, Portal, Rights, Throttle},
    prelude::*,
};

async fn welcome(portal: Portal, mut stream: Stream) -> Result {
    let transport = stream.transport().clone();
    while let Some(line) = stream.line(512).await? {
        let line = String::from_utf8_lossy(&line).into_owned();
        let (name, password) = line.split_once(' ').unwrap_or((&line, ""));
        let credentials = Credentials::password(name, password);
        let answer = match portal.login(transport.reactor(), credentials, &transport.peer()).await {
            Ok(account) => format!("welcome {}, you may {}\r\n", account.name, account.rights),
            Err(error) => format!("{}\r\n", Denied::of(&error)),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
    stream.close().await
}

fn main() -> Result {
    let on = env::args().nth(1).unwrap_or_else(|| "tcp:7090:interface=127.0.0.1".into());
    let users: Arc<dyn Checker> = match env::args().nth(2) {
        Some(file) => Arc::new(AccountsFile::toml(file)?),
        None => Arc::new(Memory::new().with(Account::new("ann").rights(Rights::READ_ONLY), "secret")),
    };
    let portal = Portal::shared("login", users, Throttle::new(), Accounts);
    run(|reactor| {
        let port = reactor.serve(&on, move |stream| welcome(portal.clone(), stream))?;
        println!("listening on {}", port.addr());
        Ok(())
    })
}

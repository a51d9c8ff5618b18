//! Receives mail for ann@example.org into a Maildir in the current folder, or the one that is named:
//! `cargo run -p trenza --example smtp_server`, then
//! `curl smtp://127.0.0.1:2525 --mail-from me@example.com --mail-rcpt ann@example.org -T FILE`.

use std::env;
use trenza::{
    mail::{
        maildir::Maildirs,
        smtp::{Code, Reply, SmtpServer, Status},
    },
    prelude::*,
    storage::{Folder, Path, Storage},
};

fn main() -> Result {
    let mut arguments = env::args().skip(1);
    let on = arguments.next().unwrap_or_else(|| "tcp:2525:interface=127.0.0.1".into());
    let folder = Folder::new(arguments.next().unwrap_or_else(|| ".".into()))?;
    let ann = Path::new("ann")?;
    run(|reactor| {
        let storage = Storage::new(reactor, folder);
        let maildirs = Maildirs::new(&storage, "localhost", move |_, to| match to.mailbox() {
            Some(mailbox) if mailbox.local() == "ann" => Ok(ann.clone()),
            _ => Err(Reply::new(Code::REFUSED, Status::NO_MAILBOX, "No such user here")),
        });
        let server = SmtpServer::reception("localhost", ["example.org"]);
        let port = reactor.listen_with(&on, server.on(maildirs))?;
        println!("listening on {}", port.addr());
        Ok(())
    })
}

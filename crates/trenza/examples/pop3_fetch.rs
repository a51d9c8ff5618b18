//! Moves all messages of a mailbox into files in the current folder, each called by its unique id:
//! `cargo run -p trenza --example pop3_fetch` with an endpoint, like `tls:pop.example.org:995`, a name and a password.

use std::env;
use trenza::{
    mail::pop3::client::{Client, ClientOptions},
    prelude::*,
    storage::{Folder, Path, Storage, Write},
};

fn main() -> Result {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [from, name, password] = &arguments[..] else {
        return Err("pop3_fetch ENDPOINT NAME PASSWORD".into());
    };
    let options = ClientOptions::new().login(name, password.as_str()).allow_plain_auth(true);
    let (from, folder) = (from.clone(), Folder::new(".")?);
    block_on(async move |reactor| {
        let storage = Storage::new(&reactor, folder);
        let mut client = Client::connect(&from, options).await?;
        for (number, uid) in client.uids().await? {
            let upload = storage.upload(&Path::new(format!("{uid}.eml"))?, Write::Replace).await?;
            let fetched = client.retrieve(number, async |piece| {
                upload.push(&piece);
                if upload.is_full() { upload.room().await } else { Ok(()) }
            });
            fetched.await?;
            println!("{uid}: {} bytes", upload.finish(true).await?.size);
            client.delete(number).await?;
        }
        Ok(client.quit().await?)
    })
}

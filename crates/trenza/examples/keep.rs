//! Keeps what is sent to it as files of a folder, which are whole or not there, and says so when a loss of power cannot
//! take them any more: `cargo run -p trenza --example keep`, then `nc -N 127.0.0.1 7006 < FILE`.

use std::{cell::Cell, rc::Rc};
use trenza::{
    prelude::*,
    storage::{Error, ErrorKind, Folder, Path, Storage, Write},
};

/// The next name that is free, counting from the last one.
async fn keep(storage: Storage, last: Rc<Cell<u64>>, mut stream: Stream) -> Result {
    let (name, upload) = loop {
        last.set(last.get() + 1);
        let name = Path::new(format!("kept-{}", last.get()))?;
        match storage.upload(&name, Write::Create).await.map_err(Error::from) {
            Ok(upload) => break (name, upload),
            Err(error) if error.kind() == ErrorKind::Exists => {}
            Err(error) => return Err(error.into()),
        }
    };
    while let Some(piece) = stream.read().await? {
        upload.push(&piece);
        upload.room().await?; // the sender is not read meanwhile
    }
    let kept = upload.finish(true).await?;
    stream.write_all(format!("{} bytes in {name}\n", kept.size).as_bytes()).await?;
    stream.close().await
}

fn main() -> Result {
    let mut args = std::env::args().skip(1);
    let on = args.next().unwrap_or_else(|| "tcp:7006:interface=127.0.0.1".into());
    let folder = Folder::new(args.next().unwrap_or_else(|| ".".into()))?;
    run(|reactor| {
        let (storage, last) = (Storage::new(reactor, folder), Rc::new(Cell::new(0)));
        let port = reactor.serve(&on, move |stream| keep(storage.clone(), last.clone(), stream))?;
        println!("listening on {}", port.addr());
        Ok(())
    })
}

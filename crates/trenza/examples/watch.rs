//! Standard input read by other code than ours, told when there is something: `cargo run -p trenza --example watch`.

use std::{future::pending, io::Read};
use trenza::{driver::Interest, prelude::*};

fn main() -> Result {
    run(|reactor| {
        let stop = reactor.clone();
        let watch = reactor.watch(std::io::stdin(), Interest::READ, move |_| {
            let mut data = [0; 1024];
            match std::io::stdin().read(&mut data) {
                Ok(n) if n > 0 => {
                    let read = data.get(..n).unwrap_or_default();
                    print!("{}", String::from_utf8_lossy(read).to_uppercase());
                }
                _ => stop.stop(),
            }
        })?;
        // It ends with the loop.
        let keep = async move {
            pending::<()>().await;
            drop(watch);
            Ok(())
        };
        reactor.spawn(keep).detach();
        Ok(())
    })
}

//! A protocol of one's own and the web in one process, over the same state: `cargo run -p trenza --example both`, then
//! `echo hello | nc 127.0.0.1 7010` and `curl http://127.0.0.1:8083/`.

use http::Response;
use std::{cell::RefCell, rc::Rc};
use trenza::{
    prelude::*,
    web::{Body, Server},
};

/// The last line that anybody has sent.
#[derive(Clone, Default)]
struct Board(Rc<RefCell<String>>);

impl Protocol for Board {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line_lf(512)? {
            *self.0.borrow_mut() = format!("{}\n", String::from_utf8_lossy(line));
            transport.write(b"noted\n");
        }
        Ok(())
    }
}

fn main() -> Result {
    let mut args = std::env::args().skip(1);
    let on = args.next().unwrap_or_else(|| "tcp:7010:interface=127.0.0.1".into());
    let web = args.next().unwrap_or_else(|| "tcp:8083:interface=127.0.0.1".into());
    run(|reactor| {
        let board = Board::default();
        let shown = board.clone();
        let server = Server::new(move |_| Response::new(Body::from(shown.0.borrow().clone())));
        println!("listening on {}", reactor.listen(&on, move |_| board.clone())?.addr());
        println!("listening on http://{}/", reactor.listen_with(&web, server)?.addr());
        Ok(())
    })
}

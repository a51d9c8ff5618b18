//! A chat room, where one connection's callback writes to all others: `cargo run -p trenza --example chat`, then
//! `nc 127.0.0.1 7001` in two terminals.

use std::{cell::RefCell, rc::Rc};
use trenza::prelude::*;

#[derive(Clone, Default)]
struct Room(Rc<RefCell<Vec<Transport>>>);

impl Protocol for Room {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.0.borrow_mut().push(transport.clone());
        writeln!(transport, "there are {} of us", self.0.borrow().len())
    }
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line_lf(512)? {
            let said = format!("{}: {}\n", transport.peer().remote, String::from_utf8_lossy(line));
            // Who reads too slowly misses some.
            let room = self.0.borrow();
            let others = room.iter().filter(|member| *member != transport && !member.is_full());
            others.for_each(|member| member.write(said.as_bytes()));
        }
        Ok(())
    }
    fn connection_lost(&mut self, transport: &Transport, _: &Reason) {
        self.0.borrow_mut().retain(|member| member != transport);
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7001:interface=127.0.0.1".into());
    let room = Room::default();
    run(|reactor| {
        println!("listening on {}", reactor.listen(&on, move |_| room.clone())?.addr());
        Ok(())
    })
}

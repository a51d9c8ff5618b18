//! One loop a core, which tell each other what is said: `cargo run -p trenza --example cores`, then `nc 127.0.0.1 7042`, often.
use std::cell::RefCell;
use trenza::{cores, prelude::*};

thread_local! {
    static HERE: RefCell<Vec<Transport>> = const { RefCell::new(Vec::new()) };
}

struct Talk;

impl Protocol for Talk {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(format!("loop {}\n", transport.reactor().loop_index()).as_bytes());
        HERE.with(|here| here.borrow_mut().push(transport.clone()));
        Ok(())
    }
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line_lf(1000)? {
            let line = [line, b"\n"].concat();
            for other in &*transport.reactor().loops() {
                let line = line.clone();
                other.call(move |_| HERE.with(|here| here.borrow().iter().for_each(|to| to.write(&line))));
            }
        }
        Ok(())
    }
    fn connection_lost(&mut self, transport: &Transport, _: &Reason) {
        HERE.with(|here| here.borrow_mut().retain(|other| other.id() != transport.id()));
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "tcp:7042:interface=127.0.0.1".into());
    cores(0, |reactor| {
        let port = reactor.listen(&on, |_| Talk)?;
        (reactor.loop_index() == 0).then(|| println!("listening on {}", port.addr()));
        Ok(())
    })
}

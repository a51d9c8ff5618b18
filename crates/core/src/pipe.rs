//! [`join`]: two connections that pass on to each other what comes.

use crate::{Input, Protocol, Result, Transport};

/// One of them: what comes goes to the other one.
struct Pipe(Transport);

impl Protocol for Pipe {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.write(input.rest());
        Ok(())
    }

    fn eof_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        self.0.close_write();
        Ok(())
    }
}

/// Joins two connections. Whoever ends takes the other one along, also when it ends before it has changed over.
pub(crate) fn join(near: &Transport, far: &Transport) {
    for (one, other) in [(near, far), (far, near)] {
        one.throttle(other);
        one.switch_to(Pipe(other.clone()));
        let other = other.clone();
        one.ended().then(move |end| match end {
            Ok(reason) if reason.is_clean() => other.close(),
            _ => other.abort(),
        });
    }
}

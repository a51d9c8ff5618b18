//! The flush: what a connection has to send goes to the driver, and its end is brought about.
//!
//! ```text
//!         close_write()            all has left            the peer's end was told
//!  open ───────────────▶ half ─────────────────▶ FIN sent ─────────────────────────▶ gone: Closed
//!    │                     │ close()                │ close()       │ by a layer only
//!    │ close()             ▼       all has left     ▼               │
//!    └────────────────▶ draining ─────────────▶ lingering ◀─────────┘
//!                          │ all has left and the   │ the peer's FIN or reset,
//!                          │ peer's FIN was seen,   │ or the time is over
//!                          ▼ or linger is zero      ▼
//!                         gone ◀────────────────────┘    with the stored reason
//!
//!  from anywhere: abort, error, panic, limit, reset, a time that is over ──▶ condemned ──▶ gone
//! ```
//!
//! | state | flags | ends at the latest by |
//! |---|---|---|
//! | layers not ready | not `TOLD` | the handshake time |
//! | open, half, FIN sent | `HALF`, `ENDED`, `FIN_SENT` | the protocol's idle time and deadline, if it has set them |
//! | draining | `CLOSING` | the drain time without progress; the deadline |
//! | lingering | `LINGERING`, with `LINGER_FULL` not read | the linger time |
//! | condemned | `CONDEMNED` | the next piece of work ([`Turn::finish`](crate::lost)) |

use crate::{
    Reason, Timeout, Transport,
    connection::Waiter,
    driver::{Close, Driver, PoolFull},
    engine::command::Command,
    engine::edge::hand_over,
    engine::entry::Entry,
    engine::stack::Stack,
    engine::turn::Turn,
    flags::Flags,
};
use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, sync::Arc, time::Duration};
use trenza_wire::{Chunk, OutBuf};

/// How long a piece of a file waits before it is tried again, when the thread pool was full.
const PIECE_PAUSE: Duration = Duration::from_millis(10);

impl Turn {
    pub(crate) fn flush(&mut self, driver: &mut dyn Driver, transport: &Transport) {
        let flags = &transport.0.flags;
        flags.clear(Flags::DIRTY);
        if flags.any(Flags::CONDEMNED | Flags::LOST) {
            return;
        }
        let token = transport.0.token;
        let Some(entry) = self.entry(token) else { return };
        entry.open_files();
        // What is there at once is encoded together, so that a head shares its record with a small file.
        while let Some(Chunk::File(file, range)) = entry.feed() {
            match transport.reactor().0.host.read_cached(&file, &range) {
                Some(data) => drop(entry.with_stack(|stack| stack.piece(data))),
                None => {
                    read_piece(transport, file, range);
                    break;
                }
            }
        }
        entry.encode();
        // A layer may have become ready by what it had to say.
        self.build_if_ready(token);
        let Some(entry) = self.entry(token) else { return };
        entry.end_layers_with_the_last_bytes();
        entry.send(driver);
        entry.go_on_with_file();
        entry.tell_progress();
        if transport.0.unsent() == 0 {
            entry.end(driver);
        }
        entry.look_at_input();
        entry.follow_reading(driver);
    }

    /// A connection's timer fired: something is due, or bytes have moved since it was armed.
    pub(crate) fn expired(&mut self, driver: &mut dyn Driver, transport: &Transport) {
        let connection = &transport.0;
        let now = connection.reactor.0.now();
        let Some(due) = connection.due() else { return };
        if connection.flags.any(Flags::CONDEMNED | Flags::LOST) {
            return;
        }
        if due > now {
            return transport.arm();
        }
        let times = connection.times();
        if connection.flags.any(Flags::LINGERING) {
            return transport.end_gracefully();
        }
        if times.phase.is_some_and(|phase| phase <= now) {
            return transport.condemn(Reason::TimedOut(Timeout::Handshake));
        }
        let taken = takes_still(driver, transport);
        let which = if times.deadline.is_some_and(|deadline| deadline <= now) {
            connection.change_times(|times| times.deadline = None);
            Timeout::Deadline
        } else if taken || connection.flags.any(Flags::HELD_IN | Flags::HELD_OUT) {
            // Or a rate holds it up: that is no fault of the peer's.
            connection.touch();
            return transport.arm();
        } else if connection.flags.any(Flags::CLOSING) {
            return transport.condemn(Reason::TimedOut(Timeout::Drain));
        } else {
            connection.touch();
            Timeout::Idle
        };
        transport.arm();
        if let Some(entry) = self.entry(connection.token) {
            if entry.protocol.is_none() {
                return transport.condemn(Reason::TimedOut(which));
            }
            entry.call(|protocol, transport| protocol.timed_out(transport, which));
        }
    }
}

impl Entry {
    /// Hands bytes to the driver. What is dropped on the way may be the user's, so no cell is borrowed meanwhile.
    /// A panic of its drop has torn the stream, so it costs the connection.
    fn send(&mut self, driver: &mut dyn Driver) {
        let connection = self.transport.0.clone();
        let before = connection.unsent();
        connection.reactor.0.running.set(Some(connection.token));
        if connection.flags.any(Flags::FIN_SENT) {
            // Layers may still answer what they hear, but nothing follows our end.
            let late = self.with_stack(|stack| stack.wire.take_queued());
            let rest = connection.out.borrow_mut().take_queued();
            self.charge(|| drop((late, rest)));
        } else if let Some(stack) = self.stack.as_deref_mut() {
            if stack.wire.queued() > 0 {
                let (held, len) = (stack.unsent(), stack.wire.len());
                let files = if connection.below_files() > 0 { stack.files() } else { 0 };
                hand_over(self.edge.as_deref_mut(), &self.transport, driver, &mut stack.wire);
                let below = connection.below.get() + stack.unsent();
                connection.below.set(below.saturating_sub(held));
                stack.sent += (len - stack.wire.len()) as u64;
                if files > 0 {
                    connection.less_files(files - stack.files());
                }
            }
        } else if connection.out.borrow().queued() > 0 {
            self.send_plain(driver);
        }
        self.show_sent();
        connection.reactor.0.running.set(None);
        let moved = connection.unsent() < before;
        if moved {
            connection.touch();
        }
        self.look_at_system(driver, moved);
    }

    /// Hands bytes to the driver that no layer has to see.
    fn send_plain(&mut self, driver: &mut dyn Driver) {
        let connection = &self.transport.0;
        if self.edge.is_none() && connection.out.borrow().is_own() {
            return driver.send(connection.token, &mut connection.out.borrow_mut());
        }
        let mut out = connection.out.take();
        hand_over(self.edge.as_deref_mut(), &self.transport, driver, &mut out);
        let mut meanwhile = connection.out.replace(out);
        connection.out.borrow_mut().append(&mut meanwhile);
    }

    /// Notes what the system holds, where it may come to matter whether the peer takes any of it.
    fn look_at_system(&self, driver: &mut dyn Driver, moved: bool) {
        let connection = &self.transport.0;
        let held = match connection.unsent() > 0 && connection.is_timed() {
            true if moved || connection.held().is_none() => Some(driver.held(connection.token)),
            false if moved => None,
            _ => return,
        };
        if held.is_some() || connection.extra.borrow().is_some() {
            connection.with_extra(|extra| extra.held = held);
        }
    }

    /// Tells those who wait for room or for bytes to leave.
    fn tell_progress(&self) {
        let connection = &self.transport.0;
        let unsent = connection.unsent();
        if connection.flags.any(Flags::FULL) && unsent <= connection.limits.borrow().low {
            connection.flags.clear(Flags::FULL);
            self.transport.hold_back_sources(false);
            connection.reactor.0.command(Command::Writable(self.transport.clone()));
        }
        let fired: Vec<_> = match &mut *connection.extra.borrow_mut() {
            Some(extra) if !extra.flushed.is_empty() => {
                extra.flushed.extract_if(.., |waiter| self.has_left(waiter, unsent)).collect()
            }
            _ => return,
        };
        fired.into_iter().for_each(|waiter| waiter.resolver.fire(Ok(())));
    }

    /// Have the bytes that somebody waits for left? Layers may make more or less of them: then it counts where they end
    /// on the wire.
    fn has_left(&self, waiter: &mut Waiter, unsent: usize) -> bool {
        let written = self.transport.0.written.get();
        let Some(stack) = &self.stack else {
            return waiter.written <= written.saturating_sub(unsent as u64);
        };
        let above = unsent.saturating_sub(stack.wire.len()) as u64;
        if waiter.wire.is_none() && waiter.written <= written.saturating_sub(above) {
            waiter.wire = stack.encoded();
        }
        waiter.wire.is_some_and(|end| end <= stack.sent)
    }

    /// The layers are gone: what is behind the bytes that somebody waits for is as long as it will be.
    pub(crate) fn leave_wire(&self, stack: &Stack) {
        let connection = &self.transport.0;
        let Some(extra) = &mut *connection.extra.borrow_mut() else { return };
        let (end, written) = (stack.sent + stack.wire.len() as u64, connection.written.get());
        let above = connection.unsent().saturating_sub(stack.wire.len()) as u64;
        for waiter in &mut extra.flushed {
            let encoded = waiter.written <= written.saturating_sub(above);
            if let Some(at) = waiter.wire.take().or_else(|| encoded.then_some(end)) {
                waiter.written = written.saturating_sub(above + end.saturating_sub(at));
            }
        }
    }

    /// When all was encoded, what layers have to say at the end leaves in the same call.
    fn end_layers_with_the_last_bytes(&mut self) {
        let connection = self.transport.0.clone();
        let ends = connection.flags.any(Flags::CLOSING | Flags::HALF) && !connection.flags.any(Flags::ENDED);
        let encoded = |stack: &Stack| stack.is_encoded() && connection.out.borrow().is_empty();
        if ends && self.stack.as_deref().is_some_and(encoded) {
            self.end_layers();
        }
    }

    /// Everything has left: goes on with closing.
    fn end(&mut self, driver: &mut dyn Driver) {
        let connection = self.transport.0.clone();
        let flags = &connection.flags;
        if !flags.any(Flags::CLOSING | Flags::HALF) {
            return;
        }
        if !flags.any(Flags::ENDED) {
            if !self.end_layers() {
                return;
            }
            self.send(driver);
            if connection.unsent() > 0 {
                return;
            }
        }
        let eof = flags.any(Flags::EOF_SEEN);
        let lingers = !flags.any(Flags::UNLINGERING) && !connection.limits.borrow().linger.is_zero();
        if flags.any(Flags::CLOSING) && (eof || !lingers) {
            return self.transport.end_gracefully();
        }
        if !flags.any(Flags::FIN_SENT) {
            flags.set(Flags::FIN_SENT);
            driver.close(connection.token, Close::Write);
        }
        if flags.any(Flags::CLOSING) {
            self.linger();
        } else if flags.any(Flags::EOF_TOLD) && !self.will_read_more() {
            self.transport.blame(Reason::Closed);
            if eof {
                self.transport.end_gracefully();
            } else {
                // A layer has told of the end: the wire's own is waited for no longer than after any close.
                self.transport.close();
            }
        }
    }

    /// Somebody may still take what was left unread.
    fn will_read_more(&self) -> bool {
        let connection = &self.transport.0;
        connection.unread_len.get() > 0 && connection.flags.any(Flags::STREAM | Flags::PAUSED)
    }

    fn linger(&self) {
        let connection = &self.transport.0;
        if !connection.flags.any(Flags::LINGERING) {
            connection.flags.set(Flags::LINGERING);
            let until = connection.reactor.0.after(connection.limits.borrow().linger);
            connection.change_times(|times| times.phase = Some(until));
            self.transport.arm();
        }
    }

    fn follow_reading(&self, driver: &mut dyn Driver) {
        let connection = &self.transport.0;
        let (wants, reads) = (connection.wants_read(), connection.flags.any(Flags::READING));
        if wants != reads {
            if wants {
                connection.flags.set(Flags::READING)
            } else {
                connection.flags.clear(Flags::READING)
            }
            driver.read(connection.token, wants);
        }
    }
}

impl Transport {
    /// Ends with the stored reason; the driver closes without a reset.
    pub(crate) fn end_gracefully(&self) {
        let reason = self.0.with_extra(|extra| extra.reason.take()).unwrap_or(Reason::Closed);
        self.0.flags.set(Flags::GRACEFUL);
        self.condemn(reason);
    }
}

/// Whether the peer has taken bytes from the system since the loop last looked. Who was not looked at before gets the
/// benefit of the doubt.
fn takes_still(driver: &mut dyn Driver, transport: &Transport) -> bool {
    let held = driver.held(transport.0.token);
    match transport.0.with_extra(|extra| extra.held.replace(held)) {
        Some(before) => held < before,
        None => held > 0,
    }
}

/// Has a piece of a file read on the pool; it comes back as a command. While the pool is full the piece waits: that
/// others keep the threads busy is no fault of the connection's.
fn read_piece(transport: &Transport, file: Arc<File>, range: Range<u64>) {
    let (back, source, part) = (transport.clone(), file.clone(), range.clone());
    let read = transport.reactor().in_thread(move || Ok(read_at(&source, part)?));
    read.then(move |data| match data {
        Err(error) if error.is::<PoolFull>() => back.clone().spawn(async move {
            back.reactor().sleep(PIECE_PAUSE).await;
            read_piece(&back, file, range);
            Ok(())
        }),
        data => {
            let data = data.map_err(|error| match error.downcast::<io::Error>() {
                Ok(error) => *error,
                Err(error) => io::Error::other(error),
            });
            back.reactor().clone().0.command(Command::Piece(back, data));
        }
    });
}

fn read_at(file: &Arc<File>, range: Range<u64>) -> io::Result<Vec<u8>> {
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut data = vec![0; len];
    file.read_exact_at(&mut data, range.start)?;
    Ok(data)
}

/// The bytes of a connection that has ended, for the caller to drop.
pub(crate) fn leftovers(transport: &Transport) -> (OutBuf, Vec<u8>) {
    transport.0.unread_len.set(0);
    transport.0.below.set(0);
    transport.0.less_files(usize::MAX);
    (transport.0.out.take(), transport.0.unread.take())
}

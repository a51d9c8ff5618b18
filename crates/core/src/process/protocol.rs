//! [`ProcessProtocol`]: what hears of a child process.

use crate::{ExitStatus, Process, Reason, Result, Timeout};
use std::any::Any;
use trenza_wire::Input;

/// What hears of one child process. Only [`received`](ProcessProtocol::received) is required.
///
/// The loop owns it and calls it with `&mut self`, as it does with a [`Protocol`](crate::Protocol). `which` is always the
/// descriptor as the child knows it. An `Err` from any callback, a panic or a limit that is exceeded ends the child
/// with SIGKILL and closes its pipes; then `ended` follows and nothing else.
///
/// ```text
///  spawn_process ─▶ started ─▶ received* eof_received? ─▶ pipe_closed   for each pipe
///                              writable* timed_out* stopping?             ├─▶ ended
///                              exited ────────────────────────────────────┘
/// ```
///
/// `exited` may come before the last output, and before or after any `pipe_closed`: what a child has started may hold its
/// pipes open when it is gone, and a child may close its pipes and live.
pub trait ProcessProtocol: Any {
    /// It runs, and its pipes are there.
    ///
    /// # Errors
    /// Ends the child.
    fn started(&mut self, _process: &Process) -> Result {
        Ok(())
    }

    /// It has written something, or unread bytes are offered again. What is not taken from `input` is kept and
    /// offered when more comes, and at the end.
    ///
    /// # Errors
    /// Ends the child.
    fn received(&mut self, process: &Process, which: u32, input: &mut Input<'_>) -> Result;

    /// It writes no more there; `input` is what was left unread. The pipe is closed then.
    ///
    /// # Errors
    /// Ends the child.
    fn eof_received(&mut self, _process: &Process, _which: u32, _input: &mut Input<'_>) -> Result {
        Ok(())
    }

    /// A pipe is gone. `reason` is [`Reason::PeerClosed`] when its other side has closed it after all was said,
    /// [`Reason::Closed`] after [`Process::close`], and [`Reason::Io`] with `BrokenPipe` when the child reads no more; what
    /// was not sent is lost then.
    ///
    /// # Errors
    /// Ends the child.
    fn pipe_closed(&mut self, _process: &Process, _which: u32, _reason: &Reason) -> Result {
        Ok(())
    }

    /// What waits to be written there went from full to low.
    ///
    /// # Errors
    /// Ends the child.
    fn writable(&mut self, _process: &Process, _which: u32) -> Result {
        Ok(())
    }

    /// [`Process::set_timeout`] or [`Process::set_deadline`] ran out. Default: ends the child.
    ///
    /// # Errors
    /// Ends the child.
    fn timed_out(&mut self, process: &Process, which: Timeout) -> Result {
        process.fail(Reason::TimedOut(which));
        Ok(())
    }

    /// The reactor is stopping: what is not done when its grace is over is ended. Default: [`Process::terminate`].
    ///
    /// # Errors
    /// Ends the child.
    fn stopping(&mut self, process: &Process) -> Result {
        process.terminate();
        Ok(())
    }

    /// It has exited, once. Its pipes may be open still.
    ///
    /// # Errors
    /// Closes the pipes.
    fn exited(&mut self, _process: &Process, _status: ExitStatus) -> Result {
        Ok(())
    }

    /// It has exited, and all pipes are closed: exactly once, last, also after an error or a panic, and
    /// where it was ended before it was told that it runs. [`Process::status`] is None only where the loop itself ends first.
    fn ended(&mut self, _process: &Process, _reason: &Reason) {}

    /// A protocol that wraps another shows it here, so that [`Handle`](crate::Handle)s reach it.
    fn inner(&mut self) -> Option<&mut dyn ProcessProtocol> {
        None
    }
}

/// Finds the protocol of type `P` in `protocol` or in what it wraps.
pub(crate) fn find<P: ProcessProtocol>(protocol: &mut dyn ProcessProtocol) -> Option<&mut P> {
    if (&*protocol as &dyn Any).is::<P>() {
        return (protocol as &mut dyn Any).downcast_mut();
    }
    find(protocol.inner()?)
}

//! [`Rests`]: sockets that the system had no memory for, until it is worth another try.

use rustix::io::Errno;
use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};
use trenza_core::driver::Token;

/// How long a socket rests. The system tells nobody when it has memory again, and a socket without it still reports
/// that it is ready: to ask at once would take all of the processor, which is what does not help then.
pub(crate) const REST: Duration = Duration::from_millis(10);

/// True when a call has failed only for want of memory, and did nothing: later it may succeed.
pub(crate) fn is_short_of_memory(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOBUFS | Errno::NOMEM))
}

/// Who rests, and until when, the first first. Those that were closed meanwhile stay until their time is over.
#[derive(Debug, Default)]
pub(crate) struct Rests(VecDeque<(Instant, Token)>);

impl Rests {
    /// Lets one rest from now on.
    pub(crate) fn add(&mut self, token: Token, now: Instant) {
        self.0.push_back((now + REST, token));
    }

    /// When the first rest is over.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.0.front().map(|(until, _)| *until)
    }

    /// One whose rest is over.
    pub(crate) fn over(&mut self, now: Instant) -> Option<Token> {
        self.0.pop_front_if(|(until, _)| *until <= now).map(|(_, token)| token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_end_in_order_and_in_time() {
        let start = Instant::now();
        let token = |index| Token { index, generation: 0 };
        let mut rests = Rests::default();
        assert_eq!((rests.until(), rests.over(start)), (None, None));
        rests.add(token(1), start);
        rests.add(token(2), start + REST / 2);
        assert_eq!((rests.until(), rests.over(start)), (Some(start + REST), None));
        assert_eq!(rests.over(start + REST), Some(token(1)));
        assert_eq!(rests.over(start + REST), None);
        assert_eq!(rests.over(start + REST * 2), Some(token(2)));
        assert_eq!(rests.until(), None);
    }

    #[test]
    fn only_a_lack_of_memory_is_worth_a_rest() {
        let short = |errno: Errno| is_short_of_memory(&errno.into());
        assert!(short(Errno::NOBUFS) && short(Errno::NOMEM));
        assert!(!short(Errno::CONNRESET) && !short(Errno::PIPE) && !short(Errno::MFILE));
        assert!(!is_short_of_memory(&io::ErrorKind::UnexpectedEof.into()));
    }
}

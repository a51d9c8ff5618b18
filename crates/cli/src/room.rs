//! [`Room`]: how many connections there may be with the descriptors that there are.

use crate::terminal::warn;
use std::num::NonZeroUsize;
use trenza::Reactor;

/// Connections at once, where nobody asks for another number.
const CONNECTIONS: usize = 10_000;
/// Descriptors that the program itself needs.
const DESCRIPTORS: u64 = 32;
/// What each loop needs beside the first one: its poller or ring, its waker, a listener for each port.
const LOOP: u64 = 16;

/// How many, from the command line.
pub(crate) fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a number above 0 is wanted".into())
}

/// How a service spends descriptors. All must not go to clients, or nothing could be opened for them, and whoever comes
/// in would get nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// How many there are.
    pub(crate) descriptors: u64,
    /// How many are left for files and the like; never more than a quarter.
    pub(crate) reserved: u64,
    /// How many a client takes.
    pub(crate) each: u64,
}

impl Room {
    /// How many clients there may be at once when `asked` are wished for. The first of several loops warns if these are
    /// too many.
    pub(crate) fn clients(self, asked: Option<NonZeroUsize>, reactor: &Reactor) -> usize {
        let loops = reactor.loops().len() as u64;
        let own = Self { descriptors: self.descriptors.saturating_sub((loops - 1) * LOOP), ..self };
        let room = own.limit(asked);
        if let Some(wished) = asked.map(NonZeroUsize::get)
            && room < wished
            && reactor.loop_index() == 0
        {
            let descriptors = self.descriptors;
            warn(&format!("{room} connections at once instead of {wished}: {descriptors} files may be open"));
        }
        room
    }

    fn limit(self, asked: Option<NonZeroUsize>) -> usize {
        let reserved = DESCRIPTORS.saturating_add(self.reserved.min(self.descriptors / 4));
        let room = (self.descriptors.saturating_sub(reserved) / self.each.max(1)).max(1);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        asked.map_or(CONNECTIONS, NonZeroUsize::get).min(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_takes_what_it_needs() {
        let room = |descriptors, each, asked| {
            Room { descriptors, reserved: 200, each }.limit(NonZeroUsize::new(asked))
        };
        assert_eq!(room(u64::MAX, 1, 0), CONNECTIONS);
        assert_eq!((room(100, 1, 200), room(100, 2, 200), room(100, 2, 5)), (43, 21, 5));
        assert_eq!(room(0, 2, 0), 1);
    }
}

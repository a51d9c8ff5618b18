//! [`Flags`]: the state of a connection in one word.

use std::cell::Cell;

/// A set of bits that handles and the loop share.
#[derive(Debug, Default)]
pub(crate) struct Flags(Cell<u32>);

macro_rules! flags {
    ($($(#[doc = $doc:literal])* $name:ident = $bit:literal;)*) => {
        impl Flags { $($(#[doc = $doc])* pub(crate) const $name: u32 = 1 << $bit;)* }
    };
}

flags! {
    /// Waits in the queue of connections to flush.
    DIRTY = 0;
    /// `connection_made` was called, so `connection_lost` must be.
    TOLD = 1;
    /// `close` was called: nothing more is written or offered.
    CLOSING = 2;
    /// `close_write` was called: nothing more is written.
    HALF = 3;
    /// It will end with a stored reason; nothing more is done for it.
    CONDEMNED = 4;
    /// It has ended; the token is not ours any more.
    LOST = 5;
    /// Its layers were told of the end of our side.
    ENDED = 6;
    /// The driver has sent FIN.
    FIN_SENT = 7;
    /// Everything was sent; the peer's bytes are discarded until its FIN.
    LINGERING = 8;
    /// The peer's FIN came.
    EOF_SEEN = 9;
    /// The protocol's stream has ended: the peer's FIN, or a layer said so.
    EOF = 10;
    /// The protocol was told.
    EOF_TOLD = 11;
    /// Over the high mark and not down to the low one yet.
    FULL = 12;
    /// The protocol has paused.
    PAUSED = 13;
    /// More than the unread limit waits.
    UNREAD_FULL = 14;
    /// The driver reads.
    READING = 15;
    /// A coroutine takes the bytes when it likes.
    STREAM = 16;
    /// `stopping` was called.
    STOPPING = 17;
    /// It ends with a graceful close of the driver.
    GRACEFUL = 18;
    /// As many bytes as allowed were discarded.
    LINGER_FULL = 19;
    /// Closing it loses nothing, so nobody waits for the far end.
    UNLINGERING = 20;
    /// It received more than its rate permits, and is not read for a while.
    HELD_IN = 21;
    /// It may not send more for a while.
    HELD_OUT = 22;
    /// The peer has said that it sends nothing more: it is not read while the last bytes leave.
    PEER_SILENT = 23;
}

impl Flags {
    pub(crate) fn any(&self, bits: u32) -> bool {
        self.0.get() & bits != 0
    }

    pub(crate) fn set(&self, bits: u32) {
        self.0.set(self.0.get() | bits);
    }

    pub(crate) fn clear(&self, bits: u32) {
        self.0.set(self.0.get() & !bits);
    }
}

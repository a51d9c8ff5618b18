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
    /// The connect has not ended yet.
    CONNECTING = 1;
    /// `connection_made` was called, so `connection_lost` must be.
    TOLD = 2;
    /// `close` was called: nothing more is written or offered.
    CLOSING = 3;
    /// `close_write` was called: nothing more is written.
    HALF = 4;
    /// It will end with a stored reason; nothing more is done for it.
    CONDEMNED = 5;
    /// It has ended; the token is not ours any more.
    LOST = 6;
    /// Its layers were told of the end of our side.
    ENDED = 7;
    /// The driver has sent FIN.
    FIN_SENT = 8;
    /// Everything was sent; the peer's bytes are discarded until its FIN.
    LINGERING = 9;
    /// The peer's FIN came.
    EOF_SEEN = 10;
    /// The protocol's stream has ended: the peer's FIN, or a layer said so.
    EOF = 11;
    /// The protocol was told.
    EOF_TOLD = 12;
    /// Over the high mark and not down to the low one yet.
    FULL = 13;
    /// The protocol has paused.
    PAUSED = 14;
    /// More than the unread limit waits.
    UNREAD_FULL = 15;
    /// The driver reads.
    READING = 16;
    /// A coroutine takes the bytes when it likes.
    STREAM = 17;
    /// `stopping` was called.
    STOPPING = 18;
    /// It ends with a graceful close of the driver.
    GRACEFUL = 19;
    /// As many bytes as allowed were discarded.
    LINGER_FULL = 20;
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

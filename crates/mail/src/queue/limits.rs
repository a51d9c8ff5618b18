//! [`QueueLimits`]: how many, how large, how long.

use std::time::Duration;

/// How much a queue holds and does at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages in the queue. Default 100,000. One more is refused with 452.
    pub messages: usize,
    /// What is in memory of them: one for each message and destination. Default 20,000, a few MiB. What is more is read
    /// from the disk when there is room.
    pub index: usize,
    /// The same of one destination, so that it takes no room from others. Default 5000.
    pub index_of_destination: usize,
    /// Parcels under way. Default 200.
    pub parcels: usize,
    /// Parcels under way to one destination. Default 20. It is also at most an eighth of what is left of
    /// [`QueueLimits::parcels`], so that a few destinations that never answer do not take all.
    pub parcels_of_destination: usize,
    /// Recipients of a parcel. Default 100, which every server takes (RFC 5321 section 4.5.3.1.8).
    pub parcel: usize,
    /// How long a parcel may take. Default 1 hour. Then it is ended, and tried again later.
    pub carry: Duration,
    /// The most bytes of a message that a bounce brings back. Default 64 KiB. Of a larger one it brings the header.
    pub returned: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            messages: 100_000,
            index: 20_000,
            index_of_destination: 5000,
            parcels: 200,
            parcels_of_destination: 20,
            parcel: 100,
            carry: Duration::from_secs(3600),
            returned: 64 * 1024,
        }
    }
}

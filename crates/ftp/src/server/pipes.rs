//! [`Pipes`]: how fast data come in and go out.

use trenza_core::{Bucket, Rate};

/// How fast data come in and go out.
#[derive(Debug, Clone, Default)]
pub(super) struct Pipes {
    pub(super) input: Option<Bucket>,
    pub(super) output: Option<Bucket>,
}

impl Pipes {
    /// A part of these that has rates of its own, in bytes a second.
    pub(super) fn within(&self, input: Option<u64>, output: Option<u64>) -> Self {
        let part = |outer: &Option<Bucket>, bytes: Option<u64>| match (outer, bytes.map(Rate::new)) {
            (Some(outer), Some(rate)) => Some(outer.within(rate)),
            (None, rate) => rate.map(Bucket::new),
            (outer, None) => outer.clone(),
        };
        Self { input: part(&self.input, input), output: part(&self.output, output) }
    }
}

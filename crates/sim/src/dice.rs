//! [`Dice`]: everything that the simulator leaves to chance, from one seed.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Seeded randomness, for tests that need some of their own. Two dice of one seed and stream fall alike, on every
/// machine. The network draws from the streams 0 and up, so a test takes one from the far end.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Streams of one seed are independent, so that draws for one purpose do not move those for another.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// True with the given probability. 0 draws nothing.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && (self.0.next_u32() as f64) < probability * (u32::MAX as f64 + 1.0)
    }

    /// A number from 0 to `below - 1`; 0 when `below` is 0.
    pub fn below(&mut self, below: usize) -> usize {
        if below <= 1 { 0 } else { (self.0.next_u64() % below as u64) as usize }
    }

    /// A number from 1 to `most`, often a small one: small pieces break more than large ones.
    pub fn piece(&mut self, most: usize) -> usize {
        let cap = if self.chance(0.5) { most.min(8) } else { most };
        1 + self.below(cap)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills `into`.
    pub fn fill(&mut self, into: &mut [u8]) {
        self.0.fill_bytes(into);
    }

    /// Puts `items` into any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

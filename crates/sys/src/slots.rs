//! [`Slots`]: a table whose places are named by tokens.

use std::io;
use trenza_core::driver::Token;

/// How many bits of a poller's key hold the index. The generation has the bits above it, at most
/// [`GENERATION_BITS_MAX`] of them.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
const GENERATION_BITS_MAX: u32 = 24;
const GENERATION_BITS: u32 = {
    let left = usize::BITS - INDEX_BITS;
    if left < GENERATION_BITS_MAX { left } else { GENERATION_BITS_MAX }
};
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

/// The most places of a table. The index above them ends the list of free places, and keeps the key that
/// the poller has for itself (all ones) out of reach.
const SLOTS_MAX: u32 = INDEX_MASK as u32;

/// The token as a number for the poller, which gives it back with each event.
pub(crate) fn key(token: Token) -> usize {
    (token.generation as usize) << INDEX_BITS | token.index as usize
}

/// The token of a poller's number.
pub(crate) fn token(key: usize) -> Token {
    Token { index: (key & INDEX_MASK) as u32, generation: (key >> INDEX_BITS) as u32 }
}

/// A table of `T`. Places are used again, last freed first, so that indices stay small; the generation
/// counts the owners of a place, so that a token of a former owner finds nothing.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// The first free place, or [`SLOTS_MAX`].
    free: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    entry: Entry<T>,
}

#[derive(Debug)]
enum Entry<T> {
    Used(T),
    /// With the next free place, or [`SLOTS_MAX`].
    Free(u32),
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: SLOTS_MAX }
    }

    /// Puts `value` into a free place; an error if there are [`SLOTS_MAX`] already.
    pub(crate) fn insert(&mut self, value: T) -> io::Result<Token> {
        let index = self.free;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            if let Entry::Free(next) = slot.entry {
                self.free = next;
            }
            slot.entry = Entry::Used(value);
            return Ok(Token { index, generation: slot.generation });
        }
        let index = u32::try_from(self.slots.len()).ok().filter(|index| *index < SLOTS_MAX);
        let index = index.ok_or_else(|| io::Error::other("the driver's table of connections is full"))?;
        self.slots.push(Slot { generation: 0, entry: Entry::Used(value) });
        Ok(Token { index, generation: 0 })
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        match self.slots.get_mut(token.index as usize)? {
            Slot { generation, entry: Entry::Used(value) } if *generation == token.generation => Some(value),
            _ => None,
        }
    }

    /// Frees the token's place.
    pub(crate) fn remove(&mut self, token: Token) -> Option<T> {
        self.get_mut(token)?;
        let slot = self.slots.get_mut(token.index as usize)?;
        slot.generation = slot.generation.wrapping_add(1) & GENERATION_MASK;
        match std::mem::replace(&mut slot.entry, Entry::Free(self.free)) {
            Entry::Used(value) => {
                self.free = token.index;
                Some(value)
            }
            Entry::Free(_) => None,
        }
    }

    /// All values.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| match &mut slot.entry {
            Entry::Used(value) => Some(value),
            Entry::Free(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_costs_little() {
        assert_eq!(size_of::<Slot<crate::socket::Socket>>(), 16);
    }

    #[test]
    fn former_owners_find_nothing() {
        let mut slots = Slots::new();
        let first = slots.insert('a').unwrap();
        let other = slots.insert('b').unwrap();
        assert_eq!((first.index, other.index), (0, 1));
        assert_eq!(slots.remove(first), Some('a'));
        assert_eq!(slots.remove(first), None);
        let second = slots.insert('c').unwrap();
        assert_eq!((second.index, second.generation), (0, 1));
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.get_mut(second), Some(&mut 'c'));
        assert_eq!(slots.get_mut(other), Some(&mut 'b'));
    }

    #[test]
    fn table_does_not_grow_while_places_are_free() {
        let mut slots = Slots::new();
        let tokens: Vec<Token> = (0..10).map(|n| slots.insert(n).unwrap()).collect();
        for round in 1..100 {
            for token in &tokens {
                slots.remove(Token { generation: round - 1, ..*token }).unwrap();
            }
            for _ in &tokens {
                assert!(slots.insert(0).unwrap().index < 10);
            }
        }
        assert_eq!(slots.values_mut().count(), 10);
    }

    #[test]
    fn generation_starts_over_within_its_bits() {
        let mut slots = Slots::new();
        let first = slots.insert(()).unwrap();
        slots.slots[0].generation = GENERATION_MASK;
        let last = Token { generation: GENERATION_MASK, ..first };
        assert_eq!(token(key(last)), last);
        slots.remove(last).unwrap();
        assert_eq!(slots.insert(()).unwrap(), first);
    }

    #[test]
    fn keys_are_exact_and_never_the_pollers_own() {
        for index in [0, 1, SLOTS_MAX - 1] {
            for generation in [0, 1, GENERATION_MASK] {
                let one = Token { index, generation };
                assert_eq!(token(key(one)), one);
                assert_ne!(key(one), usize::MAX);
            }
        }
    }
}

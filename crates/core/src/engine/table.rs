//! [`Table`]: what the loop keeps by token.

use crate::{
    driver::{SECOND, Token},
    memory,
};
use std::mem;

/// Places for the tokens of the system's driver, in the two ranges that it may have, and beside them those of connections
/// in memory, whose indices begin elsewhere: who has none pays nothing for them.
pub(crate) struct Table<T> {
    ranges: [Vec<T>; RANGES],
}

/// The driver's, its second one's, and that in memory.
const RANGES: usize = 3;
const FIRSTS: [u32; RANGES] = [0, SECOND, memory::FIRST];

/// In which range an index lies, and where in it.
fn find(index: u32) -> (usize, usize) {
    let range = FIRSTS.iter().rposition(|first| index >= *first).unwrap_or(0);
    let first = FIRSTS.get(range).copied().unwrap_or(0);
    (range, (index - first) as usize)
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { ranges: [const { Vec::new() }; RANGES] }
    }
}

impl<T: Default> Table<T> {
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let (range, place) = find(index);
        self.ranges.get(range)?.get(place)
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (range, place) = find(index);
        self.ranges.get_mut(range)?.get_mut(place)
    }

    /// Puts a value into the token's place; gives what was there.
    pub(crate) fn place(&mut self, token: Token, value: T) -> T {
        let (range, place) = find(token.index);
        let Some(list) = self.ranges.get_mut(range) else { return value };
        if list.len() <= place {
            list.resize_with(place + 1, T::default);
        }
        list.get_mut(place).map(|place| mem::replace(place, value)).unwrap_or_default()
    }

    /// All indices so far.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> + use<T> {
        let lens: [usize; RANGES] = std::array::from_fn(|range| self.ranges.get(range).map_or(0, Vec::len));
        let ranges = FIRSTS.into_iter().zip(lens);
        ranges.flat_map(|(first, len)| (0..len as u32).map(move |place| first + place))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.ranges.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.ranges.iter_mut().flatten()
    }
}

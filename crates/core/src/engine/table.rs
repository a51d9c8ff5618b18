//! [`Table`]: what the loop keeps by token.

use crate::{driver::Token, memory};
use std::mem;

/// Places for the tokens of the system's driver, and beside them those of connections in memory, whose indices begin
/// elsewhere: so a program without any pays nothing for them.
pub(crate) struct Table<T> {
    system: Vec<T>,
    memory: Vec<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { system: Vec::new(), memory: Vec::new() }
    }
}

impl<T: Default> Table<T> {
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        match memory::place(index) {
            Some(place) => self.memory.get(place),
            None => self.system.get(index as usize),
        }
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match memory::place(index) {
            Some(place) => self.memory.get_mut(place),
            None => self.system.get_mut(index as usize),
        }
    }

    /// Puts a value into the token's place; gives what was there.
    pub(crate) fn place(&mut self, token: Token, value: T) -> T {
        let (list, place) = match memory::place(token.index) {
            Some(place) => (&mut self.memory, place),
            None => (&mut self.system, token.index as usize),
        };
        if list.len() <= place {
            list.resize_with(place + 1, T::default);
        }
        list.get_mut(place).map(|place| mem::replace(place, value)).unwrap_or_default()
    }

    /// All indices so far.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> + use<T> {
        (0..self.system.len() as u32).chain((0..self.memory.len() as u32).map(memory::index))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.system.iter().chain(&self.memory)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.system.iter_mut().chain(&mut self.memory)
    }
}

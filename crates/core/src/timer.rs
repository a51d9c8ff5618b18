//! [`Timers`]: everything that is due later, and [`Timer`], the handle of one entry.

// Every index here was made by this store and is checked against its generation.
#![allow(clippy::indexing_slicing)]

use crate::{Transport, shared::Shared};
use std::{
    cmp::Ordering,
    fmt,
    panic::Location,
    rc::Rc,
    task::Waker,
    time::{Duration, Instant},
};

/// Stores of up to so many entries keep their memory; larger ones give it back when they are a quarter full.
const KEPT: usize = 1024;

/// What happens when an entry is due.
pub(crate) enum Due {
    /// The connection's timeouts are looked at.
    Connection(Transport),
    /// The connection is flushed.
    Flush(Transport),
    /// A closure runs.
    Call(Box<dyn FnOnce()>),
    /// A task is woken.
    Wake(Waker),
}

/// Names an entry; stale keys are harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    pub(crate) const NONE: Self = Self { index: u32::MAX, generation: 0 };
}

struct Entry {
    generation: u32,
    place: u32,
    due: Option<Due>,
    /// The code that made it.
    made: &'static Location<'static>,
}

/// A place in the heap. `serial` keeps entries of the same time in the order they were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: Instant,
    serial: u64,
    index: u32,
}

/// Entries in a binary heap that knows where each one stands: to insert, move and remove one costs
/// O(log n), and a removed one leaves nothing behind.
///
/// Memory is given back when the store shrinks a lot. Entries cannot be moved, since keys name them, so one that
/// stays holds the memory of those before it.
#[derive(Default)]
pub(crate) struct Timers {
    heap: Vec<Place>,
    entries: Vec<Entry>,
    /// Entries that can be used again. After a trim some are beyond the end; who takes one looks.
    free: Vec<u32>,
    /// The first generation of new entries: beyond those of the trimmed, whose keys must stay stale.
    generation: u32,
    serial: u64,
}

impl Timers {
    #[track_caller]
    pub(crate) fn insert(&mut self, at: Instant, due: Due) -> Key {
        let made = Location::caller();
        self.insert_from(made, at, due)
    }

    /// Like `insert`, for an entry that was asked for elsewhere.
    pub(crate) fn insert_from(&mut self, made: &'static Location<'static>, at: Instant, due: Due) -> Key {
        let index = self.vacant(made);
        let (place, serial) = (self.heap.len(), self.next_serial());
        self.heap.push(Place { at, serial, index });
        let entry = &mut self.entries[index as usize];
        (entry.due, entry.made) = (Some(due), made);
        entry.place = place as u32;
        let key = Key { index, generation: entry.generation };
        self.rise(place);
        key
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Due> {
        let place = self.place(key)?;
        let last = self.heap.len() - 1;
        self.swap(place, last);
        self.heap.pop();
        if place < last {
            self.settle(place);
        }
        let entry = &mut self.entries[key.index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        let due = entry.due.take();
        self.trim();
        due
    }

    /// Moves an entry; false when it is gone.
    pub(crate) fn reset(&mut self, key: Key, at: Instant) -> bool {
        let Some(place) = self.place(key) else { return false };
        let serial = self.next_serial();
        let moved = &mut self.heap[place];
        (moved.at, moved.serial) = (at, serial);
        self.settle(place);
        true
    }

    pub(crate) fn deadline(&self, key: Key) -> Option<Instant> {
        self.place(key).map(|place| self.heap[place].at)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Every entry with the code that made it, first due first.
    pub(crate) fn entries(&self) -> Vec<(&Due, &'static Location<'static>)> {
        let mut places = self.heap.clone();
        places.sort_unstable();
        let entries = places.iter().map(|place| &self.entries[place.index as usize]);
        entries.filter_map(|entry| Some((entry.due.as_ref()?, entry.made))).collect()
    }

    /// When the first entry is due.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.heap.first().map(|place| place.at)
    }

    /// Takes the first entry if it is due and was made or moved before `serial`.
    pub(crate) fn pop(&mut self, now: Instant, serial: u64) -> Option<Due> {
        let first = *self.heap.first().filter(|first| first.at <= now && first.serial < serial)?;
        let generation = self.entries[first.index as usize].generation;
        self.remove(Key { index: first.index, generation })
    }

    /// The serial that the next entry will get.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Empties the store; the caller drops what was in it.
    pub(crate) fn drain(&mut self) -> Vec<Due> {
        self.heap = Vec::new();
        self.free = Vec::new();
        for entry in &self.entries {
            self.generation = self.generation.max(entry.generation.wrapping_add(1));
        }
        std::mem::take(&mut self.entries).into_iter().filter_map(|entry| entry.due).collect()
    }

    /// An entry to use.
    fn vacant(&mut self, made: &'static Location<'static>) -> u32 {
        while let Some(index) = self.free.pop() {
            if (index as usize) < self.entries.len() {
                return index;
            }
        }
        self.entries.push(Entry { generation: self.generation, place: 0, due: None, made });
        self.entries.len() as u32 - 1
    }

    /// Forgets unused entries at the end, and gives memory back. Each entry is forgotten once for each time it was
    /// made, and vectors move after as many changes as they have elements, so this costs O(1) in the long run.
    fn trim(&mut self) {
        while self.entries.len() > KEPT
            && let Some(last) = self.entries.pop_if(|last| last.due.is_none())
        {
            self.generation = self.generation.max(last.generation);
        }
        if self.free.len() > 2 * self.entries.len().max(KEPT) {
            let end = self.entries.len() as u32;
            self.free.retain(|index| *index < end);
        }
        shrink(&mut self.heap);
        shrink(&mut self.entries);
        shrink(&mut self.free);
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial - 1
    }

    fn place(&self, key: Key) -> Option<usize> {
        let entry = self.entries.get(key.index as usize)?;
        (entry.generation == key.generation && entry.due.is_some()).then_some(entry.place as usize)
    }

    fn settle(&mut self, place: usize) {
        let place = self.rise(place);
        self.sink(place);
    }

    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[place].cmp(&self.heap[parent]) != Ordering::Less {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
        place
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let children = 2 * place + 1..(2 * place + 3).min(self.heap.len());
            let Some(child) = children.min_by_key(|&child| self.heap[child]) else { return };
            if self.heap[place] <= self.heap[child] {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for place in [a, b] {
            self.entries[self.heap[place].index as usize].place = place as u32;
        }
    }
}

/// Makes what is not even a quarter full half full.
fn shrink<T>(vec: &mut Vec<T>) {
    if vec.capacity() > KEPT && vec.len() < vec.capacity() / 4 {
        vec.shrink_to((2 * vec.len()).max(KEPT));
    }
}

/// A call that will be made later. Dropping it cancels the call.
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// let net = trenza_sim::Net::new(1);
/// let rings = Rc::new(Cell::new(0));
/// let (first, second) = (rings.clone(), rings.clone());
/// let (kept, dropped) = net.host("here").run(|reactor| {
///     let minute = Duration::from_secs(60);
///     let kept = reactor.call_later(minute, move || first.set(first.get() + 1));
///     (kept, reactor.call_later(minute, move || second.set(second.get() + 10)))
/// });
/// drop(dropped);
/// net.advance(Duration::from_secs(61));
/// assert_eq!((rings.get(), kept.is_pending()), (1, false));
/// ```
#[must_use = "dropping a Timer cancels it: keep it, or call detach()"]
pub struct Timer {
    shared: Rc<Shared>,
    key: Key,
}

impl Timer {
    #[track_caller]
    pub(crate) fn new(shared: Rc<Shared>, at: Instant, due: Due) -> Self {
        Self::new_from(Location::caller(), shared, at, due)
    }

    /// Like `new`, for a timer that was asked for elsewhere.
    pub(crate) fn new_from(
        made: &'static Location<'static>,
        shared: Rc<Shared>,
        at: Instant,
        due: Due,
    ) -> Self {
        if shared.ended.get() {
            return Self { shared, key: Key::NONE };
        }
        let key = shared.timers.borrow_mut().insert_from(made, at, due);
        Self { shared, key }
    }

    /// Makes it due `delay` from now instead. Nothing happens when it has run.
    pub fn reset(&self, delay: Duration) {
        let at = self.shared.after(delay);
        self.shared.timers.borrow_mut().reset(self.key, at);
    }

    /// When it is due; the loop's present time when it has run.
    pub fn deadline(&self) -> Instant {
        self.shared.timers.borrow().deadline(self.key).unwrap_or_else(|| self.shared.now())
    }

    /// True until it has run.
    pub fn is_pending(&self) -> bool {
        self.shared.timers.borrow().deadline(self.key).is_some()
    }

    /// Cancels it; dropping does the same.
    pub fn cancel(self) {}

    /// Lets it run without the handle.
    pub fn detach(mut self) {
        self.key = Key::NONE;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if crate::broken("fire-cancelled-timer", 4) {
            return;
        }
        // The closure may own anything: it is dropped when no cell is borrowed any more.
        let due = self.shared.timers.borrow_mut().remove(self.key);
        drop(due);
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("pending", &self.is_pending()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)] // any instant will do as a base
    fn order_is_by_time_then_by_age_under_any_mix() {
        let base = Instant::now();
        let at = |n: u64| base + Duration::from_millis(n);
        let mut random = 1u64;
        let mut timers = Timers::default();
        let mut model: Vec<(u64, u64, Key)> = Vec::new();
        for step in 0..20_000u64 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (what, n) = (random >> 60, (random >> 33) % 97);
            let pick = (random >> 20) as usize % model.len().max(1);
            match what {
                0..=7 => {
                    model.push((n, timers.serial(), timers.insert(at(n), Due::Wake(Waker::noop().clone()))))
                }
                8..=10 if !model.is_empty() => {
                    let (_, _, key) = model.swap_remove(pick);
                    assert!(timers.remove(key).is_some() && timers.remove(key).is_none());
                }
                11..=12 if !model.is_empty() => {
                    let serial = timers.serial();
                    assert!(timers.reset(model[pick].2, at(n)));
                    (model[pick].0, model[pick].1) = (n, serial);
                }
                _ => {
                    model.sort();
                    assert_eq!(timers.first(), model.first().map(|first| at(first.0)), "step {step}");
                    if timers.pop(at(n), u64::MAX).is_some() {
                        let (first, _, key) = model.remove(0);
                        assert!(first <= n && timers.deadline(key).is_none());
                    }
                }
            }
            assert_eq!(timers.heap.len(), model.len());
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // any instant will do as a base
    fn a_store_that_shrinks_gives_its_memory_back_and_old_keys_stay_stale() {
        const MANY: u64 = 20_000;
        let at = Instant::now();
        let mut timers = Timers::default();
        let mut old: Vec<Key> = Vec::new();
        for round in 0..3 {
            let keys: Vec<Key> =
                (0..MANY).map(|_| timers.insert(at, Due::Wake(Waker::noop().clone()))).collect();
            assert!(old.iter().all(|key| timers.deadline(*key).is_none()), "round {round}");
            // From the front, from the back, and every other one first.
            let order: Vec<usize> = match round {
                0 => (0..keys.len()).collect(),
                1 => (0..keys.len()).rev().collect(),
                _ => (0..keys.len()).step_by(2).chain((1..keys.len()).step_by(2)).collect(),
            };
            assert!(order.iter().all(|place| timers.remove(keys[*place]).is_some()));
            let capacities = [timers.heap.capacity(), timers.entries.capacity(), timers.free.capacity()];
            assert!(capacities.iter().all(|capacity| *capacity <= 4 * KEPT), "{capacities:?}");
            old.extend(keys);
        }
        let keys: Vec<Key> = (0..MANY).map(|_| timers.insert(at, Due::Wake(Waker::noop().clone()))).collect();
        assert_eq!(timers.drain().len(), keys.len());
        timers.insert(at, Due::Wake(Waker::noop().clone()));
        assert!(keys.iter().all(|key| timers.deadline(*key).is_none()));
    }

    impl PartialOrd for Key {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Key {
        fn cmp(&self, other: &Self) -> Ordering {
            (self.index, self.generation).cmp(&(other.index, other.generation))
        }
    }
}

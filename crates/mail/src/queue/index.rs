//! [`Index`]: what is in memory of the queue: which message is to be tried when, and by whom it waits.

use super::{QueueId, QueueLimits, Schedule};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// A message that is to be carried to a destination.
pub(super) type Errand = (QueueId, Rc<str>);

/// What is to be done when: a bounded part of what is on the disk, the earliest of it. Times are seconds since the epoch.
///
/// ```text
///   agenda ── the earliest that may start ──▶ Destination ── its earliest ──▶ errand
///      ▲                                          │
///      └── when the destination is left alone ◀───┴── waiting, under way, failures
/// ```
#[derive(Debug)]
pub(super) struct Index {
    limits: QueueLimits,
    destinations: BTreeMap<Rc<str>, Destination>,
    messages: BTreeMap<QueueId, Message>,
    /// All that waits, in the order of time.
    waiting: BTreeSet<(u64, QueueId, Rc<str>)>,
    /// The destinations that something waits for, by when the next of it may start.
    agenda: BTreeSet<(u64, Rc<str>)>,
    under_way: usize,
    /// What is only on the disk is due at this time, or later. None: nothing is.
    left_out: Option<u64>,
    /// The destinations of which something is only on the disk because they have too much.
    crowded: BTreeSet<Rc<str>>,
}

#[derive(Debug, Default)]
struct Destination {
    waiting: BTreeSet<(u64, QueueId)>,
    under_way: usize,
    /// How often it could not be reached since it last was.
    failures: u32,
    /// Until then it is left alone.
    alone_until: u64,
}

#[derive(Debug, Default)]
struct Message {
    /// When its sender is to be told something, if it is still there by then.
    notice: u64,
    waiting: Vec<(Rc<str>, u64)>,
    /// Where it is under way to, or was and that is not on the disk yet.
    busy: Vec<Rc<str>>,
}

impl Index {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            destinations: BTreeMap::new(),
            messages: BTreeMap::new(),
            waiting: BTreeSet::new(),
            agenda: BTreeSet::new(),
            under_way: 0,
            left_out: None,
            crowded: BTreeSet::new(),
        }
    }

    /// An errand is to be done at a time. If it is known already, or under way, nothing changes. What there is no room for
    /// is left to the disk. At `notice` the sender of the message is to be told something.
    pub(super) fn add(&mut self, id: &QueueId, destination: &str, due: u64, notice: u64) {
        if self.knows(id, destination) {
            return;
        }
        if self.destinations.len() >= self.limits.index {
            self.destinations.retain(|_, to| !to.waiting.is_empty() || to.under_way > 0);
        }
        let name = match self.destinations.get_key_value(destination) {
            Some((name, _)) => name.clone(),
            None => destination.into(),
        };
        self.insert(id, &name, due, notice);
        let of_it = self.destinations.get(&name).and_then(|to| {
            let last = to.waiting.last().filter(|_| to.waiting.len() > self.limits.index_of_destination);
            last.map(|(_, id)| id.clone())
        });
        if let Some(id) = of_it {
            self.take(&id, &name);
            self.crowded.insert(name);
        }
        if self.waiting.len() > self.limits.index
            && let Some((time, id, name)) = self.latest()
        {
            self.take(&id, &name);
            self.leave_out(time);
        }
    }

    /// The errand that can start last, and when: what is due last, or the last of what waits for the destination whose turn
    /// comes last. So those that cannot be reached take no room from others.
    fn latest(&self) -> Option<(u64, QueueId, Rc<str>)> {
        let (_, id, name) = self.waiting.last()?;
        let (_, other) = self.agenda.last()?;
        let last_of =
            |name: &Rc<str>| Some((name.clone(), self.destinations.get(name)?.waiting.last()?.1.clone()));
        let all = [Some((name.clone(), id.clone())), last_of(other)].into_iter().flatten();
        all.filter_map(|(name, id)| Some((self.earliest(&id, &name)?, id, name))).max()
    }

    /// When an errand that waits can start.
    fn earliest(&self, id: &QueueId, name: &Rc<str>) -> Option<u64> {
        let (_, due) = self.messages.get(id)?.waiting.iter().find(|(other, _)| other == name)?;
        Some((*due).max(self.destinations.get(name)?.alone_until))
    }

    /// Something is on the disk that is due at a time and was never here.
    pub(super) fn leave_out(&mut self, due: u64) {
        self.left_out = Some(self.left_out.map_or(due, |other| other.min(due)));
    }

    fn knows(&self, id: &QueueId, destination: &str) -> bool {
        self.messages.get(id).is_some_and(|message| {
            message.busy.iter().any(|name| &**name == destination)
                || message.waiting.iter().any(|(name, _)| &**name == destination)
        })
    }

    fn insert(&mut self, id: &QueueId, name: &Rc<str>, due: u64, notice: u64) {
        self.plan(name, |to| {
            to.waiting.insert((due, id.clone()));
        });
        self.waiting.insert((due, id.clone(), name.clone()));
        let message = self.messages.entry(id.clone()).or_default();
        message.notice = notice;
        message.waiting.push((name.clone(), due));
    }

    /// Takes an errand out that waits.
    fn take(&mut self, id: &QueueId, name: &Rc<str>) {
        let Some(message) = self.messages.get_mut(id) else { return };
        let Some(at) = message.waiting.iter().position(|(other, _)| other == name) else { return };
        let (_, due) = message.waiting.swap_remove(at);
        self.waiting.remove(&(due, id.clone(), name.clone()));
        self.plan(name, |to| {
            to.waiting.remove(&(due, id.clone()));
        });
        self.tidy(id);
    }

    /// Changes a destination, and when it is its turn.
    fn plan(&mut self, name: &Rc<str>, change: impl FnOnce(&mut Destination)) {
        let to = self.destinations.entry(name.clone()).or_default();
        if let Some(turn) = to.turn() {
            self.agenda.remove(&(turn, name.clone()));
        }
        change(to);
        match to.turn() {
            Some(turn) => _ = self.agenda.insert((turn, name.clone())),
            None if to.under_way == 0 && to.failures == 0 => _ = self.destinations.remove(name),
            None => {}
        }
    }

    fn tidy(&mut self, id: &QueueId) {
        if self.messages.get(id).is_some_and(|message| message.waiting.is_empty() && message.busy.is_empty())
        {
            self.messages.remove(id);
        }
    }

    /// Takes the next errand that may start now. It is under way then, and busy.
    pub(super) fn start(&mut self, now: u64) -> Option<Errand> {
        let free = self.limits.parcels.checked_sub(self.under_way).filter(|free| *free > 0)?;
        let most = self.limits.parcels_of_destination.min(free / 8).max(1);
        let name = self.agenda.iter().take_while(|(turn, _)| *turn <= now).find_map(|(_, name)| {
            let to = self.destinations.get(name)?;
            // One that could not be reached is tried by one for all.
            let most = if to.failures > 0 { 1 } else { most };
            (to.under_way < most).then(|| name.clone())
        })?;
        let (_, id) = self.destinations.get(&name)?.waiting.first()?.clone();
        // It is busy first, so that it is not forgotten in between.
        self.occupy(&id, &name);
        self.take(&id, &name);
        self.under_way += 1;
        self.plan(&name, |to| to.under_way += 1);
        Some((id, name))
    }

    /// A message is worked on, under this name.
    pub(super) fn occupy(&mut self, id: &QueueId, name: &Rc<str>) {
        self.messages.entry(id.clone()).or_default().busy.push(name.clone());
    }

    /// An errand is not under way any more. `reached`: whether the destination was, if that is known.
    pub(super) fn came_back(
        &mut self,
        name: &Rc<str>,
        reached: Option<bool>,
        now: u64,
        schedule: &Schedule,
        dice: f64,
    ) {
        self.under_way = self.under_way.saturating_sub(1);
        self.plan(name, |to| {
            to.under_way = to.under_way.saturating_sub(1);
            match reached {
                Some(true) => (to.failures, to.alone_until) = (0, 0),
                // Those that were under way together are one failure.
                Some(false) if now >= to.alone_until => {
                    let pause = schedule.pause_of_destination(to.failures, dice);
                    to.alone_until = now + pause.as_secs().max(1);
                    to.failures = to.failures.saturating_add(1);
                }
                Some(false) | None => {}
            }
        });
    }

    /// What was done about a message under this name is on the disk.
    pub(super) fn release(&mut self, id: &QueueId, name: &str) {
        if let Some(message) = self.messages.get_mut(id)
            && let Some(at) = message.busy.iter().position(|other| &**other == name)
        {
            message.busy.swap_remove(at);
        }
        self.tidy(id);
    }

    /// Whether anything of a message is worked on but what is named.
    pub(super) fn is_busy_besides(&self, id: &QueueId, names: &[Rc<str>]) -> bool {
        self.messages.get(id).is_some_and(|message| message.busy.iter().any(|name| !names.contains(name)))
    }

    /// Whether anything of a message is worked on.
    pub(super) fn is_busy(&self, id: &QueueId) -> bool {
        self.messages.get(id).is_some_and(|message| !message.busy.is_empty())
    }

    /// Forgets that a message waits; where it does is not left alone any more.
    pub(super) fn forget(&mut self, id: &QueueId) {
        let names: Vec<Rc<str>> = self
            .messages
            .get(id)
            .map_or_else(Vec::new, |message| message.waiting.iter().map(|(name, _)| name.clone()).collect());
        for name in names {
            self.plan(&name, |to| to.alone_until = 0);
            self.take(id, &name);
        }
    }

    /// Forgets all that waits, which is to be looked for on the disk again; nobody is left alone any more.
    pub(super) fn forget_all(&mut self) {
        let ids: Vec<QueueId> = self.messages.keys().cloned().collect();
        ids.iter().for_each(|id| self.forget(id));
        self.destinations.values_mut().for_each(|to| to.alone_until = 0);
        self.leave_out(0);
    }

    /// Takes errands out, at most so many, that wait for a destination which could not be reached, and whose senders are to
    /// be told of that by now. They are busy then.
    pub(super) fn overdue(&mut self, name: &Rc<str>, now: u64, most: usize) -> Vec<QueueId> {
        let Some(to) = self.destinations.get(name) else { return Vec::new() };
        let is_overdue = |id: &&QueueId| self.messages.get(*id).is_some_and(|message| message.notice <= now);
        let due = to.waiting.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| id);
        let ids: Vec<QueueId> = due.filter(is_overdue).take(most).cloned().collect();
        for id in &ids {
            self.occupy(id, name);
            self.take(id, name);
        }
        ids
    }

    /// When the next errand may start that may not yet, if one waits.
    pub(super) fn next_turn(&self, now: u64) -> Option<u64> {
        self.agenda.range((now.saturating_add(1), Rc::from(""))..).next().map(|(turn, _)| *turn)
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether there is room for what is only on the disk, or its time has come.
    pub(super) fn wants_more(&self, now: u64) -> bool {
        let is_empty = self.waiting.len() <= self.limits.index / 2;
        // Of those that are here some may wait longer.
        let is_later = |due: u64| self.latest().is_some_and(|(last, ..)| last > due);
        let of_it = |name: &Rc<str>| self.destinations.get(name).map_or(0, |to| to.waiting.len());
        self.left_out.is_some_and(|due| is_empty || (due <= now && is_later(due)))
            || self.crowded.iter().any(|name| of_it(name) <= self.limits.index_of_destination / 2)
    }

    /// All that is on the disk is about to be added.
    pub(super) fn begin_scan(&mut self) {
        self.left_out = None;
        self.crowded.clear();
    }
}

impl Destination {
    /// When the next errand may start, if one waits.
    fn turn(&self) -> Option<u64> {
        self.waiting.first().map(|(due, _)| (*due).max(self.alone_until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the sender of a message is told something that does not matter.
    const NEVER: u64 = u64::MAX;

    fn id(number: usize) -> QueueId {
        format!("m{number}").parse().unwrap()
    }

    fn index(limits: QueueLimits) -> Index {
        Index::new(limits)
    }

    fn small() -> QueueLimits {
        QueueLimits {
            index: 10,
            index_of_destination: 6,
            parcels: 8,
            parcels_of_destination: 2,
            ..QueueLimits::default()
        }
    }

    fn back(index: &mut Index, (id, name): &Errand, reached: Option<bool>, now: u64) {
        index.came_back(name, reached, now, &Schedule::default(), 0.0);
        index.release(id, name);
    }

    #[test]
    fn the_earliest_starts_when_its_time_has_come() {
        let mut index = index(QueueLimits::default());
        for (number, due) in [(1, 30), (2, 10), (3, 20)] {
            index.add(&id(number), "a", due, NEVER);
            index.add(&id(number), "a", 5, NEVER);
        }
        assert_eq!((index.next_turn(9), index.start(9)), (Some(10), None));
        let started: Vec<QueueId> = (0..3).map(|_| index.start(30).unwrap().0).collect();
        assert_eq!(started, [id(2), id(3), id(1)]);
        assert_eq!((index.start(99), index.next_turn(0), index.under_way()), (None, None, 3));
    }

    #[test]
    fn a_destination_has_so_many_at_once_and_others_go_on() {
        let mut index = index(QueueLimits { parcels: 100, ..small() });
        (0..5).for_each(|number| index.add(&id(number), "stuck", 1, NEVER));
        index.add(&id(9), "well", 2, NEVER);
        let started: Vec<String> =
            std::iter::from_fn(|| index.start(5)).map(|(_, name)| name.to_string()).collect();
        assert_eq!(started, ["stuck", "stuck", "well"]);
    }

    #[test]
    fn stuck_destinations_leave_room() {
        let mut index =
            index(QueueLimits { parcels: 80, parcels_of_destination: 20, ..QueueLimits::default() });
        for to in 0..20 {
            (0..40).for_each(|number| index.add(&id(number), &format!("stuck{to:02}"), 1, NEVER));
        }
        while index.start(5).is_some() {}
        assert!(index.under_way() <= 80);
        assert!(index.under_way() >= 20 && index.under_way() < 80, "{}", index.under_way());
        index.add(&id(0), "well", 5, NEVER);
        assert_eq!(index.start(5), Some((id(0), "well".into())));
    }

    #[test]
    fn one_that_cannot_be_reached_is_left_alone_and_then_tried_by_one() {
        let mut index = index(QueueLimits::default());
        (0..5).for_each(|number| index.add(&id(number), "a", 1, NEVER));
        let (one, other) = (index.start(10).unwrap(), index.start(10).unwrap());
        back(&mut index, &one, Some(false), 10);
        back(&mut index, &other, Some(false), 11);
        assert_eq!((index.start(11), index.next_turn(11)), (None, Some(310)), "one failure, not two");
        let again = index.start(310).unwrap();
        assert_eq!(index.start(310), None, "one tries it for all");
        back(&mut index, &again, Some(false), 310);
        assert_eq!(index.next_turn(310), Some(910), "longer");
        let again = index.start(910).unwrap();
        back(&mut index, &again, Some(true), 910);
        assert!(index.start(911).is_some());
    }

    #[test]
    fn what_waits_longest_gives_way_and_is_missed() {
        let mut index = index(small());
        (0..10).for_each(|number| index.add(&id(number), &format!("d{number}"), 100 + number as u64, NEVER));
        assert!(!index.wants_more(0));
        index.add(&id(50), "new", 1, NEVER);
        assert_eq!(index.start(1).unwrap().0, id(50));
        assert!(!index.wants_more(50), "it is full of what is due earlier");
        index.add(&id(51), "late", 500, NEVER);
        assert!(!index.wants_more(108), "nothing that was left out is due");
        for _ in 0..5 {
            index.start(200).unwrap();
        }
        assert!(index.wants_more(200), "there is room");
        index.begin_scan();
        assert!(!index.wants_more(200));
    }

    #[test]
    fn one_destination_does_not_take_all_the_room() {
        let mut index = index(small());
        (0..20).for_each(|number| index.add(&id(number), "many", 1 + number as u64, NEVER));
        index.add(&id(99), "one", 1000, NEVER);
        assert_eq!(index.waiting.len(), 7);
        assert!(!index.wants_more(2000), "as long as they are there");
        for _ in 0..3 {
            let errand = index.start(2000).unwrap();
            back(&mut index, &errand, Some(true), 2000);
        }
        assert!(index.wants_more(2000));
    }

    #[test]
    fn a_message_is_busy_until_it_is_released() {
        let mut index = index(QueueLimits::default());
        index.add(&id(1), "a", 1, NEVER);
        index.add(&id(1), "b", 1, NEVER);
        let a = index.start(1).unwrap();
        assert!(index.is_busy(&id(1)) && !index.is_busy_besides(&id(1), std::slice::from_ref(&a.1)));
        let b = index.start(1).unwrap();
        assert!(index.is_busy_besides(&id(1), std::slice::from_ref(&a.1)));
        index.add(&id(1), "a", 1, NEVER);
        assert_eq!(index.next_turn(0), None, "it is under way");
        back(&mut index, &a, None, 2);
        back(&mut index, &b, None, 2);
        assert!(!index.is_busy(&id(1)));
        assert!(index.messages.is_empty() && index.destinations.is_empty() && index.waiting.is_empty());
    }

    #[test]
    fn what_is_forgotten_is_gone_and_its_destination_is_tried() {
        let mut index = index(QueueLimits::default());
        index.add(&id(1), "a", 1, NEVER);
        index.add(&id(2), "a", 1, NEVER);
        let errand = index.start(1).unwrap();
        back(&mut index, &errand, Some(false), 1);
        index.forget(&id(2));
        assert_eq!(index.next_turn(0), None);
        index.add(&id(3), "a", 5, NEVER);
        assert_eq!(index.start(5).unwrap().0, id(3), "who asks for one asks for its destination");
    }

    #[test]
    fn those_whose_senders_are_to_be_told_are_found() {
        let mut index = index(QueueLimits::default());
        for (number, notice) in [(1, 100), (2, 50), (3, 40), (4, 30)] {
            index.add(&id(number), "a", number as u64, notice);
        }
        let name: Rc<str> = "a".into();
        assert_eq!(index.overdue(&name, 3, 9), []);
        assert_eq!(index.overdue(&name, 50, 2), [id(2), id(3)]);
        assert!(index.is_busy(&id(2)) && !index.is_busy(&id(1)));
        assert_eq!(index.overdue(&name, 50, 2), [id(4)]);
    }
}

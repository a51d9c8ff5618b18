//! [`Outbox`]: datagrams that wait to be sent.

use crate::{Addr, Outgoing};
use std::{collections::VecDeque, fmt, net::IpAddr};

/// What a datagram costs beside its bytes, so that many empty ones meet a limit as well.
const OVERHEAD: usize = 64;

/// Datagrams that wait for the driver, in the order in which they were sent. Their bytes lie behind each other in one
/// buffer; one that is empty owns next to nothing.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// How many of the bytes are those of datagrams that have left.
    gone: usize,
    waiting: VecDeque<Waiting>,
    /// What the pieces in `waiting` cost.
    cost: usize,
    sent: u64,
    sent_bytes: u64,
}

struct Waiting {
    len: usize,
    to: Addr,
    from: Option<IpAddr>,
    ecn: Option<u8>,
    stride: Option<usize>,
}

impl Waiting {
    fn cost(&self) -> usize {
        self.len + OVERHEAD
    }

    /// How long its datagrams are, the last perhaps excepted.
    fn unit(&self) -> usize {
        self.stride.unwrap_or(self.len)
    }

    /// Whether it could be one with what comes before it: of the same datagrams, or one shorter one.
    fn follows(&self, first: &Self) -> bool {
        let unit = first.unit();
        let fits = self.stride.map_or_else(|| (1..=unit).contains(&self.len), |stride| stride == unit);
        fits && self.to == first.to && self.from == first.from && self.ecn == first.ecn
    }
}

impl Outbox {
    /// An outbox with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a datagram behind the others.
    pub fn push(&mut self, out: Outgoing<'_>) {
        let Outgoing { data, to, from, ecn, stride } = out;
        let stride = stride.filter(|stride| (1..data.len()).contains(stride));
        let waiting = Waiting { len: data.len(), to: to.clone(), from, ecn, stride };
        self.bytes.extend_from_slice(data);
        self.cost += waiting.cost();
        self.waiting.push_back(waiting);
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How much memory the waiting ones take: their bytes, and 64 for each.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// What one datagram would add to [`Outbox::cost`].
    pub(crate) fn cost_of(out: &Outgoing<'_>) -> usize {
        out.data.len().saturating_add(OVERHEAD)
    }

    /// The waiting ones, the next first. One with a stride comes in pieces of at most `most(stride)` bytes; 0 and
    /// what is no multiple of the stride count as the stride itself.
    pub fn pieces<'a>(
        &'a self,
        most: impl Fn(usize) -> usize + 'a,
    ) -> impl Iterator<Item = Outgoing<'a>> + 'a {
        let mut at = self.gone;
        self.waiting.iter().flat_map(move |waiting| {
            let all = self.bytes.get(at..at + waiting.len).unwrap_or_default();
            at += waiting.len;
            let piece = waiting.stride.map_or(usize::MAX, |stride| (most(stride) / stride).max(1) * stride);
            // An empty datagram is a datagram.
            let empty = all.is_empty().then_some(all);
            all.chunks(piece).chain(empty).map(move |data| Outgoing {
                data,
                to: &waiting.to,
                from: waiting.from,
                ecn: waiting.ecn,
                stride: waiting.stride.filter(|stride| *stride < data.len()),
            })
        })
    }

    /// The same, where those that could have been sent together are together: datagrams behind each other that go the
    /// same way and are equally long, the last of them perhaps shorter.
    pub fn runs<'a>(&'a self, most: impl Fn(usize) -> usize + 'a) -> impl Iterator<Item = Outgoing<'a>> + 'a {
        // Where the next one begins, and how much of it has gone already.
        let (mut at, mut place, mut skip) = (self.gone, 0, 0);
        std::iter::from_fn(move || {
            let first = self.waiting.get(place)?;
            let unit = first.unit();
            let most = (most(unit) / unit.max(1)).max(1) * unit;
            let mut len = (first.len - skip).min(most);
            skip += len;
            if skip == first.len {
                (place, skip) = (place + 1, 0);
                while let Some(next) = self.waiting.get(place)
                    && len + next.len <= most
                    && len.is_multiple_of(unit)
                    && next.follows(first)
                {
                    (place, len) = (place + 1, len + next.len);
                }
            }
            let data = self.bytes.get(at..at + len).unwrap_or_default();
            at += len;
            let (to, from, ecn) = (&first.to, first.from, first.ecn);
            Some(Outgoing { data, to, from, ecn, stride: (unit < len).then_some(unit) })
        })
    }

    /// The next datagram, cut off the others if it has a stride.
    pub fn front(&self) -> Option<Outgoing<'_>> {
        self.pieces(|_| 0).next()
    }

    /// A piece of the front has left, or a run of them.
    pub fn advance(&mut self, len: usize) {
        let mut left = len;
        while let Some((taken, unit)) = self.take(left) {
            self.sent += taken.div_ceil(unit.max(1)).max(1) as u64;
            self.sent_bytes += taken as u64;
            left -= taken;
            if left == 0 {
                return;
            }
        }
    }

    /// A piece of the front will not leave.
    pub fn discard(&mut self, len: usize) {
        self.take(len);
    }

    /// Takes a piece of the front away, at most all of that; gives how much it was and how long its datagrams are.
    fn take(&mut self, len: usize) -> Option<(usize, usize)> {
        let front = self.waiting.front_mut()?;
        let unit = front.unit();
        let taken = len.min(front.len);
        front.len -= taken;
        self.gone += taken;
        self.cost -= taken;
        if front.len == 0 {
            self.cost -= OVERHEAD;
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() {
            self.bytes.clear();
            self.gone = 0;
        } else if self.gone > self.bytes.len() / 2 {
            self.bytes.drain(..self.gone);
            self.gone = 0;
        }
        Some((taken, unit))
    }

    /// How many datagrams and bytes have left so far.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.sent, self.sent_bytes)
    }

    /// Drops what waits, and the memory; gives how many datagrams that were.
    pub(crate) fn clear(&mut self) -> u64 {
        let dropped: usize = self.pieces(|_| usize::MAX).map(|out| out.pieces()).sum();
        let (sent, sent_bytes) = self.sent();
        *self = Self { sent, sent_bytes, ..Self::default() };
        dropped as u64
    }

    /// Moves everything of `other` behind what waits here.
    pub(crate) fn append(&mut self, other: &Self) {
        other.pieces(|_| usize::MAX).for_each(|out| self.push(out));
    }

    /// Gives memory back that a burst has left.
    pub(crate) fn shrink(&mut self, to: usize) {
        if self.is_empty() && self.bytes.capacity() > to {
            self.bytes = Vec::new();
            self.waiting = VecDeque::new();
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("waiting", &self.waiting.len()).field("cost", &self.cost).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn addr() -> Addr {
        SocketAddr::from(([10, 0, 0, 1], 7)).into()
    }

    fn lens(out: &Outbox, most: usize) -> Vec<(usize, Option<usize>)> {
        out.pieces(|_| most).map(|out| (out.data.len(), out.stride)).collect()
    }

    #[test]
    fn datagrams_leave_in_order_and_whole() {
        let (mut out, to) = (Outbox::new(), addr());
        for data in [&b"one"[..], b"", b"three"] {
            out.push(Outgoing::new(&to, data));
        }
        for data in [&b"one"[..], b"", b"three"] {
            assert_eq!(out.front().unwrap().data, data);
            out.advance(data.len());
        }
        assert!(out.is_empty() && out.front().is_none());
        assert_eq!((out.cost(), out.sent()), (0, (3, 8)));
    }

    #[test]
    fn strides_are_cut_where_the_system_wants_it() {
        let (mut out, to) = (Outbox::new(), addr());
        out.push(Outgoing { stride: Some(4), ..Outgoing::new(&to, b"aaaabbbbcc") });
        out.push(Outgoing { stride: Some(4), ..Outgoing::new(&to, b"dddd") });
        assert_eq!(lens(&out, 0), [(4, None), (4, None), (2, None), (4, None)]);
        assert_eq!(lens(&out, 9), [(8, Some(4)), (2, None), (4, None)]);
        assert_eq!(lens(&out, usize::MAX), [(10, Some(4)), (4, None)]);
        out.advance(8);
        assert_eq!(out.front().unwrap().data, b"cc");
        assert_eq!(out.sent(), (2, 8));
        out.discard(2);
        assert_eq!(out.front().unwrap().data, b"dddd");
        assert_eq!(out.clear(), 1);
        assert_eq!((out.cost(), out.sent()), (0, (2, 8)));
    }

    #[test]
    fn runs_are_what_could_have_been_sent_together() {
        let (mut out, to, other) = (Outbox::new(), addr(), Addr::from(SocketAddr::from(([10, 0, 0, 2], 7))));
        for data in ["aa", "bb", "c", "dd", "", "ee", "fff", "gg"] {
            out.push(Outgoing::new(&to, data.as_bytes()));
        }
        out.push(Outgoing::new(&other, b"hh"));
        out.push(Outgoing { ecn: Some(1), ..Outgoing::new(&other, b"ii") });
        out.push(Outgoing { ecn: Some(1), stride: Some(2), ..Outgoing::new(&other, b"jjkkl") });
        out.push(Outgoing { ecn: Some(1), stride: Some(2), ..Outgoing::new(&other, b"mmnn") });
        let runs = |most: usize| {
            let text = |out: Outgoing<'_>| (String::from_utf8(out.data.to_vec()).unwrap(), out.stride);
            out.runs(move |_| most).map(text).collect::<Vec<_>>()
        };
        let one = |text: &str| (text.to_owned(), None);
        let many = |text: &str| (text.to_owned(), Some(2));
        let ends = [one("ee"), (String::from("fffgg"), Some(3)), one("hh")];
        let before = [many("aabbc"), one("dd"), one("")].into_iter().chain(ends.clone());
        assert!(runs(100).into_iter().eq(before.chain([many("iijjkkl"), many("mmnn")])));
        let cut = [many("aabb"), one("c"), one("dd"), one("")].into_iter().chain(ends.into_iter().take(1));
        let cut =
            cut.chain([one("fff"), one("gg"), one("hh"), one("ii"), many("jjkk"), one("l"), many("mmnn")]);
        assert!(runs(4).into_iter().eq(cut), "{:?}", runs(4));
        let single = lens(&out, 0);
        let runs: Vec<_> = out.runs(|_| 0).map(|out| (out.data.len(), out.stride)).collect();
        assert_eq!(runs, single, "where nothing may be together they are pieces");
        out.advance(5);
        assert_eq!((out.sent(), out.front().unwrap().data), ((3, 5), &b"dd"[..]));
        out.advance(2);
        out.advance(0);
        assert_eq!((out.sent(), out.front().unwrap().data), ((5, 7), &b"ee"[..]));
        out.advance(1000);
        assert_eq!((out.is_empty(), out.cost(), out.sent()), (true, 0, (15, 27)));
    }

    #[test]
    fn memory_is_bounded_by_what_waits() {
        let (mut out, to) = (Outbox::new(), addr());
        out.push(Outgoing::new(&to, &[0; 1000]));
        for _ in 0..10_000 {
            out.push(Outgoing::new(&to, &[1; 1000]));
            out.advance(1000);
        }
        assert!(out.bytes.capacity() < 10_000, "{}", out.bytes.capacity());
        out.advance(1000);
        out.shrink(0);
        assert_eq!(out.bytes.capacity(), 0);
    }

    #[test]
    fn what_was_pushed_meanwhile_comes_behind() {
        let (mut out, mut late, to) = (Outbox::new(), Outbox::new(), addr());
        out.push(Outgoing::new(&to, b"first"));
        late.push(Outgoing { stride: Some(2), ..Outgoing::new(&to, b"second") });
        out.append(&late);
        assert_eq!(lens(&out, usize::MAX), [(5, None), (6, Some(2))]);
    }
}

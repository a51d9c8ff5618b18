//! Much data for a reader that is slow.

use crate::ground::Authority;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::LazyLock,
    time::Duration,
};
use trenza_core::{Input, IntoEndpoint, Limits, Policy, Protocol, Reason, Result, Seen, Timer, Transport};
use trenza_sim::Net;
use trenza_tls::{ServerTls, Side};

/// How much is sent.
const LENGTH: usize = 64 << 20;
/// How much is written at once.
const PIECE: usize = 16_000;
/// What the records of the unsent bytes have around them: a batch is written when 64 KiB were unsent.
const AROUND: usize = 8 * 22;
/// After so many bytes the reader rests, and for how long.
const BITE: usize = 300_000;
const REST: Duration = Duration::from_millis(5);

/// Bytes that repeat so seldom that no two buffers are alike, twice.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let once: Vec<u8> = (0..PERIOD as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    once.repeat(2)
});
const PERIOD: usize = 999_983;

/// The bytes from `at` on, of which there are at least as many as anybody asks for.
fn from(at: usize) -> &'static [u8] {
    &PATTERN[at % PERIOD..]
}

/// Sends all of it, as fast as it is taken.
struct Source {
    said: usize,
    length: usize,
}

impl Protocol for Source {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.writable(transport)
    }
    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Err("nothing is said to it".into())
    }
    fn writable(&mut self, transport: &Transport) -> Result {
        while self.said < self.length && !transport.is_full() {
            let piece = PIECE.min(self.length - self.said);
            transport.write(&from(self.said)[..piece]);
            self.said += piece;
        }
        if self.said == self.length {
            transport.close();
        }
        Ok(())
    }
}

/// Compares what comes, and rests now and then.
struct Sink {
    heard: Rc<Cell<usize>>,
    bite: usize,
    rest: Option<Timer>,
    lost: Rc<RefCell<Option<String>>>,
}

impl Protocol for Sink {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        let data = input.rest();
        let at = self.heard.get();
        assert!(from(at).starts_with(data), "altered behind {at}");
        self.heard.set(at + data.len());
        self.bite += data.len();
        if self.bite >= BITE {
            self.bite = 0;
            transport.pause();
            let on = transport.clone();
            self.rest = Some(transport.reactor().call_later(REST, move || on.resume()));
        }
        Ok(())
    }
    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        *self.lost.borrow_mut() = Some(reason.to_string());
    }
}

/// A connection, once it is there, and the most that it has held: what is unsent and what is unread.
#[derive(Clone, Default)]
struct Held(Rc<RefCell<Option<Transport>>>, Rc<Cell<[usize; 2]>>);

impl Held {
    fn policy(&self) -> Policy {
        let place = self.0.clone();
        Policy::new().tap(move |transport: &Transport| {
            *place.borrow_mut() = Some(transport.clone());
            |_: &Transport, _: Seen<'_>| ()
        })
    }

    fn look(&self) {
        let Some(counts) = self.0.borrow().as_ref().map(Transport::counts) else { return };
        let [unsent, unread] = self.1.get();
        self.1.set([unsent.max(counts.unsent), unread.max(counts.unread)]);
    }
}

#[test]
fn a_slow_reader_gets_all_and_nobody_holds_more_than_the_marks() {
    let (ca, limits) = (Authority::new("ca"), Limits::default());
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let client = ca.client().build().unwrap();
    // An even seed: nothing else happens; an odd one: whatever networks do.
    for (seed, length) in [(0, LENGTH), (1, LENGTH / 16), (3, LENGTH / 16), (5, LENGTH / 16)] {
        let net = if seed == 0 { Net::gentle(seed) } else { Net::new(seed) };
        let (source, sink) = (Held::default(), Held::default());
        let (heard, lost) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(None)));
        let on = server.over("tcp:443".into_endpoint().unwrap()).policy(source.policy());
        let serve = move |_: &Transport| Source { said: 0, length };
        net.host("srv").run(|reactor| reactor.listen(on, serve).map(drop)).unwrap();
        // One address: else there may be two connections at first.
        let to = client.to("srv").unwrap().over("tcp:10.0.0.1:443".into_endpoint().unwrap());
        let reader = Sink { heard: heard.clone(), bite: 0, rest: None, lost: lost.clone() };
        net.host("cli").run(|reactor| reactor.connect(to.policy(sink.policy()), move |_| reader).detach());
        net.run_until(|| {
            source.look();
            sink.look();
            lost.borrow().is_some()
        });
        assert_eq!((heard.get(), lost.take().as_deref()), (length, Some("closed by the peer")));
        let ([unsent, _], [_, unread]) = (source.1.get(), sink.1.get());
        println!("{seed}: {unsent} {unread}");
        assert!(unsent > limits.high, "the reader was slow: {unsent}");
        assert!(unsent <= limits.high + PIECE + AROUND, "{unsent} bytes unsent");
        assert!(unread <= 2 * limits.unread, "{unread} bytes unread");
    }
}

//! What one turn writes, and the records that it becomes.

use crate::ground::Authority;
use std::{cell::RefCell, fs::File, io::Write, rc::Rc, sync::Arc, time::Duration};
use trenza_core::{Input, IntoEndpoint, OutBuf, Policy, Protocol, Result, Seen, Transport};
use trenza_sim::Net;
use trenza_tls::{ServerTls, Side};

/// The longest content of a record (RFC 8446 section 5.1).
const CONTENT_MAX: usize = 1 << 14;
/// What a record of TLS 1.3 has besides its content: a header, a type and a seal.
const AROUND: usize = 5 + 1 + 16;

/// Bytes as they have left, and the contents of the records in them.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Vec<u8>>>);

impl Wire {
    /// The lengths of the contents of the records that have left since it was last asked.
    fn take_records(&self) -> Vec<usize> {
        let bytes = self.0.take();
        let (mut rest, mut lengths) = (&bytes[..], Vec::new());
        while let [_, 3, 3, high, low, ..] = rest {
            let record = 5 + usize::from(*high) * 256 + usize::from(*low);
            lengths.push(record - AROUND);
            rest = &rest[record..];
        }
        assert_eq!(rest, [0; 0], "half a record");
        lengths
    }
}

/// Writes when it is told to.
struct Writer;

impl Protocol for Writer {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// A connection over TLS that is there, and the wire of the server.
struct Scene {
    net: Net,
    wire: Wire,
    transport: Transport,
}

impl Scene {
    fn new() -> Self {
        let (ca, net, wire) = (Authority::new("ca"), Net::gentle(1), Wire::default());
        net.window(1 << 20);
        let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
        let sent = wire.clone();
        let policy = Policy::new().tap(move |_: &Transport| {
            let sent = sent.clone();
            move |_: &Transport, seen: Seen<'_>| {
                if let Seen::Sent(data) = seen {
                    sent.0.borrow_mut().extend_from_slice(data);
                }
            }
        });
        let on = server.over("tcp:443".into_endpoint().unwrap()).policy(policy);
        let srv = net.host("srv");
        srv.run(|reactor| reactor.listen(on, |_| Writer).map(drop)).unwrap();
        let to = ca.client().build().unwrap().to("srv").unwrap();
        let to = to.over("tcp:srv:443".into_endpoint().unwrap());
        net.host("cli").run(|reactor| reactor.connect(to, |_| Writer).detach());
        net.run();
        wire.0.take();
        let transport = srv.run(|reactor| reactor.connections().remove(0));
        Self { net, wire, transport }
    }

    /// The records that come of what is written in one turn.
    fn records(&self, write: impl FnOnce(&Transport) + 'static) -> Vec<usize> {
        let transport = self.transport.clone();
        self.transport.handle::<Writer>().call(move |_, _| {
            write(&transport);
            Ok(())
        });
        self.net.advance(Duration::from_secs(1));
        self.wire.take_records()
    }
}

/// Records of so many bytes in all, each as full as can be.
fn full(mut total: usize) -> Vec<usize> {
    let mut lengths = Vec::new();
    while total > 0 {
        lengths.push(total.min(CONTENT_MAX));
        total -= total.min(CONTENT_MAX);
    }
    lengths
}

#[test]
fn small_writes_of_one_turn_become_one_record() {
    let scene = Scene::new();
    assert_eq!(scene.records(|to| (0..1000).for_each(|_| to.write(b"word "))), [5000]);
    assert_eq!(scene.records(|to| (0..1000).for_each(|_| to.write(b"word "))), [5000], "and the next turn");
    assert_eq!(scene.records(|to| to.write(&[])), [0; 0], "nothing is no record");
    assert_eq!(scene.records(|to| to.write(&[7; 100_000])), full(100_000));
}

#[test]
fn pieces_of_any_kind_share_records() {
    let scene = Scene::new();
    for (pieces, length) in [(3, 5000), (150, 100), (63, 1000), (60, 20_000)] {
        let records = scene.records(move |to| {
            let mut out = OutBuf::new();
            for number in 0..pieces {
                match number % 3 {
                    0 => out.push_slice(&vec![1; length]),
                    1 => out.push_vec(vec![2; length]),
                    _ => out.push_bytes(vec![3; length].into()),
                }
            }
            to.send(&mut out);
        });
        assert_eq!(records, full(pieces * length), "{pieces} pieces of {length}");
    }
}

#[test]
fn a_file_that_must_be_read_holds_nothing_up_and_fills_its_records() {
    let scene = Scene::new();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[9; 40_000]).unwrap();
    let file: Arc<File> = file.into();
    let records = scene.records(move |to| {
        to.write(&[b'h'; 200]);
        to.send_file(file, 0..40_000);
    });
    assert_eq!(records, [vec![200], full(40_000)].concat());
}

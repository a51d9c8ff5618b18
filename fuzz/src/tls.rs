//! What the target `tls` checks; a test of `trenza-tls` replays its corpus with it.

use std::sync::LazyLock;
use trenza_core::{Buf, Flow, Layer, OutBuf, Wire};
use trenza_sim::Net;
use trenza_tls::{ClientTls, ClientTlsTo, Identity, ServerTls, Side, TlsLayer, Trust};

/// The most bytes that a peer who has shown no secret gets for what it says: a certificate and what belongs to it, an
/// alert, twice if it was asked for another key.
const ANSWER_MAX: usize = 8 * 1024;
/// How often everything is carried to and fro at the end, which is more often than a handshake needs.
const ROUNDS: usize = 8;

/// A server that nobody knows, and a client that believes everybody.
static TLS: LazyLock<(ServerTls, ClientTlsTo)> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("there is randomness");
    let params = rcgen::CertificateParams::new(["srv".to_owned()]).expect("it is a name");
    let pem = params.self_signed(&key).expect("it can sign").pem() + &key.serialize_pem();
    let identity = Identity::from_pem(pem.as_bytes()).expect("it was made for this");
    let server =
        ServerTls::new(identity).resumption(false).post_quantum(false).build().expect("all is there");
    let client = ClientTls::new().trust(Trust::DangerouslyAnybody).resumption(false).post_quantum(false);
    let client = client.build().expect("all is there").to("srv").expect("it is a name");
    (server, client)
});

fn server() -> TlsLayer {
    TLS.0.layer().expect("it is configured")
}

fn client() -> TlsLayer {
    TLS.1.layer().expect("it is configured")
}

/// The first byte says what the others are: steps of a session, or what a peer sends, and how that is cut.
pub(crate) fn tls(data: &[u8]) {
    let Some((size, rest)) = data.split_first() else { return };
    // TLS asks the loop for the time.
    Net::gentle(1).host("here").run(|_| match size {
        0 => session(rest),
        size => peer(usize::from(*size), rest),
    });
}

/// A server and a client get the message: how that ends does not depend on how it came, nothing is believed, and little
/// is answered.
fn peer(size: usize, message: &[u8]) {
    for layer in [server, client] {
        let whole = receive(layer(), [message]);
        assert_eq!(receive(layer(), message.chunks(size)), whole, "in pieces of {size}");
        assert_eq!(receive(layer(), message.chunks(1)), whole, "byte for byte");
    }
}

/// What became of a layer that gets some bytes: whether it failed.
fn receive<'a>(mut layer: TlsLayer, pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let (mut up, mut down) = (Buf::new(), OutBuf::new());
    layer.encode(&mut OutBuf::new(), &mut down).expect("it can begin");
    let before = down.len();
    for piece in pieces {
        let decoded = layer.decode(&mut Wire::new(&mut piece.to_vec()), &mut up, &mut down);
        assert!(up.is_empty() && !layer.ready(), "who says so?");
        assert!(down.len() - before <= ANSWER_MAX, "{} bytes for so little", down.len());
        match decoded {
            Ok(Flow::More) => {}
            Ok(flow) => return flow != Flow::End,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return true;
            }
        }
    }
    false
}

/// Each two bytes say what somebody does: write, close, carry some bytes of the wire, change or add some. What is heard
/// is what was said, or the beginning of it; where nobody has changed anything it is all, and so are the ends.
fn session(data: &[u8]) {
    let mut ends = [End::new(client()), End::new(server())];
    let (steps, _) = data.as_chunks::<2>();
    for &[what, amount] in steps {
        let amount = usize::from(amount);
        if what & 1 == 1 {
            ends.reverse();
        }
        let [from, to] = &mut ends;
        match what >> 1 {
            0 => from.write(amount * 61),
            1 => from.close(),
            2 => from.carry(usize::MAX, to),
            3 => from.carry(amount, to),
            4 => from.change(amount, to),
            5 => from.inject(amount, to),
            _ => {}
        }
        if what & 1 == 1 {
            ends.reverse();
        }
        check(&ends);
    }
    for _ in 0..ROUNDS {
        let [client, server] = &mut ends;
        client.carry(usize::MAX, server);
        server.carry(usize::MAX, client);
    }
    check(&ends);
    if ends.iter().all(|end| !end.forged) {
        for (end, other) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
            assert!(end.layer.ready() && !end.failed, "nobody has done anything to it");
            assert_eq!(end.heard.len(), other.said.len());
            assert_eq!(end.ended, other.closed);
        }
    }
}

fn check(ends: &[End; 2]) {
    for (end, other) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
        assert!(other.said.starts_with(&end.heard), "it hears what nobody said");
        // Before it is ready anybody can end it, and nobody above hears of that.
        let whole = other.closed && end.heard.len() == other.said.len();
        assert!(whole || !end.ended || !end.layer.ready(), "an end that nobody told");
    }
}

/// One side of a connection.
struct End {
    layer: TlsLayer,
    /// What it is to say when it can, and what it has sent.
    plain: OutBuf,
    wire: OutBuf,
    said: Vec<u8>,
    heard: Vec<u8>,
    /// It has said that this was all; it was told so.
    closed: bool,
    ended: bool,
    failed: bool,
    /// What it gets may not be what was sent.
    forged: bool,
}

impl End {
    fn new(layer: TlsLayer) -> Self {
        let mut end = Self {
            layer,
            plain: OutBuf::new(),
            wire: OutBuf::new(),
            said: Vec::new(),
            heard: Vec::new(),
            closed: false,
            ended: false,
            failed: false,
            forged: false,
        };
        end.flush();
        end
    }

    /// As a connection does at the end of a turn.
    fn flush(&mut self) {
        if self.failed {
            return;
        }
        if !self.layer.ready() {
            self.layer.encode(&mut OutBuf::new(), &mut self.wire).expect("it goes on");
        }
        if self.layer.ready() && self.plain.queued() > 0 {
            self.layer.encode(&mut self.plain, &mut self.wire).expect("it says what it likes");
        }
    }

    fn write(&mut self, length: usize) {
        if !self.closed && !self.failed {
            let data: Vec<u8> = (self.said.len()..).take(length).map(|at| (at % 251) as u8).collect();
            self.plain.push_slice(&data);
            self.said.extend(data);
            self.flush();
        }
    }

    fn close(&mut self) {
        if self.layer.ready() && !self.closed && !self.failed {
            self.layer.close_write(&mut self.wire);
            self.closed = true;
        }
    }

    /// Takes bytes off its wire.
    fn take(&mut self, most: usize) -> Vec<u8> {
        let mut part = self.wire.split_front(most.min(self.wire.queued()));
        part.take_queued().to_vec().expect("there is no file")
    }

    fn carry(&mut self, most: usize, to: &mut Self) {
        // Whoever was told lies may pass them on, or end.
        to.forged |= self.forged;
        let data = self.take(most);
        to.receive(data);
    }

    /// Carries bytes of which the last one is another.
    fn change(&mut self, most: usize, to: &mut Self) {
        let mut data = self.take(most);
        let Some(last) = data.last_mut() else { return };
        *last ^= 1 << (most % 8);
        to.forged = true;
        to.receive(data);
    }

    /// Carries bytes that nobody has sent.
    fn inject(&mut self, length: usize, to: &mut Self) {
        to.forged |= length > 0;
        to.receive(vec![length as u8; length]);
    }

    fn receive(&mut self, mut data: Vec<u8>) {
        if data.is_empty() || self.ended || self.failed {
            return;
        }
        let mut up = Buf::new();
        let decoded = self.layer.decode(&mut Wire::new(&mut data), &mut up, &mut self.wire);
        self.heard.extend(up.into_vec());
        match decoded {
            Ok(flow) => self.ended = flow == Flow::End,
            Err(error) => {
                assert!(self.forged, "{error}, though nobody has done anything");
                self.failed = true;
            }
        }
        self.flush();
    }
}

//! Ends in which layers or deadlines have a say.
#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::{
    Buf, Flow, Input, IntoEndpoint, Layer, Limits, OutBuf, Protocol, Reason, Result, Transport, Wire,
};
use trenza_sim::{HostHandle, Net, Probe, for_seeds};

type Log = Rc<RefCell<Vec<String>>>;

/// Passes bytes on. Answers each piece, whoever reads; a full stop ends its stream.
struct Chatty {
    answer: &'static [u8],
}

impl Layer for Chatty {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        down.push_slice(self.answer);
        let ends = wire.bytes().contains(&b'.');
        up.push(wire.bytes());
        wire.consume(usize::MAX);
        Ok(if ends { Flow::End } else { Flow::More })
    }
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        down.append(plain);
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }
}

/// Ends its side at once and hears the peer out.
struct Listener {
    log: Log,
    made: fn(&Transport),
}

impl Protocol for Listener {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        (self.made)(transport);
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.log.borrow_mut().push(String::from_utf8_lossy(input.rest()).into_owned());
        Ok(())
    }
    fn eof_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        self.log.borrow_mut().push("eof".into());
        Ok(())
    }
    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.log.borrow_mut().push(format!("lost: {reason}"));
    }
}

fn serve(net: &Net, answer: &'static [u8], made: fn(&Transport)) -> (HostHandle, Log, Probe) {
    let (log, srv) = (Log::default(), net.host("srv"));
    let written = log.clone();
    srv.run(move |reactor| {
        let on = "tcp:7007".into_endpoint().unwrap().layered(move || vec![Box::new(Chatty { answer })]);
        reactor.listen(on, move |_| Listener { log: written.clone(), made }).unwrap();
    });
    let cli = net.host("cli").probe("tcp:srv:7007");
    (srv, log, cli)
}

#[test]
fn what_a_layer_says_behind_our_end_is_not_sent() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let (_, log, cli) = serve(&net, b"pong", Transport::close_write);
        net.run();
        cli.send("one");
        net.run();
        cli.send("two");
        net.run();
        cli.close_write();
        net.run();
        assert_eq!(log.borrow().concat(), "onetwoeoflost: closed");
        assert!(cli.eof() && cli.received().is_empty());
    });
}

#[test]
fn a_stream_that_its_layer_has_ended_is_over_though_the_wire_stays_open() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let (srv, log, cli) = serve(&net, b"", Transport::close_write);
        cli.send("bye.");
        net.run();
        // Both directions have ended; the peer only does not close its socket.
        net.advance(Limits::default().linger + Duration::from_secs(1));
        assert_eq!(log.borrow().concat(), "bye.eoflost: closed");
        assert_eq!(srv.left().connections, 0);
    });
}

#[test]
fn what_layers_say_to_a_peer_that_does_not_read_is_bounded() {
    static ANSWER: [u8; 10_000] = [b'x'; 10_000];
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        let (srv, _, cli) = serve(&net, &ANSWER, |_| ());
        cli.read(false);
        let mut most = 0;
        for _ in 0..300 {
            cli.send("ping");
            net.run();
            let all = srv.reactor().connections();
            most = all.iter().map(|transport| transport.counts().unsent).max().unwrap_or_default().max(most);
        }
        let limits = Limits::default();
        assert!(most <= limits.high + 2 * ANSWER.len(), "{most} bytes were held");
        // It goes on when the peer reads.
        cli.read(true);
        net.advance(Duration::from_secs(60));
        assert_eq!(cli.received().len() % ANSWER.len(), 0);
        assert_eq!(srv.reactor().connections().iter().map(|t| t.counts().received).sum::<u64>(), 1200);
    });
}

#[test]
fn what_layers_say_is_limited_also_where_reading_goes_on() {
    static ANSWER: [u8; 10_000] = [b'x'; 10_000];
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        let (srv, log, cli) = serve(&net, &ANSWER, |transport| {
            transport.set_limits(Limits { read_while_full: true, unsent: 500_000, ..Limits::default() });
        });
        cli.read(false);
        for _ in 0..300 {
            cli.send("ping");
            net.run();
        }
        assert!(log.borrow().concat().ends_with("lost: too many unsent bytes"));
        assert_eq!(srv.left().connections, 0);
    });
}

/// Answers with more than the peer will take in its time, and closes.
struct Generous(Log);

impl Protocol for Generous {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.set_deadline(Some(Duration::from_secs(100)));
        transport.write(&[b'x'; 300_000]);
        transport.close();
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.0.borrow_mut().push(reason.to_string());
    }
}

#[test]
fn a_peer_that_takes_the_last_bytes_one_by_one_meets_the_deadline() {
    for_seeds(0..20, |seed| {
        let (net, log) = (Net::new(seed), Log::default());
        let written = log.clone();
        net.host("srv").listen("tcp:7007", move |_| Generous(written.clone()));
        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.window(16);
        for _ in 0..12 {
            cli.read(true);
            net.advance(Duration::from_millis(3));
            cli.read(false);
            net.advance(Duration::from_secs(9));
        }
        assert_eq!(*log.borrow(), ["the deadline passed"]);
    });
}

#[test]
fn the_deadline_does_not_cut_short_what_waits_for_the_peers_end_only() {
    for_seeds(0..20, |seed| {
        let (net, log) = (Net::new(seed), Log::default());
        let written = log.clone();
        let srv = net.host("srv");
        srv.listen("tcp:7007", move |_| Generous(written.clone()));
        let cli = net.host("cli").probe("tcp:srv:7007");
        net.advance(Duration::from_secs(1));
        srv.reactor().connections().iter().for_each(|one| one.set_deadline(Some(Duration::from_secs(1))));
        net.advance(Duration::from_secs(10));
        assert_eq!((cli.received().len(), log.borrow().concat()), (300_000, "closed".into()));
    });
}

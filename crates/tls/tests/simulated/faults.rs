//! What networks and rude peers do to TLS.

use crate::{
    ground::{Authority, Echo, Log, say, serve},
    relay::Relay,
};
use std::time::Duration;
use trenza_core::{Input, IntoEndpoint, Protocol, Reason, Result, Transport};
use trenza_sim::{Kind, Net, Probe, Verdict, for_seeds};
use trenza_tls::{ServerTls, Side};

fn server() -> ServerTls {
    ServerTls::new(Authority::new("ca").sign("srv", &["srv"])).build().unwrap()
}

/// Has a probe do something to a TLS server; gives what the server's protocols have heard.
fn rude(seed: u64, act: impl FnOnce(&Probe)) -> (Log, Probe) {
    let (net, heard) = (Net::new(seed), Log::default());
    let srv = net.host("srv");
    serve(&srv, &server(), &heard);
    let probe = net.host("cli").probe("tcp:srv:443");
    act(&probe);
    net.advance(Duration::from_secs(9));
    net.advance(Duration::from_secs(20));
    assert_eq!(srv.left().connections, 0, "nothing stays");
    (heard, probe)
}

#[test]
fn garbage_and_plain_requests_are_answered_with_an_alert_or_nothing_and_end() {
    for_seeds(0..10, |seed| {
        for what in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"\x16\x03\x01\xff\xff",
            b"\x16\x03\x01\x00\x05hello",
            b"SSH-2.0-x\r\n",
        ] {
            let (heard, probe) = rude(seed, |probe| probe.send(what));
            assert!(probe.lost() || probe.eof(), "{what:?}");
            assert_eq!(heard.lines(), [""; 0]);
        }
    });
}

#[test]
fn silence_is_ended_by_the_handshakes_limit() {
    for what in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let (heard, probe) = rude(1, |probe| probe.send(what));
        assert!(probe.lost());
        assert_eq!(heard.lines(), [""; 0]);
    }
}

#[test]
fn hanging_up_in_the_handshake_leaves_nothing() {
    for_seeds(0..10, |seed| {
        let (heard, _) = rude(seed, |probe| {
            probe.send(b"\x16\x03\x01\x02\x00\x01");
            if seed % 2 == 0 { probe.close() } else { probe.reset() }
        });
        assert_eq!(heard.lines(), [""; 0]);
    });
}

/// Writes, then is cut off without a close_notify.
struct Cut;

impl Protocol for Cut {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(b"all of it?");
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// Notes what comes and how it ends.
struct Listen(Log);

impl Protocol for Listen {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.note(String::from_utf8_lossy(input.rest()));
        Ok(())
    }
    fn eof_received(&mut self, transport: &Transport, _: &mut Input<'_>) -> Result {
        self.0.note("eof");
        transport.close();
        Ok(())
    }
    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.0.note(match reason {
            Reason::Truncated => "truncated".into(),
            other => other.to_string(),
        });
    }
}

#[test]
fn an_end_without_a_close_notify_is_truncation() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let client = ca.client().build().unwrap();
    for_seeds(0..10, |seed| {
        let (net, heard) = (Net::new(seed), Log::default());
        let on = server.over("tcp:443".into_endpoint().unwrap());
        net.host("srv").run(|reactor| reactor.listen(on, |_| Cut).map(drop)).unwrap();
        // A relay between them, which knows nothing of TLS and closes when it likes.
        let relay = Relay::new(&net);
        let to = client.to("srv").unwrap().over("tcp:relay:1".into_endpoint().unwrap());
        let log = heard.clone();
        net.host("cli").run(|reactor| reactor.connect(to, move |_| Listen(log)).detach());
        let mut carrier = relay.accept();
        carrier.carry_until(|| heard.lines().concat() == "all of it?");
        carrier.near.close();
        net.advance(Duration::from_secs(10));
        let lines = heard.lines();
        assert_eq!(lines.last().unwrap(), "truncated", "{lines:?}");
        assert_eq!(lines[..lines.len() - 1].concat(), "all of it?");
    });
}

#[test]
fn a_close_is_told_by_a_close_notify_and_half_a_close_too() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let client = ca.client().build().unwrap();
    for_seeds(0..20, |seed| {
        let (net, heard) = (Net::new(seed), Log::default());
        serve(&net.host("srv"), &server, &Log::default());
        let to = client.to("srv").unwrap().over("tcp:srv:443".into_endpoint().unwrap());
        let log = heard.clone();
        net.host("cli").run(|reactor| {
            reactor
                .connect(to, move |transport| {
                    transport.write(b"last words");
                    transport.close_write();
                    Listen(log)
                })
                .detach()
        });
        net.advance(Duration::from_secs(60));
        let lines = heard.lines();
        let [said @ .., eof, lost] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((said.concat().as_str(), eof.as_str()), ("last words", "eof"), "{lines:?}");
        assert!(lost.contains("closed"), "{lines:?}");
    });
}

#[test]
fn bytes_that_were_changed_on_the_way_reach_nobody() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let client = ca.client().build().unwrap();
    let (net, heard) = (Net::gentle(3), Log::default());
    let log = heard.clone();
    let on = server.over("tcp:443".into_endpoint().unwrap());
    net.host("srv").run(|reactor| reactor.listen(on, move |_| Listen(log.clone())).map(drop)).unwrap();
    let relay = Relay::new(&net);
    let to = client.to("srv").unwrap().over("tcp:relay:1".into_endpoint().unwrap());
    net.host("cli").run(|reactor| reactor.connect(to, |_| Cut).detach());
    let mut carrier = relay.accept();
    carrier.carry_until(|| heard.has("all of it?"));
    net.host("cli").run(|reactor| reactor.connections().iter().for_each(|cut| cut.write(b"and this?")));
    net.run();
    let mut changed = carrier.near.take_received();
    *changed.last_mut().unwrap() ^= 1;
    carrier.far.send(changed);
    net.advance(Duration::from_secs(10));
    let lines = heard.lines();
    let [said @ .., lost] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(said.concat(), "all of it?");
    assert!(lost.contains("TLS failed"), "{lines:?}");
}

#[test]
fn resets_and_black_holes_at_any_step_leave_nothing() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let client = ca.client().build().unwrap();
    for_seeds(0..60, |seed| {
        let (net, heard, said) = (Net::new(seed), Log::default(), Log::default());
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        let on = server.over("tcp:443".into_endpoint().unwrap());
        let log = heard.clone();
        srv.run(|reactor| {
            reactor.listen(on, move |transport| {
                transport.set_timeout(Some(Duration::from_secs(30)));
                Echo(log.clone())
            })
        })
        .unwrap();
        let mut left = seed / 2 % 12;
        let _rule = net.rule(move |packet| {
            if !matches!(packet.kind(), Kind::Data(_)) {
                return Verdict::Pass;
            }
            left = left.wrapping_sub(1);
            match left {
                0 if seed % 2 == 0 => Verdict::Reset,
                0 => Verdict::Drop,
                _ => Verdict::Pass,
            }
        });
        say(&net, &client, "srv", &[7; 100_000], &said);
        net.advance(Duration::from_secs(200));
        let lost = heard.lines().iter().filter(|line| line.starts_with("lost")).count();
        let made = heard.lines().iter().filter(|line| line.starts_with("made")).count();
        assert_eq!(made, lost, "{:?}", heard.lines());
        assert_eq!(srv.left().connections, 0);
        // A client that is not answered any more waits for what its user has set: here nothing.
        cli.run(|reactor| reactor.connections().iter().for_each(Transport::abort));
        net.advance(Duration::from_secs(1));
        assert_eq!(cli.left().connections, 0);
    });
}

//! Whatever may go wrong between client and server, at each step of a session.

use crate::{left_over, messages, reception, serve};
use std::time::Duration;
use trenza_sim::{Fault, Net, for_seeds};

const SCRIPT: &str = "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n";

fn text() -> String {
    (0..300).map(|n| format!("{n} {}\r\n", "y".repeat(60))).collect()
}

fn script() -> String {
    let chunk = text();
    let size = chunk.len();
    format!(
        "{SCRIPT}{chunk}.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@example.org>\r\nBDAT {size}\r\n{chunk}BDAT 0 LAST\r\nQUIT\r\n"
    )
}

/// How many messages the client was told to be taken.
fn told(received: &[u8]) -> usize {
    String::from_utf8_lossy(received).matches("250 2.0.0 Taken as ").count()
}

#[test]
fn any_fault_at_any_time() {
    for (number, fault) in (0..).zip(Fault::all()) {
        for step in 0..6 {
            let net = fault.net(number * 10 + step);
            let (srv, cli) = (net.host("srv"), net.host("cli"));
            serve(&srv, &reception());
            let client = cli.probe("tcp:srv:25");
            client.send(script());
            net.advance(Duration::from_millis(step * 23));
            let guard = fault.strike(&net, &srv, &cli);
            net.advance(Duration::from_secs(400));
            drop(guard);
            net.advance(Duration::from_secs(8000));
            let when = format!("{fault:?} at {step}");
            let stored = messages(&srv.disk(), "ann");
            assert!(stored.iter().all(|message| message.ends_with(&text())), "{when}");
            assert!(
                stored.len() >= told(&client.received()) && stored.len() <= 2,
                "{when}: {}",
                stored.len()
            );
            if fault.is_harmless() {
                assert_eq!((stored.len(), told(&client.received())), (2, 2), "{when}");
            }
            if srv.is_running() {
                let left = srv.left();
                assert!(left.connections == 0 && left.ports <= 1, "{when}: {:?}", srv.leftovers());
            }
            // A machine that has crashed, or was stopped in the middle, leaves temporary files for the sweep.
            let stopped = matches!(
                fault,
                Fault::ServerKilled | Fault::ServerCrash | Fault::ServerRestart | Fault::Jobs(_)
            );
            assert!(stopped || left_over(&srv.disk(), "ann").is_empty(), "{when}");
        }
    }
}

#[test]
fn hostile_networks_do_no_harm() {
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        serve(&srv, &reception());
        let client = cli.probe("tcp:srv:25");
        client.send(script());
        net.advance(Duration::from_secs(60));
        assert_eq!(told(&client.received()), 2, "{}", String::from_utf8_lossy(&client.received()));
        let stored = messages(&srv.disk(), "ann");
        assert!(stored.len() == 2 && stored.iter().all(|message| message.ends_with(&text())));
        assert_eq!(srv.left().connections, 0, "{:?}", srv.leftovers());
    });
}

//! Whatever may go wrong between client and server, at each step of a session.

use crate::server;
use bytes::Bytes;
use std::time::Duration;
use trenza_core::Result;
use trenza_ftp::{ClientOptions, Dial};
use trenza_sim::{Fault, HostHandle, Net, for_seeds};

fn content() -> Vec<u8> {
    (0..30_000_u32).map(|n| (n % 241) as u8).collect()
}

/// A client that stores a file, lists it, fetches it, renames and removes one.
fn go(client: &HostHandle, active: bool) -> trenza_core::Deferred<()> {
    let dial = Dial::new("tcp:srv:21", ClientOptions::new().active(active)).unwrap().account("ann", "secret");
    client.run(|reactor| {
        reactor.spawn(async move {
            let mut client = dial.open().await?;
            let mut left = Some(Bytes::from(content()));
            client.store("a", 0, async || Ok(left.take())).await?;
            client.list(None).await?;
            let mut got = Vec::new();
            client
                .retrieve("a", 0, async |piece| {
                    got.extend_from_slice(&piece);
                    Ok(())
                })
                .await?;
            assert!(got == content(), "what was told to be whole is not");
            client.mkdir("d").await?;
            client.rename("a", "d/a").await?;
            client.quit().await?;
            Ok(())
        })
    })
}

/// What is there is whole, or the beginning of it; and nothing is left of whoever has gone.
fn is_in_order(srv: &HostHandle, when: &str) {
    let root = srv.disk().root();
    for entry in root.list().unwrap() {
        let name = entry.name.to_string_lossy().into_owned();
        assert!(name == "a" || name == "d", "{when}: {name}");
        if name == "a" {
            let found = root.open("a", trenza_sim::DiskOpen::Read).unwrap().read_all().unwrap();
            assert!(content().starts_with(&found), "{when}");
        }
    }
}

fn serve(srv: &HostHandle) -> Result {
    let server = server(srv.disk());
    srv.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop))
}

#[test]
fn any_fault_at_any_time() {
    for (number, fault) in (0..).zip(Fault::all()) {
        for step in 0..6 {
            let net = fault.net(number * 10 + step);
            let (srv, cli) = (net.host("srv"), net.host("cli"));
            serve(&srv).unwrap();
            let done = go(&cli, step % 2 == 1);
            done.detach();
            net.advance(Duration::from_millis(step * 37));
            let guard = fault.strike(&net, &srv, &cli);
            net.advance(Duration::from_secs(400));
            drop(guard);
            net.advance(Duration::from_secs(900));
            let when = format!("{fault:?} at {step}");
            if srv.is_running() {
                let left = srv.left();
                assert!(left.connections == 0 && left.ports <= 1, "{when}: {:?}", srv.leftovers());
            }
            // A machine that has crashed, and one that was stopped in the middle, leave temporary files for the sweep.
            let stopped = matches!(
                fault,
                Fault::ServerKilled | Fault::ServerCrash | Fault::ServerRestart | Fault::Jobs(_)
            );
            if !stopped {
                is_in_order(&srv, &when);
            }
        }
    }
}

#[test]
fn hostile_networks_do_no_harm() {
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        serve(&srv).unwrap();
        let dial = Dial::new("tcp:srv:21", ClientOptions::new()).unwrap().account("ann", "secret");
        net.block_on(&cli, async move {
            let mut client = dial.open().await?;
            for name in ["a", "b"] {
                let mut left = Some(Bytes::from(content()));
                client.store(name, 0, async || Ok(left.take())).await?;
                assert_eq!(client.size(name).await?, content().len() as u64);
            }
            client.quit().await?;
            Ok(())
        })
        .unwrap();
        net.advance(Duration::from_secs(10));
        assert_eq!(srv.left().connections, 0, "{:?}", srv.leftovers());
    });
}

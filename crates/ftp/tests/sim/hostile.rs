//! A server that resets, closes, delays or talks nonsense at every step; faults of the network.

use super::{Site, fetch, pattern, put};
use crate::server::Trick;
use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::Result;
use trenza_ftp::{Client, ClientError, ClientOptions, Dial};
use trenza_sim::{Fault, HostHandle, Net};

/// The commands of a session, each once.
const STEPS: [&str; 11] =
    ["USER", "PASS", "FEAT", "OPTS", "TYPE", "EPSV", "REST", "RETR", "STOR", "MLSD", "SIZE"];

async fn session(client: &mut Client) -> Result {
    fetch(client, "a", 5).await?;
    put(client, "b", 0, &pattern(20_000)).await?;
    client.list(None).await?;
    client.size("a").await?;
    Ok(())
}

/// What becomes of a session that meets a trick at one step.
fn outcome(verb: &'static str, trick: Trick) -> Result<(), ClientError> {
    let site = Site::gentle().file("a", pattern(20_000)).trick(verb, trick);
    let done = site.with(ClientOptions::new(), async |client| session(client).await);
    assert!(site.net.elapsed() < Duration::from_secs(100), "{verb} {trick:?} took {:?}", site.net.elapsed());
    site.assert_quiet();
    done.map_err(|error| *error.downcast::<ClientError>().unwrap())
}

#[test]
fn every_step_may_be_the_last() {
    for verb in STEPS {
        for trick in [Trick::Reset, Trick::Close] {
            let error = outcome(verb, trick).unwrap_err();
            assert!(matches!(error, ClientError::Connection { .. }), "{verb} {trick:?}: {error:?}");
            assert!(error.is_transient());
        }
    }
}

#[test]
fn every_step_may_take_its_time_but_not_for_ever() {
    for verb in STEPS {
        outcome(verb, Trick::Delay(Duration::from_secs(50))).unwrap();
        let error = outcome(verb, Trick::Delay(Duration::from_secs(70))).unwrap_err();
        assert!(matches!(error, ClientError::TimedOut { .. }), "{verb}: {error:?}");
    }
}

#[test]
fn every_step_may_be_answered_with_nonsense() {
    for verb in STEPS {
        for nonsense in ["what?\r\n", "999 x\r\n", "2000 x\r\n", "\r\n"] {
            let error = outcome(verb, Trick::Say(nonsense)).unwrap_err();
            assert!(matches!(error, ClientError::Protocol { .. }), "{verb} {nonsense:?}: {error:?}");
        }
    }
    let endless =
        outcome("SIZE", Trick::Say(Box::leak("150 wait\r\n".repeat(100).into_boxed_str()))).unwrap_err();
    assert!(matches!(endless, ClientError::Protocol { .. }), "{endless:?}");
    let endless = Box::leak(format!("211-\r\n{}", "x\r\n".repeat(5000)).into_boxed_str());
    assert!(matches!(outcome("FEAT", Trick::Say(endless)), Err(ClientError::Protocol { .. })));
}

#[test]
fn every_fault_ends_in_files_that_are_whole_or_in_an_error() {
    for fault in Fault::all() {
        for seed in 0..3 {
            let site = Site::new(fault.net(seed)).file("a", pattern(60_000));
            let dial = Dial::new("tcp:srv:21", ClientOptions::new()).unwrap().account("ann", "secret");
            let all = async move {
                let mut client = dial.open().await?;
                let fetched = fetch(&mut client, "a", 0).await?;
                put(&mut client, "b", 0, &fetched).await?;
                Ok(fetched)
            };
            let result = run(&site.client(), all);
            // In the middle of the dialogue, whatever the network's latency.
            site.net.advance(Duration::from_millis(seed * 40));
            let _guard = fault.strike(&site.net, &site.net.host("srv"), &site.client());
            site.net.advance(Duration::from_secs(900));
            match result.take() {
                Some(Ok(fetched)) => {
                    assert_eq!(fetched, pattern(60_000), "{fault:?}");
                    assert_eq!(site.stored("b"), Some(pattern(60_000)), "{fault:?}");
                }
                Some(Err(error)) => assert!(!fault.is_harmless(), "{fault:?}: {error}"),
                None => assert!(site.client().is_down(), "{fault:?}: it never ends"),
            }
        }
    }
}

/// Begins something; the result is there when it has ended.
fn run<T: 'static>(host: &HostHandle, task: impl Future<Output = Result<T>> + 'static) -> Outcome<T> {
    let outcome = Outcome::default();
    let place = outcome.clone();
    host.run(|reactor| reactor.spawn(task).then(move |result| *place.borrow_mut() = Some(result)));
    outcome
}

type Outcome<T> = Rc<RefCell<Option<Result<T>>>>;

#[test]
fn a_partition_is_waited_out_or_given_up() {
    for (seconds, well) in [(30, true), (200, false)] {
        let site = Site::new(Net::gentle(1)).file("a", pattern(2_000_000));
        site.net.bandwidth(200_000);
        let net = site.net.host("cli");
        let dial = Dial::new("tcp:srv:21", ClientOptions::new()).unwrap().account("ann", "secret");
        let result = run(&net, async move { fetch(&mut dial.open().await?, "a", 0).await });
        site.net.advance(Duration::from_secs(3));
        let partition = site.net.partition(&[&site.net.host("srv")], &[&net]);
        site.net.advance(Duration::from_secs(seconds));
        drop(partition);
        site.net.advance(Duration::from_secs(200));
        let fetched = result.take().expect("it has ended");
        assert_eq!(fetched.is_ok_and(|fetched| fetched == pattern(2_000_000)), well, "{seconds} s");
    }
}

//! Files that go both ways.

use super::{Site, fetch, pattern, put};
use crate::server::Trick;
use std::{cell::Cell, net::Ipv4Addr, rc::Rc, time::Duration};
use trenza_core::timeout;
use trenza_ftp::{ClientError, ClientOptions, Code, command::TransferType, listing::Kind};
use trenza_sim::{Net, for_seeds};

#[test]
fn files_go_both_ways_passive_and_active_on_any_network() {
    for_seeds(0..30, |seed| {
        for active in [false, true] {
            let site = Site::new(Net::new(seed)).file("big", pattern(100_000)).file("empty", "");
            let done = site.with(ClientOptions::new().active(active), async |client| {
                assert_eq!(fetch(client, "big", 0).await?, pattern(100_000));
                assert_eq!(fetch(client, "big", 99_000).await?, pattern(100_000)[99_000..]);
                assert_eq!(fetch(client, "empty", 0).await?, b"");
                assert_eq!(put(client, "new", 0, &pattern(70_000)).await?, 70_000);
                assert_eq!(put(client, "new", 60_000, b"end").await?, 3);
                assert_eq!(client.size("new").await?, 60_003);
                let names = client.list(None).await?;
                let names: Vec<_> =
                    names.into_iter().map(|entry| (entry.name, entry.kind, entry.size)).collect();
                let file = |name: &str, size| (name.into(), Kind::File, Some(size));
                assert_eq!(names, [file("big", 100_000), file("empty", 0), file("new", 60_003)]);
                Ok(())
            });
            done.unwrap();
            let mut expected = pattern(60_000);
            expected.extend(b"end");
            assert_eq!(site.stored("new"), Some(expected));
            site.assert_quiet();
        }
    });
}

#[test]
fn without_epsv_and_mlsd() {
    let site = Site::gentle().file("a b", "1");
    site.script.borrow_mut().unknown = vec!["EPSV", "FEAT", "MLSD"];
    let done = site.with(ClientOptions::new(), async |client| {
        for _ in 0..2 {
            let names: Vec<_> = client.list(None).await?.into_iter().map(|entry| entry.name).collect();
            assert_eq!(names, [b"a b"]);
        }
        assert_eq!(client.nlst(None).await?, [b"a b"]);
        Ok(())
    });
    done.unwrap();
    assert_eq!((site.heard("EPSV"), site.heard("PASV")), (1, 3));
}

#[test]
fn the_address_in_a_reply_to_pasv_counts_only_if_asked_for() {
    let elsewhere = Ipv4Addr::new(10, 9, 9, 9);
    let fetched = |trust: bool| {
        let site = Site::gentle().file("a", "1");
        site.script.borrow_mut().unknown = vec!["EPSV"];
        site.script.borrow_mut().passive_host = Some(elsewhere.octets());
        site.with(ClientOptions::new().trust_passive_host(trust), async |client| fetch(client, "a", 0).await)
    };
    assert_eq!(fetched(false).unwrap(), b"1");
    assert!(fetched(true).is_err());
}

/// As behind a proxy, whose address is all that is known of the server's.
#[test]
fn data_go_another_way_if_asked_for() {
    let site = Site::gentle().file("a", "1");
    let asked = Rc::new(Cell::new(0));
    let count = asked.clone();
    let options = ClientOptions::new().data_endpoint(move |port| {
        count.set(count.get() + 1);
        format!("tcp:srv:{port}")
    });
    assert_eq!(site.with(options, async |client| fetch(client, "a", 0).await).unwrap(), b"1");
    assert_eq!(asked.get(), 1);
    let nowhere = ClientOptions::new().data_endpoint(|_| "tcp:nowhere:1".into());
    assert!(site.with(nowhere, async |client| fetch(client, "a", 0).await).is_err());
}

#[test]
fn text_has_lf_here_and_crlf_there() {
    let site = Site::gentle().file("text", "a\r\nb\rc\r\n");
    let done = site.with(ClientOptions::new(), async |client| {
        client.set_type(TransferType::Ascii);
        assert_eq!(fetch(client, "text", 0).await?, b"a\nb\rc\n");
        assert_eq!(put(client, "new", 0, b"x\ny\n").await?, 4);
        client.set_type(TransferType::Image);
        fetch(client, "text", 0).await
    });
    assert_eq!(done.unwrap(), b"a\r\nb\rc\r\n");
    assert_eq!(site.stored("new").unwrap(), b"x\r\ny\r\n");
    assert_eq!(site.heard("TYPE"), 2);
}

#[test]
fn the_final_reply_may_come_before_the_data() {
    for_seeds(0..20, |seed| {
        let site = Site::new(Net::new(seed)).file("a", pattern(50_000)).trick("RETR", Trick::Early);
        let fetched = site.with(ClientOptions::new(), async |client| {
            let fetched = fetch(client, "a", 0).await?;
            client.noop().await?;
            Ok(fetched)
        });
        assert_eq!(fetched.unwrap(), pattern(50_000));
    });
}

/// Whatever goes wrong with one transfer, the next one goes well.
#[test]
fn a_connection_goes_on_after_a_transfer_that_failed() {
    for_seeds(0..10, |seed| {
        for (verb, trick, code) in [
            ("RETR", Trick::CutData, Some(426)),
            ("RETR", Trick::RefuseData, Some(451)),
            ("RETR", Trick::StallData, None),
            ("RETR", Trick::Say("550 no\r\n"), Some(550)),
            ("EPSV", Trick::Say("425 no port is free\r\n"), None),
            ("STOR", Trick::RefuseData, Some(452)),
            ("STOR", Trick::CutData, Some(426)),
            ("STOR", Trick::Say("553 no\r\n"), Some(553)),
            ("REST", Trick::Say("501 no\r\n"), Some(501)),
        ] {
            let site = Site::new(Net::new(seed)).file("a", pattern(300_000)).trick(verb, trick);
            let done = site.with(ClientOptions::new(), async move |client| {
                let first = match verb {
                    "STOR" => put(client, "b", 0, &pattern(3_000_000)).await.map(drop),
                    "REST" => fetch(client, "a", 7).await.map(drop),
                    _ => fetch(client, "a", 0).await.map(drop),
                };
                let first = first.map_err(|error| error.downcast::<ClientError>().unwrap());
                match (code, first) {
                    (Some(code), Err(error)) => {
                        assert_eq!(error.code(), Code::new(code), "{verb} {trick:?} {error}")
                    }
                    // It went idle, or was asked for in another way.
                    (None, Err(error)) => {
                        assert!(error.io_kind().is_some() && error.is_transient(), "{error:?}")
                    }
                    (None, Ok(())) => assert_eq!(verb, "EPSV"),
                    (Some(_), Ok(())) => panic!("{verb} {trick:?} went well"),
                }
                assert_eq!(fetch(client, "a", 0).await?, pattern(300_000), "{verb} {trick:?}");
                Ok(())
            });
            done.unwrap();
            site.assert_quiet();
        }
    });
}

#[test]
fn a_transfer_is_given_up_by_dropping_it() {
    for_seeds(0..10, |seed| {
        for (abort, once) in [(false, false), (true, false), (true, true)] {
            let mut site =
                Site::new(Net::new(seed)).file("a", pattern(300_000)).trick("RETR", Trick::StallData);
            if once {
                site = site.trick("RETR", Trick::AbortOnce);
            }
            let done = site.with(ClientOptions::new(), async move |client| {
                let given_up = timeout(Duration::from_secs(5), async { fetch(client, "a", 0).await }).await;
                assert!(given_up.is_err());
                if abort {
                    client.abort().await?;
                }
                assert_eq!(fetch(client, "a", 299_990).await?, pattern(300_000)[299_990..]);
                assert_eq!(fetch(client, "a", 0).await?.len(), 300_000);
                Ok(())
            });
            done.unwrap();
            site.assert_quiet();
        }
    });
}

#[test]
fn an_error_at_this_end_is_ours() {
    let site = Site::gentle().file("a", pattern(300_000));
    let done = site.with(ClientOptions::new(), async |client| {
        let error = client.retrieve("a", 0, async |_| Err("the disk is full".into())).await.unwrap_err();
        assert!(error.is_local(), "{error}");
        assert_eq!(error.to_string(), "RETR a: the disk is full");
        let error = client.store("b", 0, async || Err("unreadable".into())).await.unwrap_err();
        assert!(error.is_local(), "{error}");
        let error = client.retrieve("a\r\nDELE a", 0, async |_| Ok(())).await.unwrap_err();
        assert!(error.is_local(), "{error}");
        Ok(fetch(client, "a", 0).await?.len())
    });
    assert_eq!(done.unwrap(), 300_000);
    assert_eq!((site.stored("b"), site.heard("DELE")), (None, 0));
}

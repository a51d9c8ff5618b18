//! What is kept, for how long, and what goes when there is no room.

use super::ns::{Ns, a, look_up, record, soa};
use crate::{Config, ErrorKind, RData, RecordType, ResponseCode, rdata};
use std::time::Duration;
use trenza_core::Reactor;
use trenza_sim::Net;

async fn pass(seconds: u64) {
    Reactor::current().sleep(Duration::from_secs(seconds)).await;
}

#[test]
fn an_answer_is_kept_as_long_as_it_holds() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        let ttl = asked.name().trim_start_matches('t').parse().unwrap();
        vec![asked.with([a(&asked.name(), ttl, 1)])]
    });
    let mut config = Config::asking([ns.at]);
    config.cache.ttl_min = Duration::from_secs(10);
    config.cache.ttl_max = Duration::from_secs(100);
    let asked = ns;
    look_up(&net, config, |resolver| async move {
        // Its time to live, for how long it is really kept.
        for (ttl, kept) in [(0u32, 0), (1, 10), (50, 50), (1000, 100), (u32::MAX, 0), (i32::MAX as u32, 100)]
        {
            let name = format!("t{ttl}");
            let before = asked.asked().len();
            resolver.ipv4(&name).await.unwrap();
            if kept > 0 {
                pass(kept - 1).await;
                resolver.ipv4(&name.to_uppercase()).await.unwrap();
                assert_eq!(asked.asked().len(), before + 1, "{ttl} is not kept");
                pass(2).await;
            }
            resolver.ipv4(&name).await.unwrap();
            assert_eq!(asked.asked().len(), before + 2, "{ttl} is kept too long");
        }
    });
}

#[test]
fn what_does_not_exist_is_kept_too() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        let mut answer = asked.answer();
        // RFC 2308 section 5: the lesser of the record's time to live and the minimum in it.
        match asked.name().as_str() {
            "none" => {
                answer.add_authority(soa(".", 300, 900)).metadata.response_code = ResponseCode::NXDomain
            }
            "empty" => drop(answer.add_authority(soa("empty", 900, 300))),
            "elsewhere" => drop(answer.add_authority(soa("other", 900, 300))),
            "long" => {
                answer.add_authority(soa(".", 1_000_000, 1_000_000)).metadata.response_code =
                    ResponseCode::NXDomain
            }
            _ => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        vec![answer.to_vec().unwrap()]
    });
    let asked = ns.clone();
    look_up(&net, Config::asking([ns.at]), |resolver| async move {
        let count = || asked.asked().len();
        let ask = async |name: &str, record_type| resolver.lookup(name, record_type).await.unwrap_err().kind;
        assert_eq!(ask("none", RecordType::A).await, ErrorKind::NoName);
        pass(299).await;
        // No name has no record of any type.
        assert_eq!(ask("none", RecordType::MX).await, ErrorKind::NoName);
        assert_eq!(count(), 1);
        pass(2).await;
        assert_eq!(ask("none", RecordType::A).await, ErrorKind::NoName);
        assert_eq!(count(), 2);

        assert_eq!(ask("empty", RecordType::A).await, ErrorKind::NoData);
        assert_eq!(ask("empty", RecordType::A).await, ErrorKind::NoData);
        assert_eq!(count(), 3);
        assert_eq!(ask("empty", RecordType::MX).await, ErrorKind::NoData);
        assert_eq!(count(), 4);

        // Without the SOA of its own zone nothing says for how long.
        for name in ["elsewhere", "silent"] {
            let before = count();
            ask(name, RecordType::A).await;
            ask(name, RecordType::A).await;
            assert_eq!(count(), before + 2, "{name}");
        }
        let before = count();
        ask("long", RecordType::A).await;
        pass(3601).await;
        ask("long", RecordType::A).await;
        assert_eq!(count(), before + 2);
    });
}

#[test]
fn failures_are_not_kept() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| vec![asked.code(ResponseCode::ServFail)]);
    let asked = ns.clone();
    look_up(&net, Config::asking([ns.at]), |resolver| async move {
        resolver.ipv4("a").await.unwrap_err();
        let before = asked.asked().len();
        resolver.ipv4("a").await.unwrap_err();
        assert!(asked.asked().len() > before);
        assert_eq!(resolver.kept(), (0, 0));
    });
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| vec![asked.with([a(&asked.name(), 600, 1)])]);
    let mut config = Config::asking([ns.at]);
    config.cache.entries = 3;
    let asked = ns;
    look_up(&net, config, |resolver| async move {
        for name in ["a", "b", "c", "a", "d", "a", "c", "d"] {
            resolver.ipv4(name).await.unwrap();
        }
        let count = asked.asked().len();
        assert_eq!((count, resolver.kept().0), (4, 3));
        resolver.ipv4("b").await.unwrap();
        assert_eq!(asked.asked().len(), 5);
        resolver.forget();
        assert_eq!(resolver.kept(), (0, 0));
    });
}

#[test]
fn the_bytes_that_are_kept_have_a_limit() {
    let net = Net::gentle(1);
    let ns = Ns::start(&net.host("ns"), |asked| {
        let text = vec![vec![b'x'; 255]; if asked.name() == "giant" { 250 } else { 4 }];
        let text = rdata::TXT::from_bytes(text.iter().map(Vec::as_slice).collect());
        vec![if asked.tcp { asked.with([record(&asked.name(), 600, RData::TXT(text))]) } else { asked.cut() }]
    });
    let mut config = Config::asking([ns.at]);
    config.cache.bytes = 20_000;
    look_up(&net, config, |resolver| async move {
        for number in 0..100 {
            resolver.txt(&format!("n{number}")).await.unwrap();
            assert!(resolver.kept().1 <= 20_000);
        }
        let kept = resolver.kept();
        assert!(kept.0 >= 5 && kept.1 > 10_000, "{kept:?}");
        assert_eq!(resolver.txt("giant").await.unwrap()[0].len(), 255 * 250);
        assert_eq!(resolver.kept(), kept, "what has no room throws nobody out");
    });
}

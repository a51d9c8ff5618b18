//! The files of the system.

use super::ns::{Ns, a};
use crate::{
    Config, Files, Hosts, LOOK_AGAIN, RecordType, ResolvConf, Resolver, SEARCH_MAX, SERVERS_MAX,
    server_address,
};
use std::{fs, net::IpAddr, time::Duration};
use trenza_core::Reactor;
use trenza_sim::Net;

#[test]
fn resolv_conf_is_read() {
    let conf = ResolvConf::parse(
        b"# comment\n; another\nnameserver 192.0.2.1\n\tnameserver\t2001:db8::1 \r\nnameserver nonsense\nnameserver\n\
          domain old.example\nsearch a.example b.example. . bad..name\noptions ndots:3 timeout:9\noptions attempts:4 rotate edns0\n\
          sortlist 10.0.0.0\nNAMESERVER 192.0.2.9\n",
    );
    let servers: Vec<String> = conf.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::1]:53"]);
    let search: Vec<String> = conf.search.iter().map(ToString::to_string).collect();
    assert_eq!(search, ["a.example.", "b.example."]);
    assert_eq!((conf.ndots, conf.timeout, conf.attempts, conf.rotate), (3, Duration::from_secs(9), 4, true));
}

#[test]
fn the_last_list_counts() {
    let search = |file: &str| ResolvConf::parse(file.as_bytes()).search.len();
    assert_eq!(search("domain a\nsearch b c"), 2);
    assert_eq!(search("search b c\ndomain a"), 1);
    assert_eq!(search("search b c\nsearch"), 0);
}

#[test]
fn resolv_conf_has_limits() {
    let many = "nameserver 192.0.2.1\n".repeat(100) + "search" + &" a.example".repeat(100);
    let conf = ResolvConf::parse(many.as_bytes());
    assert_eq!((conf.servers.len(), conf.search.len()), (SERVERS_MAX, SEARCH_MAX));
    let conf = ResolvConf::parse(b"options ndots:99 timeout:0 attempts:1000\noptions timeout:x ndots");
    assert_eq!((conf.ndots, conf.timeout, conf.attempts), (15, Duration::from_secs(1), 5));
    assert_eq!(ResolvConf::parse(b"options timeout:4294967295").timeout, Duration::from_secs(30));
}

#[test]
fn without_a_file_the_server_is_on_this_host() {
    let config = Config::from(ResolvConf::parse(b""));
    assert_eq!(config.servers, ["127.0.0.1:53".parse().unwrap()]);
    assert!(Config::asking([]).servers.is_empty(), "who names none has none");
}

#[test]
fn hosts_are_read() {
    let hosts = Hosts::parse(
        b"127.0.0.1 localhost\n::1\tlocalhost ip6-localhost # it\nfe80::1%lo0 scoped\nnonsense name\n192.0.2.1\n\
          192.0.2.2 Two two.example.\n192.0.2.3 two\n192.0.2.2 two",
    );
    let two: [IpAddr; 2] = [[192, 0, 2, 2].into(), [192, 0, 2, 3].into()];
    assert_eq!(hosts.addresses("TWO."), two);
    assert_eq!(hosts.addresses("localhost").len(), 2);
    assert!(
        hosts.addresses("it").is_empty()
            && hosts.addresses("name").is_empty()
            && hosts.addresses("").is_empty()
    );
    assert_eq!(hosts.name([192, 0, 2, 2].into()).unwrap().to_string(), "two.");
}

#[test]
fn addresses_of_servers_are_read() {
    for (text, address) in [
        ("192.0.2.1", "192.0.2.1:53"),
        ("192.0.2.1:5353", "192.0.2.1:5353"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]", "[2001:db8::1]:53"),
        ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
    ] {
        assert_eq!(server_address(text).unwrap().to_string(), address);
    }
    for wrong in ["", "ns.example.org", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2", ":53"] {
        assert!(server_address(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn any_bytes_are_read() {
    let mut state = 1u32;
    for length in 0..2000 {
        let bytes: Vec<u8> = (0..length % 97)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let letters = b"nameserver search options:.# \n\t\\0197\xff\xc3\xbc";
                letters[(state >> 16) as usize % letters.len()]
            })
            .collect();
        let conf = ResolvConf::parse(&bytes);
        assert!(conf.attempts > 0 && !conf.timeout.is_zero());
        let hosts = Hosts::parse(&bytes);
        let _ = hosts.addresses(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn files_that_change_are_read_again() {
    let net = Net::gentle(1);
    let servers = [1, 2].map(|last| {
        Ns::start(&net.host(&format!("ns{last}")), move |asked| {
            vec![asked.with([a(&asked.name(), 6000, last)])]
        })
    });
    let folder = tempfile::tempdir().unwrap();
    let [conf, hosts] = ["resolv.conf", "hosts"].map(|name| folder.path().join(name));
    let files = Files::new(&conf, &hosts);
    fs::write(&conf, format!("nameserver {}\n", servers[0].at.ip())).unwrap();
    net.block_on(&net.host("cli"), async move {
        let reactor = Reactor::current();
        let resolver = Resolver::of_files(&reactor, files).await?;
        let last = async |name: &str| match resolver.addresses(name).await.unwrap()[..] {
            [IpAddr::V4(ip)] => ip.octets()[3],
            ref other => panic!("{other:?}"),
        };
        assert_eq!(last("www.example.org").await, 1);
        fs::write(&hosts, "192.0.2.77 new.example.org\n").unwrap();
        assert_eq!(last("new.example.org").await, 1, "nobody looks again so soon");
        reactor.sleep(LOOK_AGAIN).await;
        // The one that finds them changed does not wait for them.
        assert_eq!(last("www.example.org").await, 1);
        reactor.sleep(Duration::from_secs(1)).await;
        assert_eq!(last("new.example.org").await, 77);
        let asked = servers[0].asked();
        let addresses = asked.iter().filter(|asked| asked.record_type() == RecordType::A);
        assert_eq!(addresses.filter(|asked| asked.name() == "www.example.org").count(), 1, "it is kept");

        // Other servers: what the former ones have said is forgotten. A file with a mistake changes nothing.
        fs::write(&conf, format!("nameserver {} # new\n", servers[1].at.ip())).unwrap();
        reactor.sleep(LOOK_AGAIN).await;
        last("www.example.org").await;
        reactor.sleep(Duration::from_secs(1)).await;
        assert_eq!(last("www.example.org").await, 2);
        fs::remove_file(&hosts).unwrap();
        fs::create_dir(&hosts).unwrap();
        reactor.sleep(LOOK_AGAIN).await;
        last("www.example.org").await;
        reactor.sleep(Duration::from_secs(1)).await;
        assert_eq!(last("new.example.org").await, 77);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = Files::new(folder.path(), "/nowhere").read().unwrap_err();
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
    assert!(Files::new("/nowhere", "/nowhere").read().is_ok(), "files that are not there are empty");
}

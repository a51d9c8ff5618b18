//! RETR, STOR, APPE, STOU, REST, ABOR, and what breaks them.

use crate::Site;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use trenza_ftp::{Direction, FtpRates, Transfer};
use trenza_sim::{DiskFate, DiskVerb, Net};

#[test]
fn files_go_both_ways() {
    let site = Site::ann();
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    for bytes in [&b""[..], b"x", &large] {
        site.put("STOR a b", bytes);
        assert_eq!(site.read("a b").unwrap(), bytes);
        assert_eq!(site.get("RETR a b"), bytes);
        site.ask("SIZE a b", &format!("213 {}", bytes.len()));
    }
    site.leaves_nothing();
}

#[test]
fn a_file_that_is_stored_is_seen_when_it_is_whole() {
    let site = Site::ann();
    site.write("a", "old");
    let data = site.passive();
    site.ask("STOR a", "150");
    data.send("new");
    site.net.run();
    assert_eq!(site.read("a").unwrap(), b"old");
    data.close_write();
    site.expect("226");
    assert_eq!(site.read("a").unwrap(), b"new");
}

#[test]
fn transfers_begin_where_rest_says() {
    let site = Site::ann();
    site.write("a", "0123456789");
    site.ask("REST 4", "350");
    let data = site.passive();
    site.ask("RETR a", "150");
    site.expect("226");
    site.net.run();
    assert_eq!(data.received(), b"456789");
    // It holds for one transfer.
    assert_eq!(site.get("RETR a"), b"0123456789");
    site.ask("REST 10", "350");
    assert_eq!(site.get("RETR a"), b"");
    site.ask("REST 11", "350");
    let _data = site.passive();
    site.ask("RETR a", "554");
    site.ask("REST 8", "350");
    site.put("STOR a", "xyz");
    assert_eq!(site.read("a").unwrap(), b"01234567xyz");
    site.ask("REST 100", "350");
    let _data = site.passive();
    site.ask("STOR a", "554");
    site.put("APPE a", "!");
    assert_eq!(site.read("a").unwrap(), b"01234567xyz!");
    site.put("APPE new", "1");
    assert_eq!(site.read("new").unwrap(), b"1");
    // What stands between makes it nothing.
    site.ask("REST 4", "350");
    site.ask("PWD", "257");
    assert_eq!(site.get("RETR new"), b"1");
    site.ask("REST x", "501");
}

#[test]
fn text_is_converted() {
    let site = Site::ann();
    site.ask("TYPE A", "200");
    site.write("a", "one\ntwo\r\nthree");
    assert_eq!(site.get("RETR a"), b"one\r\ntwo\r\nthree");
    site.ask("SIZE a", "213 15");
    site.ask("REST 3", "350");
    assert_eq!(site.get("RETR a"), b"\r\ntwo\r\nthree");
    site.put("STOR b", "one\r\ntwo\rx\r");
    assert_eq!(site.read("b").unwrap(), b"one\ntwo\rx\r");
    site.ask("REST 3", "350");
    let _data = site.passive();
    site.ask("STOR b", "504");
    let long = "line\n".repeat(200_000);
    site.write("long", &long);
    assert_eq!(site.get("RETR long"), long.replace('\n', "\r\n").as_bytes());
    site.put("STOR back", long.replace('\n', "\r\n"));
    assert_eq!(site.read("back").unwrap(), long.as_bytes());
}

#[test]
fn the_server_chooses_a_name() {
    let site = Site::ann();
    let data = site.passive();
    let reply = site.ask("STOU", "150 FILE: ");
    let name = reply.trim_end().strip_prefix("150 FILE: ").unwrap().to_owned();
    data.send("hello");
    data.close_write();
    site.expect("226");
    assert_eq!(site.read(&name).unwrap(), b"hello");
}

#[test]
fn what_cannot_be_done_is_refused_before_150() {
    let site = Site::ann();
    site.ask("RETR none", "425");
    for (command, code) in [
        ("RETR none", "550"),
        ("RETR /", "550"),
        ("STOR /", "553"),
        ("STOR none/a", "550"),
        ("APPE none/a", "550"),
        ("STOR .trenza-1", "553"),
        ("RETR a/../../..", "550"),
        ("MLSD none", "550"),
        ("LIST none", "550"),
    ] {
        let _data = site.passive();
        site.ask(command, code);
    }
    assert!(site.names().is_empty());
    site.leaves_nothing();
}

#[test]
fn abor_ends_a_download() {
    for abor in [&b"ABOR"[..], b"\xff\xf4\xff\xf2ABOR", b"\xf2ABOR"] {
        let site = Site::ann();
        site.write("a", vec![b'x'; 5_000_000]);
        let data = site.passive();
        data.read(false);
        site.ask("RETR a", "150");
        site.net.advance(Duration::from_secs(1));
        assert!(site.ask("STAT", "211").contains("Transfer of /a"));
        site.ask("NOOP", "200");
        site.ask(abor, "426");
        site.expect("226");
        site.net.run();
        assert!(data.was_reset());
        site.ask("PWD", "257");
        site.leaves_nothing();
    }
}

#[test]
fn abor_ends_an_upload_and_the_wait_for_a_connection() {
    let site = Site::ann();
    let data = site.passive();
    site.ask("STOR a", "150");
    data.send("half");
    site.net.run();
    site.ask("ABOR", "426");
    site.expect("226");
    // What came is kept, so that the client can go on.
    assert_eq!(site.read("a").unwrap(), b"half");
    site.ask("ABOR", "225");
    site.passive_address();
    site.ask("STOR b", "150");
    site.ask("ABOR", "426");
    site.expect("226");
    assert_eq!(site.names(), ["a"]);
    site.leaves_nothing();
}

#[test]
fn commands_wait_for_a_transfer_and_quit_ends_it_well() {
    let site = Site::ann();
    site.write("a", vec![b'x'; 1_000_000]);
    let data = site.passive();
    data.read(false);
    site.control.send("RETR a\r\nPWD\r\nNOOP\r\n");
    site.expect("150");
    assert!(site.is_quiet());
    data.read(true);
    site.expect("226");
    site.expect("257");
    site.expect("200");
    let data = site.passive();
    data.read(false);
    site.control.send("RETR a\r\nQUIT\r\n");
    site.control.close_write();
    site.expect("150");
    assert!(site.is_quiet());
    data.read(true);
    site.expect("226");
    site.expect("221");
    assert_eq!(data.received().len(), 1_000_000);
    site.leaves_nothing();
}

#[test]
fn abor_behind_other_commands_ends_a_transfer_too() {
    let site = Site::ann();
    site.write("a", vec![b'x'; 5_000_000]);
    let data = site.passive();
    data.read(false);
    site.ask("RETR a", "150");
    site.control.send(b"PWD\r\nWHAT\r\n\xff\xf4ABO");
    assert!(site.is_quiet());
    site.say("");
    assert!(site.is_quiet(), "it was no ABOR");
    site.say("ABOR");
    for code in ["426", "257", "500", "500", "225"] {
        site.expect(code);
    }
    site.net.run();
    assert!(data.was_reset());
    site.leaves_nothing();
}

#[test]
fn of_an_upload_that_breaks_off_the_rest_can_follow() {
    let site = Site::ann();
    site.write("a", "this was there before");
    let data = site.passive();
    site.ask("STOR a", "150");
    data.send("hel");
    site.net.run();
    data.reset();
    site.expect("426");
    site.ask("SIZE a", "213 3");
    site.ask("REST 3", "350");
    site.put("STOR a", "lo");
    assert_eq!(site.read("a").unwrap(), b"hello");
    // Nothing came, so the file is what it was.
    let data = site.passive();
    site.ask("STOR a", "150");
    data.reset();
    site.expect("426");
    assert_eq!(site.read("a").unwrap(), b"hello");
    site.leaves_nothing();
}

#[test]
fn parts_are_not_kept_unless_wanted() {
    let site = Site::logged_in(Net::gentle(1), |server| server.keep_partial(false));
    site.write("a", "old");
    for name in ["a", "b"] {
        let data = site.passive();
        site.ask(format!("STOR {name}"), "150");
        data.send("hel");
        site.net.run();
        data.reset();
        site.expect("426");
    }
    assert_eq!(site.read("a").unwrap(), b"old");
    assert_eq!(site.names(), ["a"]);
    site.leaves_nothing();
}

#[test]
fn a_client_that_vanishes_has_not_finished_its_upload() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let into = log.clone();
    let site = Site::logged_in(Net::gentle(1), move |server| {
        server.log(move |transfer: &Transfer| into.lock().unwrap().push(transfer.clone()))
    });
    let data = site.passive();
    site.ask("STOR a", "150");
    data.send("half");
    site.net.run();
    // As the system does it for a process that was killed: one descriptor after the other.
    site.control.close();
    site.net.run();
    data.close();
    site.leaves_nothing();
    assert_eq!(site.read("a").unwrap(), b"half");
    let log = log.lock().unwrap();
    assert_eq!((log.len(), log[0].bytes), (1, 4));
    assert_eq!(log[0].failure.as_deref(), Some("Transfer aborted"));
}

#[test]
fn the_log_knows_of_every_file() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let into = log.clone();
    let site = Site::logged_in(Net::gentle(1), move |server| {
        server.log(move |transfer: &Transfer| into.lock().unwrap().push(transfer.clone()))
    });
    site.put("STOR a", "hello");
    site.get("NLST");
    site.ask("REST 2", "350");
    site.get("RETR a");
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!((log[0].direction, log[0].bytes, log[0].offset), (Direction::Upload, 5, 0));
    assert_eq!((log[1].direction, log[1].bytes, log[1].offset), (Direction::Download, 3, 2));
    assert!(log.iter().all(|transfer| transfer.account == "ann" && transfer.failure.is_none()));
    assert_eq!(log[0].path.to_string(), "/a");
}

#[test]
fn a_full_disk_is_told() {
    let site = Site::ann();
    site.write("a", "old");
    site.srv.disk().set_capacity(100_000);
    let data = site.passive();
    site.ask("STOR a", "150");
    data.send(vec![b'x'; 1_000_000]);
    data.close_write();
    site.expect("452");
    assert_eq!(site.read("a").unwrap(), b"old");
    site.put("STOR b", "small");
    site.leaves_nothing();
}

#[test]
fn a_failing_disk_is_told() {
    for verb in [DiskVerb::Write, DiskVerb::Rename, DiskVerb::SyncFile, DiskVerb::SyncFolder] {
        let site = Site::logged_in(Net::gentle(1), |server| server.sync(true));
        let guard = site.srv.disk().rule(move |access| match access.verb() == verb {
            true => DiskFate::Fail,
            false => DiskFate::Go,
        });
        let data = site.passive();
        site.ask("STOR a", "150");
        data.send("hello");
        data.close_write();
        site.expect("451");
        drop(guard);
        site.leaves_nothing();
    }
}

#[test]
fn what_was_told_to_be_stored_survives_a_loss_of_power() {
    trenza_sim::for_seeds(0..20, |seed| {
        let site = Site::logged_in(Net::gentle(seed), |server| server.sync(true));
        site.put("STOR a", "hello");
        site.srv.crash();
        assert_eq!(site.read("a").unwrap(), b"hello");
    });
}

#[test]
fn who_does_not_read_or_send_is_left_after_a_time() {
    let site = Site::ann();
    site.write("a", vec![b'x'; 5_000_000]);
    let data = site.passive();
    data.read(false);
    site.ask("RETR a", "150");
    // Others go on.
    let other = site.cli.probe("tcp:srv:21");
    other.send("USER bob\r\nPASS b\r\nMDTM a\r\n");
    site.net.advance(Duration::from_secs(2));
    assert!(String::from_utf8(other.received()).unwrap().contains("213"));
    site.net.advance(Duration::from_secs(60));
    site.expect("426");
    assert!(data.was_reset());
    let data = site.passive();
    site.ask("STOR b", "150");
    data.send("half");
    site.net.advance(Duration::from_secs(61));
    site.expect("426");
    assert_eq!(site.read("b").unwrap(), b"half");
    other.close();
    site.leaves_nothing();
}

#[test]
fn rates_hold_for_each_session_account_and_all() {
    for rates in [
        FtpRates { session_out: Some(10_000), ..FtpRates::default() },
        FtpRates { account_out: Some(10_000), ..FtpRates::default() },
        FtpRates { all_out: Some(10_000), ..FtpRates::default() },
    ] {
        let site = Site::logged_in(Net::gentle(1), |server| server.rates(rates));
        site.write("a", vec![b'x'; 1_000_000]);
        let data = site.passive();
        site.ask("RETR a", "150");
        site.net.advance(Duration::from_secs(20));
        let received = data.received().len();
        assert!((190_000..=220_000).contains(&received), "{received}");
    }
    let rates = FtpRates { account_in: Some(10_000), ..FtpRates::default() };
    let site = Site::logged_in(Net::gentle(1), |server| server.rates(rates));
    let data = site.passive();
    site.ask("STOR a", "150");
    data.send(vec![b'x'; 1_000_000]);
    site.net.advance(Duration::from_secs(20));
    let moved = site.ask("STAT", "211");
    let moved: usize =
        moved.split("Transfer of /a: ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(moved < 300_000, "{moved}");
}

#[test]
fn loops_share_rates() {
    for rates in [
        FtpRates { account_out: Some(10_000), ..FtpRates::default() },
        FtpRates { all_out: Some(10_000), ..FtpRates::default() },
    ] {
        let mut shared = None;
        let site = Site::logged_in(Net::gentle(1), |server| shared.insert(server.rates(rates)).clone());
        site.write("a", vec![b'x'; 1_000_000]);
        // Each host of the simulator has a loop of its own.
        let other = site.net.host("other");
        let server = shared.unwrap();
        other.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop)).unwrap();
        let control = site.cli.probe("tcp:other:21");
        control.send("USER ann\r\nPASS secret\r\nTYPE I\r\nPASV\r\n");
        site.net.advance(Duration::from_secs(1));
        let replies = String::from_utf8(control.received()).unwrap();
        let to = trenza_ftp::address::parse_227(replies.lines().last().unwrap().as_bytes()).unwrap();
        let there = site.cli.probe_to(std::net::SocketAddr::from(to));
        let here = site.passive();
        control.send("RETR a\r\n");
        site.ask("RETR a", "150");
        site.net.advance(Duration::from_secs(20));
        let (here, there) = (here.received().len(), there.received().len());
        assert!((190_000..=220_000).contains(&(here + there)), "{here} and {there}");
        assert!(here.abs_diff(there) < 30_000, "{here} and {there}");
    }
}

#[test]
fn a_stopping_server_finishes_transfers() {
    let site = Site::ann();
    site.write("a", vec![b'x'; 1_000_000]);
    let data = site.passive();
    data.read(false);
    site.ask("RETR a", "150");
    let other = site.cli.probe("tcp:srv:21");
    site.net.run();
    site.srv.run(|reactor| reactor.stop());
    site.net.advance(Duration::from_secs(1));
    assert!(String::from_utf8(other.received()).unwrap().contains("421"));
    data.read(true);
    site.expect("226");
    site.expect("421");
    site.net.run();
    assert_eq!(data.received().len(), 1_000_000);
}

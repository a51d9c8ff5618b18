//! What is asked of a queue, while its server runs and while none does.

use crate::{DAY, HOUR, MINUTE, Site, from, later, options, rcpt, taken, unreachable};
use std::time::Duration;
use trenza_mail::queue::{QueueId, QueueOptions, Request, Schedule, State};
use trenza_storage::{Path, Tree, Write};

fn quick() -> QueueOptions {
    QueueOptions { schedule: Schedule::default(), ..options() }
}

fn ids(site: &Site) -> Vec<QueueId> {
    let mut ids = Vec::new();
    site.spool().each(&mut |id, _| ids.push(id)).unwrap();
    ids
}

#[test]
fn a_running_server_tries_again_when_it_is_asked() {
    let site = Site::new(quick(), |_| unreachable());
    site.submit(from("ann@home.example"), &[rcpt("a@one.example"), rcpt("b@two.example")], "Hello!\r\n");
    site.submit(from("ann@home.example"), &[rcpt("c@one.example")], "Hello!\r\n");
    site.advance(Duration::from_secs(2));
    site.others.judge(|_| taken());
    site.advance(Duration::from_secs(2));
    assert_eq!(site.others.got().len(), 0);
    for id in ids(&site) {
        site.spool().ask(&id, Request::Retry).unwrap();
        assert!(site.spool().is_asked(&id, Request::Retry).unwrap());
    }
    site.advance(Duration::from_secs(3));
    let mut got = site.others.got();
    got.sort();
    assert_eq!(got, ["a@one.example", "b@two.example", "c@one.example"]);
    assert!(site.queue.is_empty() && site.host.disk().folder("asked").unwrap().list().unwrap().is_empty());
}

#[test]
fn a_running_server_drops_what_it_is_asked_to() {
    let site = Site::new(quick(), |_| later());
    site.submit(from("ann@home.example"), &[rcpt("a@one.example")], "Hello!\r\n");
    site.submit(from("ann@home.example"), &[rcpt("b@one.example")], "Hello!\r\n");
    site.advance(Duration::from_secs(2));
    let [one, other] = &ids(&site)[..] else { panic!() };
    site.spool().ask(one, Request::Drop).unwrap();
    site.advance(Duration::from_secs(3));
    assert!(!site.spool().is_asked(one, Request::Drop).unwrap());
    assert_eq!((ids(&site), site.queue.len()), (vec![other.clone()], 1));
    let none: QueueId = "nobody".parse().unwrap();
    site.spool().ask(&none, Request::Drop).unwrap();
    site.spool().ask(&none, Request::Retry).unwrap();
    site.advance(Duration::from_secs(3));
    assert!(site.host.disk().folder("asked").unwrap().list().unwrap().is_empty(), "what is not there too");
    assert_eq!(site.queue.len(), 1);
    site.advance(DAY);
    assert_eq!(site.others.got().len(), 0);
}

#[test]
fn what_is_dropped_while_it_is_under_way_does_not_come_back() {
    let site = Site::new(quick(), |_| (HOUR, later().1));
    site.submit(from("ann@home.example"), &[rcpt("a@one.example")], "Hello!\r\n");
    site.advance(Duration::from_secs(2));
    site.spool().ask(&ids(&site)[0], Request::Drop).unwrap();
    site.advance(MINUTE);
    assert!(ids(&site).is_empty() && site.queue.is_empty());
    site.advance(DAY);
    assert_eq!(site.others.tried("a@one.example").len(), 1);
    assert!(site.files().is_empty() && site.queue.is_empty());
}

#[test]
fn a_record_that_cannot_be_read_stays_and_holds_nothing_up() {
    let site = Site::new(quick(), |_| later());
    site.submit(from("ann@home.example"), &[rcpt("a@one.example")], "Hello!\r\n");
    site.advance(Duration::from_secs(2));
    let (id, disk) = (ids(&site).remove(0), site.host.disk());
    let record = Path::new(format!("messages/{id}.record")).unwrap();
    let mut writer = disk.write(&record, Write::Replace).unwrap();
    writer.write(b"trenza-queue 1\narrived 9\n").unwrap();
    writer.commit().unwrap();
    site.spool().ask(&id, Request::Retry).unwrap();
    site.advance(Duration::from_secs(3));
    assert!(!site.spool().is_asked(&id, Request::Retry).unwrap(), "it is not asked again and again");
    assert_eq!((site.files().len(), site.others.tried("a@one.example").len()), (2, 1));
    site.host.run(|reactor| reactor.stop());
    site.advance(Duration::from_secs(1));
    assert!(!site.host.is_running(), "nothing is left to be noted");
}

#[test]
fn without_a_server_it_is_done_at_once() {
    let mut site = Site::new(options(), |_| later());
    site.submit(from("ann@home.example"), &[rcpt("a@one.example")], "Hello!\r\n");
    site.submit(from("ann@home.example"), &[rcpt("b@one.example")], "Hello!\r\n");
    site.advance(3 * HOUR);
    site.host.kill();
    let [one, other] = &ids(&site)[..] else { panic!() };
    let now = site.host.reactor().wall();
    assert!(site.spool().act(one, Request::Drop, now).unwrap());
    assert!(!site.spool().act(one, Request::Drop, now).unwrap());
    assert!(site.spool().act(other, Request::Retry, now).unwrap());
    let record = site.spool().look(other).unwrap().record.unwrap();
    assert!(matches!(record.recipients[0].state, State::Waiting { tries: 2.., next, .. } if next <= now));
    site.others.judge(|_| taken());
    site.restart(options());
    site.advance(Duration::from_secs(1));
    assert_eq!(site.others.got().len(), 1);
}

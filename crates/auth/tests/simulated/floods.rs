//! More logins than can be served.

use super::{Door, on_host, peer, people, seconds};
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_auth::{
    Account, Checker, Credentials, Denied, HASHINGS_MAX, Hashing, Memory, Portal, REMEMBERED, WAIT_MAX,
    WAITING_MAX, throttle,
};
use trenza_core::{Error, Reactor, Result};
use trenza_sim::{Fate, Net};

/// How many of the logins ended with what.
#[derive(Default, Debug, PartialEq, Eq)]
struct Tally {
    admitted: usize,
    refused: usize,
    busy: usize,
}

/// Lets all come at once, each from an address of its own.
async fn all_at_once(
    reactor: &Reactor,
    checker: impl Checker + 'static,
    count: usize,
    password: &'static str,
) -> Result<Tally> {
    let portal = Portal::accounts("test", checker);
    let logins: Vec<_> = (0..count)
        .map(|number| {
            let from = format!("10.{}.{}.1", number >> 8, number & 255);
            portal.login(reactor, Credentials::password("ann", password), &peer(&from))
        })
        .collect();
    let mut tally = Tally::default();
    for login in logins {
        match login.await.map_err(|error| Denied::of(&error)) {
            Ok(_) => tally.admitted += 1,
            Err(Denied::Refused) => tally.refused += 1,
            Err(Denied::Busy) => tally.busy += 1,
            Err(other) => panic!("{other}"),
        }
    }
    Ok(tally)
}

#[test]
fn a_thousand_at_once_are_served_a_few_at_a_time() {
    let net = Net::gentle(1);
    net.job_time(Duration::from_millis(100));
    let tally = on_host(&net, async |reactor| all_at_once(&reactor, people(), 1000, "guess").await);
    assert_eq!(tally, Tally { refused: 1000, ..Tally::default() });
    assert_eq!(net.elapsed(), Duration::from_millis(100) * 1000 / HASHINGS_MAX as u32);
}

#[test]
fn a_password_that_was_right_is_not_hashed_again_for_a_while() {
    let net = Net::gentle(1);
    net.job_time(seconds(1));
    on_host(&net, async |reactor| {
        // All at once, the first few are hashed, and the others have waited for no more than that.
        let begun = reactor.now();
        let tally = all_at_once(&reactor, people(), 1000, "secret").await?;
        assert_eq!(tally, Tally { admitted: 1000, ..Tally::default() });
        assert_eq!(reactor.now() - begun, seconds(1));
        let door = Door::new(&reactor, people());
        assert_eq!(door.admitted("192.0.2.7", "ann", "secret").await, seconds(1));
        assert_eq!(door.admitted("192.0.2.8", "ann", "secret").await, seconds(0));
        // Another one is as dear as ever, and so is the right one for somebody else.
        assert_eq!(door.refused("192.0.2.9", "ann").await, seconds(1));
        assert_eq!(door.login("192.0.2.10", "bob", "secret").await, (Err(Denied::Refused), seconds(1)));
        assert_eq!(door.login("192.0.2.10", "nobody", "secret").await, (Err(Denied::Refused), seconds(1)));
        reactor.sleep(REMEMBERED).await;
        assert_eq!(door.admitted("192.0.2.7", "ann", "secret").await, seconds(1));
        let forgetful = people().hashing(Hashing::default().remember(Duration::ZERO));
        let door = Door::new(&reactor, forgetful);
        for _ in 0..2 {
            assert_eq!(door.admitted("192.0.2.7", "ann", "secret").await, seconds(1));
        }
        Ok(())
    });
}

#[test]
fn who_would_wait_too_long_is_told_so() {
    let net = Net::gentle(1);
    net.job_time(seconds(1));
    let tally = on_host(&net, async |reactor| all_at_once(&reactor, people(), 4096, "guess").await);
    let in_time = WAIT_MAX.as_secs() as usize * HASHINGS_MAX;
    assert!(tally.refused.abs_diff(in_time) <= HASHINGS_MAX, "{tally:?}");
    assert_eq!(tally.busy, 4096 - tally.refused);
}

#[test]
fn who_logs_in_during_a_flood_is_served_before_it() {
    let net = Net::gentle(1);
    net.job_time(Duration::from_millis(100));
    on_host(&net, async |reactor| {
        let portal = Portal::accounts("test", people());
        let guess = |number: usize| {
            // This machine's, which may have any number of logins on their way.
            portal.login(&reactor, Credentials::password(format!("{number}"), "guess"), &peer("127.0.0.1"))
        };
        // Far more than can be served, and they go on.
        let mut guesses: Vec<_> = (0..2 * WAITING_MAX).map(guess).collect();
        reactor.sleep(Duration::from_millis(1)).await;
        let begun = reactor.now();
        let login = portal.login(&reactor, Credentials::password("ann", "secret"), &peer("127.0.0.1"));
        guesses.push(guess(0));
        assert_eq!(login.await?.name, "ann");
        assert!(reactor.now() - begun <= seconds(1), "{:?}", reactor.now() - begun);
        Ok(())
    });
}

#[test]
fn no_more_wait_than_may() {
    let net = Net::gentle(1);
    net.job_time(seconds(1));
    on_host(&net, async |reactor| {
        let (hashing, begun) = (Hashing::new(1), reactor.now());
        let waiting: Vec<_> = (0..WAITING_MAX + 1).map(|_| hashing.run(&reactor, || Ok(()))).collect();
        reactor.sleep(Duration::from_millis(1)).await;
        assert_eq!(hashing.waiting(), WAITING_MAX);
        // One more takes the place of who waits longest, which is told at once.
        let more = hashing.run(&reactor, || Ok(()));
        let mut waiting = waiting.into_iter();
        let (hashed, longest) = (waiting.next().unwrap(), waiting.next().unwrap());
        assert_eq!(Denied::of(&longest.await.unwrap_err()), Denied::Busy);
        assert!(reactor.now() - begun < seconds(1));
        assert_eq!(hashing.waiting(), WAITING_MAX);
        // Who goes away makes room at once, and no turn is lost with him.
        drop((waiting, hashed, more));
        reactor.sleep(Duration::from_millis(1)).await;
        assert_eq!(hashing.waiting(), 0);
        hashing.run(&reactor, || Ok(())).await?;
        Ok(())
    });
    assert_eq!(net.elapsed(), seconds(2));
}

#[test]
fn a_pool_that_takes_nothing_or_loses_a_hashing_stops_nobody_else() {
    let net = Net::gentle(1);
    let fates = Rc::new(Cell::new(Fate::Refuse));
    let next = fates.clone();
    let rule = net.job_rule(move |_| next.get());
    on_host(&net, async move |reactor| {
        let door = Door::new(&reactor, people().hashing(Hashing::new(1)));
        let login = async || door.login("192.0.2.7", "ann", "secret").await;
        assert_eq!(login().await.0.err(), Some(Denied::Busy));
        fates.set(Fate::Fail);
        assert_eq!(login().await.0.err(), Some(Denied::Unavailable));
        fates.set(Fate::Run);
        // Nothing of that was a failure of Ann's.
        assert_eq!(login().await, (Ok(Account::new("ann").into()), Duration::ZERO));
        drop(rule);
        Ok(())
    });
}

#[test]
fn one_address_has_so_many_on_their_way() {
    let net = Net::gentle(1);
    net.job_time(seconds(1));
    on_host(&net, async |reactor| {
        let portal = Portal::accounts("test", people());
        let login = |from: &str, name: &str| {
            portal.login(&reactor, Credentials::password(name, "guess"), &peer(from))
        };
        let busy = |error: &Error| Denied::of(error) == Denied::Busy;
        let mut logins: Vec<_> =
            (0..throttle::LOGINS_MAX).map(|number| login("192.0.2.7", &format!("name{number}"))).collect();
        reactor.sleep(Duration::from_millis(1)).await;
        assert!(login("192.0.2.7", "ann").await.is_err_and(|error| busy(&error)));
        assert!(login("192.0.2.8", "ann").await.is_err_and(|error| !busy(&error)));
        for login in logins.drain(..) {
            assert!(login.await.is_err_and(|error| !busy(&error)));
        }
        // Suspect by now.
        logins.extend((0..throttle::LOGINS_SUSPECT_MAX).map(|_| login("192.0.2.7", "ann")));
        reactor.sleep(Duration::from_millis(1)).await;
        assert!(login("192.0.2.7", "ann").await.is_err_and(|error| busy(&error)));
        Ok(())
    });
}

#[test]
fn nobody_knows_how_many_accounts_there_are_by_their_cost() {
    // A wrong password and a name that nobody has cost a hashing each, also where there is nobody at all.
    for checker in [people(), Memory::new()] {
        let net = Net::gentle(1);
        net.job_time(seconds(1));
        on_host(&net, async |reactor| {
            let door = Door::new(&reactor, checker);
            for (from, name) in [("192.0.2.1", "ann"), ("192.0.2.2", "nobody"), ("192.0.2.3", "")] {
                assert_eq!(door.refused(from, name).await, seconds(1), "{name}");
            }
            Ok(())
        });
    }
}

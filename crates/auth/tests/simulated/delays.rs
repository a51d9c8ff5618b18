//! Who has failed waits, and nobody else.

use super::{Door, on_host, peer, people, seconds};
use std::{sync::Arc, time::Duration};
use trenza_auth::{
    Account, Chain, Checker, Credentials, Denied, Mechanism, Mechanisms, Throttle,
    throttle::{ADDRESSES_MAX, DELAY_TRUSTED, NAMES_MAX},
};
use trenza_core::{Deferred, Reactor};
use trenza_sim::{Net, for_seeds};

const FAR: &str = "192.0.2.7";

#[test]
fn each_failure_doubles_the_delay_and_a_success_ends_it() {
    for_seeds(0..8, |seed| {
        on_host(&Net::new(seed), async |reactor| {
            let door = Door::new(&reactor, people());
            for delay in [0, 1, 2, 4, 8, 8] {
                assert_eq!(door.refused(FAR, "ann").await, seconds(delay));
            }
            assert_eq!(door.admitted(FAR, "ann", "secret").await, seconds(8));
            assert_eq!(door.admitted(FAR, "ann", "secret").await, seconds(0));
            assert_eq!(door.refused(FAR, "ann").await, seconds(0));
            assert_eq!(door.refused(FAR, "ann").await, seconds(1));
            Ok(())
        });
    });
}

#[test]
fn an_account_is_locked_for_nobody_else() {
    on_host(&Net::gentle(1), async |reactor| {
        let door = Door::new(&reactor, people());
        for _ in 0..6 {
            door.refused(FAR, "ann").await;
        }
        assert_eq!(door.admitted("192.0.2.8", "ann", "secret").await, seconds(0));
        assert_eq!(door.admitted(FAR, "bob", "hidden").await, seconds(0));
        // Nor does somebody's success forgive what was tried elsewhere.
        assert_eq!(door.refused(FAR, "ann").await, seconds(8));
        Ok(())
    });
}

#[test]
fn from_the_tenth_failure_on_all_of_an_address_waits() {
    on_host(&Net::gentle(1), async |reactor| {
        let door = Door::new(&reactor, people());
        for number in 0..10 {
            assert_eq!(door.refused(FAR, &format!("name{number}")).await, seconds(0));
        }
        // Successes of one's own account forgive nothing.
        assert_eq!(door.admitted(FAR, "ann", "secret").await, seconds(1));
        for delay in [1, 2, 4, 8, 8] {
            assert_eq!(door.refused(FAR, &format!("more{delay}")).await, seconds(delay));
            assert_eq!(door.admitted("192.0.2.8", "ann", "secret").await, seconds(0));
        }
        reactor.sleep(seconds(601)).await;
        assert_eq!(door.admitted(FAR, "ann", "secret").await, seconds(0));
        Ok(())
    });
}

#[test]
fn failures_are_forgotten_in_time() {
    on_host(&Net::gentle(1), async |reactor| {
        let door = Door::new(&reactor, people());
        door.refused(FAR, "ann").await;
        reactor.sleep(seconds(590)).await;
        assert_eq!(door.refused(FAR, "ann").await, seconds(1));
        reactor.sleep(seconds(601)).await;
        assert_eq!(door.refused(FAR, "ann").await, seconds(0));
        Ok(())
    });
}

#[test]
fn of_ipv6_a_network_is_one_address() {
    on_host(&Net::gentle(1), async |reactor| {
        let door = Door::new(&reactor, people());
        door.refused("2001:db8::1", "ann").await;
        assert_eq!(door.refused("2001:db8::2:3", "ann").await, seconds(1));
        assert_eq!(door.refused("2001:db8:0:1::1", "ann").await, seconds(0));
        door.refused("192.0.2.1", "ann").await;
        assert_eq!(door.refused("::ffff:192.0.2.1", "ann").await, seconds(1));
        Ok(())
    });
}

#[test]
fn this_machine_and_trusted_networks_wait_a_moment_only() {
    on_host(&Net::gentle(1), async |reactor| {
        let throttle = Throttle::trusting(vec!["10.0.0.0/8".parse()?, "2001:db8::/48".parse()?]);
        let door = Door::with(&reactor, throttle);
        for near in ["127.0.0.1", "::1", "::ffff:10.1.2.3", "2001:db8::7"] {
            assert_eq!(door.refused(near, "ann").await, Duration::ZERO, "{near}");
            for _ in 0..20 {
                assert_eq!(door.refused(near, "ann").await, DELAY_TRUSTED, "{near}");
            }
            assert_eq!(door.admitted(near, "ann", "secret").await, DELAY_TRUSTED);
        }
        assert!(door.refused("11.0.0.1", "ann").await.is_zero());
        assert_eq!(door.refused("11.0.0.1", "ann").await, seconds(1));
        Ok(())
    });
}

#[test]
fn one_host_of_ipv6_is_trusted_and_its_neighbours_are_not() {
    on_host(&Net::gentle(1), async |reactor| {
        let throttle = Throttle::trusting(vec!["2001:db8::5/128".parse()?, "2001:db8:0:1::/128".parse()?]);
        let door = Door::with(&reactor, throttle);
        assert_eq!(door.refused("2001:db8::5", "ann").await, seconds(0));
        assert_eq!(door.refused("2001:db8::5", "ann").await, DELAY_TRUSTED);
        assert_eq!(door.refused("2001:db8::6", "ann").await, seconds(2));
        // The address that stands for all of a network is one of its hosts as well.
        assert_eq!(door.refused("2001:db8:0:1::7", "ann").await, seconds(0));
        assert_eq!(door.refused("2001:db8:0:1::7", "ann").await, seconds(1));
        Ok(())
    });
}

#[test]
fn who_hangs_up_has_had_his_try() {
    let net = Net::gentle(1);
    net.job_time(seconds(1));
    on_host(&net, async |reactor| {
        let door = Door::new(&reactor, people());
        for _ in 0..2 {
            let login = door.0.login(&reactor, Credentials::password("ann", "guess"), &peer(FAR));
            reactor.sleep(Duration::from_millis(500)).await;
            drop(login);
        }
        // The second one still waited for the delay of the first one: nothing was tried.
        assert_eq!(door.refused(FAR, "ann").await, seconds(2));
        Ok(())
    });
}

/// Cannot be asked.
#[derive(Debug)]
struct Down;

impl Checker for Down {
    fn check(&self, reactor: &Reactor, _: &Arc<Credentials>) -> Deferred<Option<Arc<Account>>> {
        trenza_auth::at_once(reactor, Err("the directory is down".into()))
    }

    fn mechanisms(&self) -> Mechanisms {
        Mechanism::Password.into()
    }
}

#[test]
fn a_checker_that_is_down_opens_no_door_to_guesses() {
    on_host(&Net::gentle(1), async |reactor| {
        for chain in [Chain::new().with(people()).with(Down), Chain::new().with(Down).with(people())] {
            let door = Door::new(&reactor, chain);
            for delay in [0, 1, 2, 4, 8, 8] {
                let (ended, time) = door.login(FAR, "ann", "guess").await;
                assert_eq!((ended.err(), time), (Some(Denied::Unavailable), seconds(delay)));
            }
            // Whom the other one knows it keeps out no longer than that.
            assert_eq!(door.admitted(FAR, "ann", "secret").await, seconds(8));
            assert_eq!(door.admitted(FAR, "bob", "hidden").await, seconds(0));
        }
        // Of one that nobody answers for nothing is remembered.
        let door = Door::new(&reactor, Chain::new().with(Down));
        for _ in 0..3 {
            let (ended, time) = door.login(FAR, "ann", "guess").await;
            assert_eq!((ended.err(), time), (Some(Denied::Unavailable), seconds(0)));
        }
        Ok(())
    });
}

#[test]
fn what_is_remembered_has_an_end() {
    let throttle = Throttle::new();
    let net = Net::gentle(1);
    let fail = |ip: [u8; 4], name: &str| {
        let mut attempt = throttle.begin(net.now(), Some(ip.into()), name).unwrap();
        attempt.tried();
        attempt.delay()
    };
    let of = |number: usize| [10, (number >> 16) as u8, (number >> 8) as u8, number as u8];
    fail([192, 0, 2, 7], "ann");
    for number in 0..ADDRESSES_MAX - 1 {
        net.advance(Duration::from_millis(1));
        fail(of(number), "ann");
    }
    assert_eq!((throttle.addresses(), fail([192, 0, 2, 7], "ann")), (ADDRESSES_MAX, seconds(1)));
    net.advance(Duration::from_millis(1));
    fail([192, 0, 2, 8], "ann");
    assert_eq!(throttle.addresses(), ADDRESSES_MAX);
    assert_eq!(fail(of(0), "ann"), seconds(0), "it was the one that was heard of least lately");
    // Many names push out only those of the same address, which waits as a whole by then.
    for number in 0..NAMES_MAX * 4 {
        fail([192, 0, 2, 9], &format!("name{number}"));
    }
    assert_eq!(fail([192, 0, 2, 7], "ann"), seconds(2));
    assert_eq!(fail([192, 0, 2, 9], "ann"), seconds(8));
    net.advance(seconds(601));
    fail([192, 0, 2, 10], "ann");
    assert_eq!(throttle.addresses(), 1, "what is over makes room at once");
}

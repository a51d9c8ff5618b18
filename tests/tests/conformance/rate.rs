//! Rates: token buckets of connections, alone and in common. What is asserted of time is true however slow the machine is.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, bytes, to},
};
use std::{fs::File, io::Write, sync::Arc, time::Duration};
use trenza_core::{Bucket, Endpoint, IntoEndpoint, Limits, Policy, Rate, Result, Transport};
use trenza_tests::Xor;

cases! {
    what_is_sent_keeps_to_its_rate
    what_is_received_keeps_to_its_rate
    a_file_keeps_to_its_rate
    layers_are_below_a_rate
    a_quick_rate_loses_nothing
    who_shares_a_bucket_sends_an_equal_share
    who_shares_a_bucket_receives_no_more_than_it_has
    a_rate_is_changed_while_it_holds_bytes_back
    a_rate_that_was_lifted_lets_everything_in
    close_sends_the_rest_at_its_rate
    a_rate_that_holds_bytes_back_is_not_idle
    abort_ends_what_a_rate_holds_back
    a_paused_connection_with_a_rate_is_not_read
    what_is_held_back_counts_for_the_marks
}

fn with(policy: Policy) -> impl FnOnce(Endpoint) -> Endpoint {
    move |endpoint| endpoint.policy(policy)
}

/// What one read may bring before it is paid for.
const READ: u64 = 256 * 1024;

/// A connection whose server has a policy.
async fn pair(ground: &Ground, policy: Policy) -> Result<(Transport, Transport)> {
    let (srv, cli) = (Actor::new(ground, "srv"), Actor::new(ground, "cli"));
    ground.pair_over(with(policy), srv, |to| to, cli).await
}

/// How long so many bytes take at least.
fn at_least(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(bytes * 1_000_000_000 / rate)
}

async fn what_is_sent_keeps_to_its_rate(ground: Ground) -> Result {
    let policy = Policy::new().rate_out(Rate::new(200_000).burst(5000));
    let (srv, cli) = pair(&ground, policy).await?;
    let start = ground.reactor().now();
    srv.write(&bytes(20_000));
    srv.write_bytes(bytes(25_000)[20_000..].to_vec().into());
    ground.log().received("cli", 25_000).await;
    assert!(ground.reactor().now() - start >= at_least(20_000, 200_000));
    assert!(ground.log().bytes("cli") == bytes(25_000));
    cli.close();
    Ok(())
}

async fn what_is_received_keeps_to_its_rate(ground: Ground) -> Result {
    let policy = Policy::new().rate_in(Rate::new(2_000_000).burst(5000));
    let (_, cli) = pair(&ground, policy).await?;
    let start = ground.reactor().now();
    let all = ground.late() + READ + 300_000;
    cli.write(&bytes(all as usize));
    ground.log().received("srv", all as usize).await;
    let free = 5000 + READ + ground.late();
    assert!(ground.reactor().now() - start >= at_least(all - free, 2_000_000));
    assert!(ground.log().bytes("srv") == bytes(all as usize));
    cli.close();
    Ok(())
}

async fn a_file_keeps_to_its_rate(ground: Ground) -> Result {
    let policy = Policy::new().rate_out(Rate::new(1_000_000).burst(5000));
    let (srv, cli) = pair(&ground, policy).await?;
    let mut file = tempfile::tempfile()?;
    file.write_all(&bytes(100_000))?;
    let start = ground.reactor().now();
    srv.write(b"<");
    srv.send_file(Arc::<File>::new(file), 5000..100_000);
    srv.write(b">");
    ground.log().received("cli", 95_002).await;
    assert!(ground.reactor().now() - start >= at_least(90_002, 1_000_000));
    assert!(ground.log().bytes("cli") == [b"<", &bytes(100_000)[5000..], b">"].concat());
    cli.close();
    Ok(())
}

async fn layers_are_below_a_rate(ground: Ground) -> Result {
    let policy = Policy::new().rate_out(Rate::new(200_000).burst(2000)).rate_in(Rate::new(10_000_000));
    let (srv, cli) = ground
        .pair_over(
            move |on| on.layered(|| vec![Box::new(Xor::server(1))]).policy(policy),
            Actor::new(&ground, "srv"),
            |to| to.layered(|| vec![Box::new(Xor::client(2))]),
            Actor::new(&ground, "cli"),
        )
        .await?;
    let start = ground.reactor().now();
    srv.write(&bytes(20_000));
    cli.write(&bytes(3000));
    srv.close();
    ground.log().lost("cli").await;
    assert!(ground.reactor().now() - start >= at_least(18_000, 200_000));
    assert!(ground.log().bytes("cli") == bytes(20_000));
    Ok(())
}

async fn a_quick_rate_loses_nothing(ground: Ground) -> Result {
    let quick = Rate::new(1 << 40).burst(100_000);
    let policy = Policy::new().rate_in(quick).rate_out(quick);
    let echo = Actor::new(&ground, "srv").data(|transport, input| {
        transport.write(input.rest());
        Ok(())
    });
    let cli = Actor::new(&ground, "cli");
    let (_, cli) = ground.pair_over(with(policy.clone()), echo, with(policy), cli).await?;
    cli.set_limits(Limits { read_while_full: true, ..Limits::default() });
    let n = ground.scaled(200_000, 3_000_000);
    cli.write(&bytes(n));
    cli.close_write();
    ground.log().lost("cli").await;
    assert!(ground.log().bytes("cli") == bytes(n));
    Ok(())
}

async fn who_shares_a_bucket_sends_an_equal_share(ground: Ground) -> Result {
    let all = Bucket::new(Rate::new(1_000_000).burst(10_000));
    let policy = Policy::new().share_out(&all);
    let mut pairs = Vec::new();
    let names = [("srv 1", "cli 1"), ("srv 2", "cli 2"), ("srv 3", "cli 3")];
    for (srv, cli) in names {
        let (srv, cli) = (Actor::new(&ground, srv), Actor::new(&ground, cli));
        pairs.push(ground.pair_over(with(policy.clone()), srv, |to| to, cli).await?);
    }
    let start = ground.reactor().now();
    pairs.iter().for_each(|(srv, _)| srv.write(&bytes(100_000)));
    ground.until(|| names.iter().any(|(_, cli)| ground.log().count(cli) == 100_000)).await;
    // The others are a few portions behind, and what is on its way.
    ground.until(|| names.iter().all(|(_, cli)| ground.log().count(cli) >= 80_000)).await;
    let sent = pairs.iter().map(|(srv, _)| srv.counts().sent).sum::<u64>();
    assert!(ground.reactor().now() - start >= at_least(sent - 10_000, 1_000_000));
    pairs.iter().for_each(|(srv, _)| srv.abort());
    Ok(())
}

async fn who_shares_a_bucket_receives_no_more_than_it_has(ground: Ground) -> Result {
    let all = Bucket::new(Rate::new(2_000_000).burst(10_000));
    let policy = Policy::new().share_in(&all).rate_in(Rate::new(100_000_000));
    let one = pair(&ground, policy.clone()).await?;
    let other = pair(&ground, policy).await?;
    let each = ground.late() + 300_000;
    let start = ground.reactor().now();
    [&one, &other].into_iter().for_each(|(_, cli)| cli.write(&bytes(each as usize)));
    ground.log().received("srv", 2 * each as usize).await;
    let free = 10_000 + 2 * ground.late();
    assert!(ground.reactor().now() - start >= at_least(2 * each - free, 2_000_000));
    [one, other].iter().for_each(|(_, cli)| cli.close());
    Ok(())
}

async fn a_rate_is_changed_while_it_holds_bytes_back(ground: Ground) -> Result {
    // At this rate it takes a day.
    let policy = Policy::new().rate_out(Rate::new(1).burst(100));
    let (srv, cli) = pair(&ground, policy).await?;
    srv.write(&bytes(90_000));
    ground.log().received("cli", 100).await;
    ground.settle().await;
    assert!(ground.log().count("cli") < 1000);
    srv.set_rate_out(Some(&Bucket::new(Rate::new(1 << 30))));
    ground.log().received("cli", 90_000).await;
    assert!(ground.log().bytes("cli") == bytes(90_000));
    cli.close();
    Ok(())
}

async fn a_rate_that_was_lifted_lets_everything_in(ground: Ground) -> Result {
    let policy = Policy::new().rate_in(Rate::new(1).burst(1));
    let (srv, cli) = pair(&ground, policy).await?;
    cli.write(&bytes(1000));
    ground.log().received("srv", 1).await;
    cli.write(&bytes(500_000)[1000..]);
    ground.settle().await;
    assert!(ground.log().count("srv") < 500_000);
    srv.set_rate_in(None);
    ground.log().received("srv", 500_000).await;
    assert!(ground.log().bytes("srv") == bytes(500_000));
    cli.close();
    Ok(())
}

async fn close_sends_the_rest_at_its_rate(ground: Ground) -> Result {
    let rate = ground.scaled(500, 20_000) as u64;
    let policy = Policy::new().rate_out(Rate::new(rate).burst(1000));
    let (srv, _) = pair(&ground, policy).await?;
    // It is not the peer that makes no progress between the portions.
    srv.set_limits(Limits { drain: ground.moment(), ..Limits::default() });
    let start = ground.reactor().now();
    srv.write(&bytes(6000));
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert!(ground.reactor().now() - start >= at_least(5000, rate));
    ground.log().lost("cli").await;
    assert!(ground.log().bytes("cli") == bytes(6000));
    Ok(())
}

async fn a_rate_that_holds_bytes_back_is_not_idle(ground: Ground) -> Result {
    let policy = Policy::new().rate_out(Rate::new(1).burst(1)).idle(ground.moment());
    let (srv, cli) = pair(&ground, policy).await?;
    srv.write(b"two");
    ground.log().received("cli", 1).await;
    ground.reactor().sleep(3 * ground.moment()).await;
    assert_eq!(ground.log().of("srv"), ["made"]);
    srv.set_rate_out(None);
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Idle)");
    assert_eq!(ground.log().of("srv"), ["made", "timed out Idle", "lost TimedOut(Idle)"]);
    ground.until(|| !cli.is_open()).await;
    Ok(())
}

async fn abort_ends_what_a_rate_holds_back(ground: Ground) -> Result {
    let slow = Rate::new(1).burst(1);
    let (srv, cli) = pair(&ground, Policy::new().rate_out(slow).rate_in(slow)).await?;
    srv.write(&bytes(1000));
    cli.write(&bytes(1000));
    ground.log().received("cli", 1).await;
    ground.log().received("srv", 1).await;
    srv.abort();
    assert_eq!(ground.log().lost("srv").await, "Aborted");
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    Ok(())
}

async fn a_paused_connection_with_a_rate_is_not_read(ground: Ground) -> Result {
    let policy = Policy::new().rate_in(Rate::new(1 << 30).burst(1));
    let (srv, cli) = pair(&ground, policy).await?;
    cli.write(b"one");
    ground.log().received("srv", 3).await;
    srv.pause();
    cli.write(b"two");
    ground.reactor().sleep(ground.moment()).await;
    assert_eq!(ground.log().count("srv"), 3);
    srv.resume();
    ground.log().received("srv", 6).await;
    cli.close();
    Ok(())
}

async fn what_is_held_back_counts_for_the_marks(ground: Ground) -> Result {
    let port = ground.listen_on(
        "tcp:0:interface=127.0.0.1"
            .into_endpoint()?
            .policy(Policy::new().rate_out(Rate::new(50_000).burst(1))),
        {
            let ground = ground.clone();
            move |_| {
                Actor::new(&ground, "srv").made(|transport| {
                    transport.set_limits(Limits { high: 2000, low: 1000, ..Limits::default() });
                    transport.write(&bytes(3000));
                    assert!(transport.is_full());
                    Ok(())
                })
            }
        },
    )?;
    let cli = ground.reactor().connect(&to(&port), |_| Plain).await?;
    ground.log().heard("srv", "writable").await;
    assert!(cli.counts().received >= 1000);
    cli.close();
    Ok(())
}

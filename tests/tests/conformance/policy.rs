//! Policies of ports and connects: limits of connections, times, the traffic log.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, to},
};
use std::{
    fmt::Write,
    io,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use trenza_core::{Addresses, Endpoint, IntoEndpoint, Layer, Policy, Port, Result, Transport};
use trenza_tests::Xor;

cases! {
    a_port_has_no_more_connections_than_its_policy_says
    ports_of_one_policy_share_its_limit
    a_full_port_leaves_others_alone
    over_the_limit_of_an_address_a_connection_is_reset_at_once
    an_address_may_come_again_when_its_connection_has_ended
    a_table_of_addresses_is_shared_by_what_counts_in_it
    what_connects_takes_no_limits_of_ports
    a_port_gives_its_connections_an_idle_timeout
    a_protocol_changes_the_idle_timeout_of_its_policy
    a_connect_has_a_policy_too
    the_idle_timeout_of_a_policy_ends_a_handshake
    the_deadline_of_a_policy_counts_from_the_beginning
    options_of_a_string_make_a_policy
    a_policy_of_code_goes_before_options
    wrong_options_are_named
    each_connection_is_logged_at_its_end
    without_log_nothing_is_logged
}

const ON: &str = "tcp:0:interface=127.0.0.1";

fn on(policy: &Policy) -> Result<Endpoint> {
    Ok(ON.into_endpoint()?.policy(policy.clone()))
}

/// A port with a policy, whose actors are called `srv`.
fn listen(ground: &Ground, policy: &Policy) -> Result<Port> {
    let inner = ground.clone();
    ground.listen_on(on(policy)?, move |_| Actor::new(&inner, "srv"))
}

async fn client(ground: &Ground, port: &Port) -> Result<Transport> {
    ground.reactor().connect(&to(port), |_| Plain).await
}

fn made(ground: &Ground) -> usize {
    ground.log().of("srv").iter().filter(|line| *line == "made").count()
}

async fn a_port_has_no_more_connections_than_its_policy_says(ground: Ground) -> Result {
    let port = listen(&ground, &Policy::new().connections(2))?;
    let held = [client(&ground, &port).await?, client(&ground, &port).await?];
    ground.until(|| made(&ground) == 2).await;
    for _ in 0..2 {
        let late = client(&ground, &port).await?;
        late.write(b"late");
        late.close();
    }
    ground.settle().await;
    assert_eq!((made(&ground), port.connections()), (2, 2), "the others wait");
    held.iter().for_each(Transport::close);
    ground.log().received("srv", 8).await;
    assert_eq!((made(&ground), port.refused()), (4, 0));
    Ok(())
}

async fn ports_of_one_policy_share_its_limit(ground: Ground) -> Result {
    let policy = Policy::new().connections(1);
    let [one, other] = [listen(&ground, &policy)?, listen(&ground, &policy)?];
    let first = client(&ground, &one).await?;
    ground.log().heard("srv", "made").await;
    let second = client(&ground, &other).await?;
    ground.settle().await;
    assert_eq!((one.connections(), other.connections()), (1, 0));
    first.close();
    ground.until(|| other.connections() == 1).await;
    second.close();
    Ok(())
}

async fn a_full_port_leaves_others_alone(ground: Ground) -> Result {
    let full = listen(&ground, &Policy::new().connections(0))?;
    let free = listen(&ground, &Policy::new())?;
    let waits = client(&ground, &full).await?;
    let cli = client(&ground, &free).await?;
    ground.log().heard("srv", "made").await;
    assert_eq!((full.connections(), free.connections()), (0, 1));
    full.stop().await?;
    ground.until(|| !waits.is_open()).await;
    cli.close();
    Ok(())
}

async fn over_the_limit_of_an_address_a_connection_is_reset_at_once(ground: Ground) -> Result {
    let port = listen(&ground, &Policy::new().per_address(1))?;
    let held = client(&ground, &port).await?;
    ground.log().heard("srv", "made").await;
    for n in 1..=3 {
        let cli = Actor::new(&ground, "cli");
        match ground.reactor().connect(&to(&port), |_| cli).await {
            Ok(_) => assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)"),
            Err(error) => {
                let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
                assert_eq!(kind, Some(io::ErrorKind::ConnectionReset), "{error}");
            }
        }
        assert_eq!(port.refused(), n);
        ground.log().forget();
    }
    assert_eq!((made(&ground), port.connections()), (0, 1), "nobody heard of them");
    held.close();
    Ok(())
}

async fn an_address_may_come_again_when_its_connection_has_ended(ground: Ground) -> Result {
    let port = listen(&ground, &Policy::new().per_address(1))?;
    for n in 1..=3 {
        let cli = client(&ground, &port).await?;
        ground.until(|| made(&ground) == n).await;
        if n == 2 {
            cli.abort();
        } else {
            cli.close();
        }
        ground.until(|| port.connections() == 0).await;
    }
    assert_eq!(port.refused(), 0);
    Ok(())
}

async fn a_table_of_addresses_is_shared_by_what_counts_in_it(ground: Ground) -> Result {
    let table = Addresses::new(2);
    let policy = Policy::new().addresses(&table);
    let [one, other] = [listen(&ground, &policy)?, listen(&ground, &Policy::new().addresses(&table))?];
    let clients = [client(&ground, &one).await?, client(&ground, &other).await?];
    ground.until(|| made(&ground) == 2).await;
    let address = clients[0].peer().local.ip().ok_or("no address")?;
    assert_eq!((table.count(address), table.len()), (2, 1));
    assert!(table.enter(address).is_err());
    clients.iter().for_each(Transport::close);
    ground.until(|| table.is_empty()).await;
    Ok(())
}

async fn what_connects_takes_no_limits_of_ports(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    for policy in [Policy::new().connections(1), Policy::new().per_address(1)] {
        let to = to(&port).as_str().into_endpoint()?.policy(policy);
        let error = ground.reactor().connect(to, |_| Plain).await.unwrap_err().to_string();
        assert!(error.contains("for ports") && error.contains(&port.addr().to_string()), "{error}");
    }
    Ok(())
}

async fn a_port_gives_its_connections_an_idle_timeout(ground: Ground) -> Result {
    let port = listen(&ground, &Policy::new().idle(ground.moment()))?;
    let cli = client(&ground, &port).await?;
    cli.write(b"hi");
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Idle)");
    assert_eq!(ground.log().of("srv"), ["made", "timed out Idle", "lost TimedOut(Idle)"]);
    ground.until(|| !cli.is_open()).await;
    Ok(())
}

async fn a_protocol_changes_the_idle_timeout_of_its_policy(ground: Ground) -> Result {
    let inner = ground.clone();
    let port = ground.listen_on(on(&Policy::new().idle(ground.moment()))?, move |_| {
        Actor::new(&inner, "srv").made(|transport| {
            transport.set_timeout(None);
            Ok(())
        })
    })?;
    let cli = client(&ground, &port).await?;
    ground.log().heard("srv", "made").await;
    ground.reactor().sleep(3 * ground.moment()).await;
    assert_eq!(ground.log().of("srv"), ["made"]);
    cli.close();
    Ok(())
}

async fn a_connect_has_a_policy_too(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    let to = to(&port).as_str().into_endpoint()?.policy(Policy::new().idle(ground.moment()));
    let cli = Actor::new(&ground, "cli");
    ground.reactor().connect(to, |_| cli).await?;
    assert_eq!(ground.log().lost("cli").await, "TimedOut(Idle)");
    assert_eq!(ground.log().of("cli"), ["made", "timed out Idle", "lost TimedOut(Idle)"]);
    Ok(())
}

async fn the_idle_timeout_of_a_policy_ends_a_handshake(ground: Ground) -> Result {
    let inner = ground.clone();
    let layers = || vec![Box::new(Xor::server(1)) as Box<dyn Layer>];
    let endpoint = on(&Policy::new().idle(ground.moment()))?.layered(layers);
    let port = ground.listen_on(endpoint, move |_| Actor::new(&inner, "srv"))?;
    let cli = Actor::new(&ground, "cli").stays();
    ground.reactor().connect(&to(&port), |_| cli).await?;
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    assert_eq!((ground.log().of("srv"), port.connections()), (vec![], 0), "it never heard of the connection");
    Ok(())
}

async fn the_deadline_of_a_policy_counts_from_the_beginning(ground: Ground) -> Result {
    let (inner, deadline) = (ground.clone(), 3 * ground.moment());
    let start = ground.reactor().now();
    let port = ground.listen_on(on(&Policy::new().deadline(deadline))?, move |_| {
        let next = Actor::new(&inner, "next");
        let mut next = Some(next);
        Actor::new(&inner, "srv").data(move |transport, input| {
            input.rest();
            next.take().into_iter().for_each(|next| transport.switch_to(next));
            Ok(())
        })
    })?;
    let cli = client(&ground, &port).await?;
    ground.reactor().sleep(ground.moment()).await;
    cli.write(b"switch");
    assert_eq!(ground.log().lost("next").await, "TimedOut(Deadline)");
    assert!(ground.reactor().now() - start >= deadline);
    assert_eq!(ground.log().of("next"), ["made", "timed out Deadline", "lost TimedOut(Deadline)"]);
    Ok(())
}

async fn options_of_a_string_make_a_policy(ground: Ground) -> Result {
    let inner = ground.clone();
    let seconds = ground.moment().as_secs_f64();
    let on =
        format!("{ON}:connections=2:per-address=1:idle={seconds}:deadline=1000:rate-in=1000:rate-out=1000");
    let port = ground.listen_on(&on, move |_| Actor::new(&inner, "srv"))?;
    let start = ground.reactor().now();
    let cli = client(&ground, &port).await?;
    cli.write(&vec![b'x'; 4500]);
    if let Ok(other) = client(&ground, &port).await {
        ground.until(|| !other.is_open()).await;
    }
    assert_eq!(port.refused(), 1);
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Idle)");
    assert!(ground.reactor().now() - start >= ground.moment());
    ground.until(|| !cli.is_open()).await;
    let to = format!("{}:idle={seconds}", to(&port));
    let cli = Actor::new(&ground, "cli");
    ground.reactor().connect(&to, |_| cli).await?;
    ground.log().lost("cli").await;
    Ok(())
}

async fn a_policy_of_code_goes_before_options(ground: Ground) -> Result {
    let inner = ground.clone();
    let string = format!("{ON}:idle=1000:connections=1");
    let policy = Policy::new().idle(ground.moment()).connections(7);
    let endpoint = string.as_str().into_endpoint()?.policy(policy);
    let port = ground.listen_on(endpoint, move |_| Actor::new(&inner, "srv"))?;
    let (one, other) = (client(&ground, &port).await?, client(&ground, &port).await?);
    ground
        .until(|| ground.log().of("srv").iter().filter(|line| *line == "lost TimedOut(Idle)").count() == 2)
        .await;
    ground.until(|| !one.is_open() && !other.is_open()).await;
    Ok(())
}

async fn wrong_options_are_named(ground: Ground) -> Result {
    for (option, complaint) in [
        ("connections=many", "connections= takes a number"),
        ("connections=0", "connections= takes a number above 0"),
        ("per-address=-1", "per-address= takes a number"),
        ("rate-in=0", "rate-in= takes a number of bytes, at least 1"),
        ("rate-out=1k", "rate-out= takes a number of bytes, at least 1"),
        ("idle=soon", "idle= takes a number of seconds"),
        ("log=maybe", "log= takes yes or no"),
        ("idel=1", "did you mean idle?"),
    ] {
        let error = ground.listen_on(&format!("{ON}:{option}"), |_| Plain).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
    // What connects knows no limits of ports.
    let error = ground.reactor().connect("tcp:127.0.0.1:1:connections=1", |_| Plain).await.unwrap_err();
    assert!(error.to_string().contains("unknown option"), "{error}");
    Ok(())
}

// ── the log ──

/// Keeps the events of the traffic log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "trenza::traffic"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

async fn each_connection_is_logged_at_its_end(ground: Ground) -> Result {
    let lines = Lines::default();
    let heard = tracing::subscriber::set_default(lines.clone());
    let port = listen(&ground, &Policy::new().log())?;
    let cli = client(&ground, &port).await?;
    cli.write(b"hello");
    ground.log().received("srv", 5).await;
    let srv = ground.reactor().connections().into_iter().find(|transport| transport.counts().received == 5);
    let srv = srv.ok_or("no connection")?;
    ground.reactor().sleep(Duration::from_millis(2)).await;
    srv.write(b"goodbye");
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    ground.until(|| !lines.0.lock().unwrap().is_empty()).await;
    drop(heard);
    let lines = lines.0.lock().unwrap().clone();
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    let peer = srv.peer();
    for part in [
        "INFO message=connection ended".to_owned(),
        format!(" connection={}", srv.id()),
        format!(" remote={}", peer.remote),
        format!(" local={}", port.addr()),
        " received=5".to_owned(),
        " sent=7".to_owned(),
        " reason=\"closed by the peer\"".to_owned(),
    ] {
        assert!(line.contains(&part), "{part} in {line}");
    }
    let seconds = line.split(" seconds=").nth(1).and_then(|rest| rest.split(' ').next());
    assert!(seconds.and_then(|seconds| seconds.parse::<f64>().ok()).is_some_and(|seconds| seconds >= 0.002));
    Ok(())
}

async fn without_log_nothing_is_logged(ground: Ground) -> Result {
    let lines = Lines::default();
    let heard = tracing::subscriber::set_default(lines.clone());
    let port = listen(&ground, &Policy::new().per_address(9))?;
    let cli = client(&ground, &port).await?;
    ground.log().heard("srv", "made").await;
    cli.close();
    ground.log().lost("srv").await;
    ground.settle().await;
    drop((heard, Rc::new(())));
    assert!(lines.0.lock().unwrap().is_empty());
    Ok(())
}

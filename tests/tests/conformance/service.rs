//! Services: ports, timers, clients that come back, and several of them that are one.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, to},
};
use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    Backoff, ClientService, Deferred, NotConnected, PortService, Reactor, Reason, Result, Service, Services,
    StartError, StopError, TimerService,
};

cases! {
    a_port_service_is_over_with_its_last_connection
    services_start_in_order_and_stop_in_reverse
    when_one_cannot_start_those_before_it_are_stopped
    what_is_not_over_at_the_deadline_is_aborted
    an_aborted_port_resets_its_connections_and_goes_on
    stop_has_a_protocol_hear_stopping_once
    a_timer_service_calls_until_it_is_stopped
    a_timer_service_comes_to_the_end_of_its_call
    a_client_service_connects_when_there_is_somebody
    a_client_service_comes_back_after_a_reset
    who_waits_through_so_many_failures_gets_the_last_one
    a_policy_that_gives_up_ends_a_client_service
    a_connection_that_is_not_prepared_is_reset_and_nobody_gets_it
    a_client_service_stops_in_a_pause
    a_client_service_that_stops_waits_for_its_connection
    an_aborted_client_service_resets_its_connection
    a_wrong_endpoint_is_an_error_of_the_start
    the_loop_stops_its_services_before_anything_else
    the_end_of_the_loop_ends_a_client_service
    nothing_is_started_once_the_loop_stops
}

/// Notes what it is told.
struct Noted(Ground, &'static str);

fn noted(ground: &Ground, name: &'static str) -> Noted {
    Noted(ground.clone(), name)
}

impl Service for Noted {
    fn start(&mut self, _: &Reactor) -> Result {
        self.0.log().note(self.1, "start");
        Ok(())
    }

    fn stop(&mut self) -> Deferred<()> {
        self.0.log().note(self.1, "stop");
        self.0.reactor().spawn(async { Ok(()) })
    }
}

/// One that never stops by itself.
struct Stuck(Ground);

impl Service for Stuck {
    fn start(&mut self, _: &Reactor) -> Result {
        Ok(())
    }

    fn stop(&mut self) -> Deferred<()> {
        self.0.reactor().spawn(std::future::pending())
    }

    fn abort(&mut self) {
        self.0.log().note("stuck", "abort");
    }
}

/// A client whose pauses are as short as can be.
fn client(ground: &Ground, to: &str) -> ClientService {
    let inner = ground.clone();
    let short =
        Backoff { first: Duration::from_millis(1), most: Duration::from_millis(5), ..Backoff::default() };
    ClientService::new(to, move |_| Actor::new(&inner, "cli")).retry(short)
}

/// A port that is free, most likely: one that was given out and back.
async fn free(ground: &Ground) -> Result<String> {
    let port = ground.listen(|_| Plain);
    port.stop().await?;
    Ok(to(&port))
}

async fn a_port_service_is_over_with_its_last_connection(ground: Ground) -> Result {
    let inner = ground.clone();
    let server = move |_: &_| Actor::new(&inner, "srv").stopping(|_| Ok(()));
    let mut service = PortService::new("tcp:0:interface=127.0.0.1", server);
    service.start(ground.reactor())?;
    let port = service.port().ok_or("it listens")?.clone();
    let far = ground.reactor().connect(&to(&port), |_| Plain).await?;
    ground.log().heard("srv", "made").await;
    let over = service.stop();
    ground.log().heard("srv", "stopping").await;
    assert!(ground.reactor().connect(&to(&port), |_| Plain).await.is_err());
    assert_eq!(port.connections(), 1);
    far.close();
    over.await
}

async fn services_start_in_order_and_stop_in_reverse(ground: Ground) -> Result {
    let middle = Services::new().with("b", noted(&ground, "b")).with("c", noted(&ground, "c"));
    let mut all =
        Services::new().with("a", noted(&ground, "a")).with("middle", middle).with("d", noted(&ground, "d"));
    all.start(ground.reactor())?;
    all.stop().await?;
    let order = ["a start", "b start", "c start", "d start", "d stop", "c stop", "b stop", "a stop"];
    assert_eq!(ground.log().lines(), order);
    Ok(())
}

async fn when_one_cannot_start_those_before_it_are_stopped(ground: Ground) -> Result {
    let taken = ground.listen(|_| Plain);
    let free = free(&ground).await?;
    let on = |to: &str| format!("tcp:{}:interface=127.0.0.1", to.rsplit(':').next().unwrap_or_default());
    let (first, second) = (on(&free), on(&to(&taken)));
    let mut all = Services::new()
        .with("first", PortService::new(&first, |_| Plain))
        .with("second", PortService::new(&second, |_| Plain))
        .with("third", noted(&ground, "third"));
    let error = all.start(ground.reactor()).unwrap_err().downcast::<StartError>()?;
    assert_eq!(error.name, "second");
    let cause = error.error.downcast_ref::<io::Error>().unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::AddrInUse);
    ground.settle().await;
    assert!(ground.reactor().connect(&free, |_| Plain).await.is_err(), "the first one was stopped");
    assert!(ground.log().of("third").is_empty());
    Ok(())
}

async fn what_is_not_over_at_the_deadline_is_aborted(ground: Ground) -> Result {
    let mut all = Services::new()
        .with("before", noted(&ground, "before"))
        .with("stuck", Stuck(ground.clone()))
        .deadline(ground.moment());
    all.start(ground.reactor())?;
    let error = all.stop().await.unwrap_err().downcast::<StopError>()?;
    assert_eq!(error.left[0], "stuck was not over in time");
    assert_eq!(ground.log().of("stuck"), ["abort"]);
    assert_eq!(ground.log().of("before"), ["start", "stop"]);
    Ok(())
}

async fn an_aborted_port_resets_its_connections_and_goes_on(ground: Ground) -> Result {
    let inner = ground.clone();
    let port = ground.listen(move |_| Actor::new(&inner, "srv"));
    let far = Actor::new(&ground, "cli");
    let first = ground.reactor().connect(&to(&port), |_| far).await?;
    ground.log().heard("srv", "made").await;
    port.abort();
    assert_eq!(ground.log().lost("srv").await, "Stopped");
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    assert!(!first.is_open());
    ground.reactor().connect(&to(&port), |_| Plain).await?.close();
    Ok(())
}

async fn stop_has_a_protocol_hear_stopping_once(ground: Ground) -> Result {
    let server = Actor::new(&ground, "srv");
    let client = Actor::new(&ground, "cli").stopping(|transport| {
        transport.write(b"bye");
        transport.close();
        Ok(())
    });
    let (_, client) = ground.pair(server, client).await?;
    client.stop();
    client.stop();
    ground.log().received("srv", 3).await;
    ground.log().lost("cli").await;
    client.stop();
    ground.settle().await;
    assert_eq!(ground.log().of("cli").iter().filter(|line| *line == "stopping").count(), 1);
    Ok(())
}

async fn a_timer_service_calls_until_it_is_stopped(ground: Ground) -> Result {
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let mut timer = TimerService::new(Duration::from_millis(1), async move |_| {
        count.set(count.get() + 1);
        Ok(())
    });
    timer.start(ground.reactor())?;
    ground.until(|| calls.get() >= 5).await;
    timer.stop().await?;
    let then = calls.get();
    ground.reactor().sleep(ground.moment()).await;
    assert_eq!(calls.get(), then);
    Ok(())
}

async fn a_timer_service_comes_to_the_end_of_its_call(ground: Ground) -> Result {
    let (inner, moment) = (ground.clone(), ground.moment());
    let mut timer = TimerService::new(Duration::from_secs(3600), async move |_| {
        inner.log().note("timer", "begins");
        inner.reactor().sleep(moment).await;
        inner.log().note("timer", "ends");
        Ok(())
    });
    timer.start(ground.reactor())?;
    ground.log().heard("timer", "begins").await;
    timer.stop().await?;
    assert_eq!(ground.log().of("timer"), ["begins", "ends"]);
    Ok(())
}

async fn a_client_service_connects_when_there_is_somebody(ground: Ground) -> Result {
    let to = free(&ground).await?;
    let mut service = client(&ground, &to);
    service.start(ground.reactor())?;
    let wanted = service.when_connected(ground.reactor());
    ground.until(|| service.failures() >= 3).await;
    assert!(service.connection().is_none());
    let on = format!("tcp:{}:interface=127.0.0.1", to.rsplit(':').next().unwrap());
    ground.listen_on(&on, |_| Plain)?;
    let connected = wanted.await?;
    assert_eq!(service.connection().as_ref(), Some(&connected));
    assert_eq!(service.when_connected(ground.reactor()).await?, connected);
    service.stop().await
}

async fn a_client_service_comes_back_after_a_reset(ground: Ground) -> Result {
    let accepted = Rc::new(RefCell::new(Vec::new()));
    let all = accepted.clone();
    let port = ground.listen(move |transport| {
        all.borrow_mut().push(transport.clone());
        Plain
    });
    let mut service = client(&ground, &to(&port));
    service.start(ground.reactor())?;
    for n in 1..=4 {
        ground.until(|| accepted.borrow().len() == n && service.connection().is_some()).await;
        assert_eq!(service.failures() as usize, n - 1);
        let last = accepted.borrow().last().cloned().unwrap();
        last.abort();
    }
    ground.until(|| accepted.borrow().len() == 5).await;
    service.stop().await
}

async fn who_waits_through_so_many_failures_gets_the_last_one(ground: Ground) -> Result {
    let to = free(&ground).await?;
    let mut service = client(&ground, &to);
    let wanted = service.when_connected_within(ground.reactor(), 3);
    service.start(ground.reactor())?;
    let error = wanted.await.unwrap_err().downcast::<NotConnected>()?;
    let NotConnected::Failed { failures, last } = *error else { return Err(error) };
    assert_eq!(failures, 3);
    assert_eq!(last.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::ConnectionRefused);
    service.stop().await
}

async fn a_policy_that_gives_up_ends_a_client_service(ground: Ground) -> Result {
    let to = free(&ground).await?;
    let mut service =
        client(&ground, &to).retry(|failures: u32, _: &Reactor| (failures < 2).then_some(Duration::ZERO));
    let wanted = service.when_connected(ground.reactor());
    service.start(ground.reactor())?;
    assert!(wanted.await.unwrap_err().is::<NotConnected>());
    let late = service.when_connected(ground.reactor()).await.unwrap_err().downcast::<NotConnected>()?;
    assert!(matches!(*late, NotConnected::Stopped));
    service.stop().await
}

async fn a_connection_that_is_not_prepared_is_reset_and_nobody_gets_it(ground: Ground) -> Result {
    let inner = ground.clone();
    let port = ground.listen(move |_| Actor::new(&inner, "srv"));
    let tries = Rc::new(Cell::new(0));
    let count = tries.clone();
    let mut service = client(&ground, &to(&port)).prepare(Duration::from_secs(60), move |transport| {
        count.set(count.get() + 1);
        let (n, transport) = (count.get(), transport.clone());
        async move {
            transport.write(b"hello");
            transport.flushed().await?;
            if n < 3 { Err("not yet".into()) } else { Ok(()) }
        }
    });
    service.start(ground.reactor())?;
    let connected = service.when_connected(ground.reactor()).await?;
    assert_eq!((tries.get(), service.failures()), (3, 2));
    assert!(connected.is_open());
    ground.log().heard("srv", "lost Io(ConnectionReset)").await;
    service.stop().await
}

async fn a_client_service_stops_in_a_pause(ground: Ground) -> Result {
    let to = free(&ground).await?;
    let mut service = client(&ground, &to).retry(|_: u32, _: &Reactor| Some(Duration::from_secs(3600)));
    service.start(ground.reactor())?;
    ground.until(|| service.failures() == 1).await;
    let wanted = service.when_connected(ground.reactor());
    service.stop().await?;
    assert!(wanted.await.unwrap_err().is::<NotConnected>());
    service.stop().await
}

async fn a_client_service_that_stops_waits_for_its_connection(ground: Ground) -> Result {
    let inner = ground.clone();
    let port = ground.listen(move |_| Actor::new(&inner, "srv"));
    let mut service = client(&ground, &to(&port));
    service.start(ground.reactor())?;
    service.when_connected(ground.reactor()).await?;
    service.stop().await?;
    assert_eq!(ground.log().of("cli")[..2], ["made", "stopping"]);
    assert!(ground.log().of("cli").last().unwrap().starts_with("lost "));
    assert!(service.connection().is_none());
    Ok(())
}

async fn an_aborted_client_service_resets_its_connection(ground: Ground) -> Result {
    let inner = ground.clone();
    let port = ground.listen(move |_| Actor::new(&inner, "srv"));
    let inner = ground.clone();
    let build = move |_: &_| Actor::new(&inner, "cli").stopping(|_| Ok(())).stays();
    let service = ClientService::new(&to(&port), build);
    let mut all = Services::new().with("client", service.clone()).deadline(ground.moment());
    all.start(ground.reactor())?;
    service.when_connected(ground.reactor()).await?;
    assert!(all.stop().await.is_err());
    assert_eq!(ground.log().lost("cli").await, "Aborted");
    assert_eq!(ground.log().lost("srv").await, "Io(ConnectionReset)");
    Ok(())
}

async fn a_wrong_endpoint_is_an_error_of_the_start(ground: Ground) -> Result {
    for wrong in ["tcp:[", "tcp", "quic:h:1"] {
        assert!(client(&ground, wrong).start(ground.reactor()).is_err(), "{wrong}");
        assert!(PortService::new(wrong, |_| Plain).start(ground.reactor()).is_err(), "{wrong}");
    }
    Ok(())
}

async fn the_loop_stops_its_services_before_anything_else(ground: Ground) -> Result {
    let reactor = ground.reactor();
    reactor.start(noted(&ground, "first"))?;
    reactor.start(noted(&ground, "second"))?;
    let (server, client) = (Actor::new(&ground, "srv"), Actor::new(&ground, "cli"));
    ground.pair(server, client).await?;
    reactor.stop();
    let log = ground.log().clone();
    ground.after_loop(move || {
        let lines = log.lines();
        let at = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap_or(usize::MAX);
        let of = |who: &str, what: &str| {
            lines.iter().position(|line| line.starts_with(who) && line.ends_with(what)).unwrap_or(usize::MAX)
        };
        assert!(of("second", "stop") < of("first", "stop"), "{lines:?}");
        assert!(of("first", "stop") < at("stopping") && at("stopping") < usize::MAX, "{lines:?}");
    });
    Ok(())
}

async fn the_end_of_the_loop_ends_a_client_service(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    let service = client(&ground, &to(&port));
    service.clone().start(ground.reactor())?;
    service.when_connected(ground.reactor()).await?;
    ground.reactor().stop();
    let log = ground.log().clone();
    ground.after_loop(move || {
        assert!(service.connection().is_none());
        assert!(log.of("cli").contains(&"stopping".to_owned()));
    });
    Ok(())
}

async fn nothing_is_started_once_the_loop_stops(ground: Ground) -> Result {
    ground.reactor().stop();
    let error = ground.reactor().start(noted(&ground, "late")).unwrap_err().downcast::<Reason>()?;
    assert!(matches!(*error, Reason::Stopped));
    let log = ground.log().clone();
    ground.after_loop(move || assert!(log.of("late").is_empty()));
    Ok(())
}

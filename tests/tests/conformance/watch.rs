//! Watched descriptors, and options of sockets: what is told and set, and what is refused.

use crate::{actor::Actor, drivers::ON_PURPOSE, ground::Ground};
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::{Result, SocketOption, driver::Interest};

cases! {
    a_watch_is_told_while_its_descriptor_is_ready
    a_watch_hears_only_what_it_asked_for
    a_watch_that_was_dropped_hears_nothing
    a_watch_may_be_dropped_when_it_is_told
    a_watch_that_panics_ends
    a_watch_for_nothing_is_refused
    an_option_that_a_connection_has_is_set
    an_option_that_a_connection_has_not_is_an_error_that_names_it
    an_option_of_a_connection_that_has_ended_is_an_error
}

async fn a_watch_is_told_while_its_descriptor_is_ready(ground: Ground) -> Result {
    let (told, watched) = (Rc::new(Cell::new(0)), ground.watched());
    let count = told.clone();
    let _watch = ground.reactor().watch_socket(watched.socket(), Interest::READ, move |ready| {
        assert!(ready.read && !ready.write);
        count.set(count.get() + 1);
    })?;
    ground.settle().await;
    assert_eq!(told.get(), 0);
    watched.fill();
    ground.until(|| told.get() >= ground.scaled(1, 3)).await;
    watched.drain();
    ground.settle().await;
    let then = told.get();
    ground.settle().await;
    assert_eq!(told.get(), then);
    watched.fill();
    ground.until(|| told.get() > then).await;
    watched.drain();
    Ok(())
}

async fn a_watch_hears_only_what_it_asked_for(ground: Ground) -> Result {
    let watched = ground.watched();
    watched.fill();
    let told = Rc::new(Cell::new(false));
    let hears = told.clone();
    let watch = ground.reactor().watch_socket(watched.socket(), Interest::WRITE, move |ready| {
        assert!(ready.write && !ready.read);
        hears.set(true);
    })?;
    ground.until(|| told.get()).await;
    drop(watch);
    ground.settle().await;
    watched.fill();
    let told = Rc::new(Cell::new(false));
    let hears = told.clone();
    let _watch = ground.reactor().watch_socket(watched.socket(), Interest::BOTH, move |ready| {
        hears.set(hears.get() || ready.read && ready.write);
    })?;
    ground.until(|| told.get()).await;
    Ok(())
}

async fn a_watch_that_was_dropped_hears_nothing(ground: Ground) -> Result {
    let watched = ground.watched();
    let told = Rc::new(Cell::new(0));
    let count = told.clone();
    let watch = ground.reactor().watch_socket(watched.socket(), Interest::READ, move |_| {
        count.set(count.get() + 1);
    })?;
    assert!(watch.is_active());
    ground.settle().await;
    watched.fill();
    drop(watch);
    ground.settle().await;
    assert_eq!((told.get(), Rc::strong_count(&told)), (0, 1));
    Ok(())
}

async fn a_watch_may_be_dropped_when_it_is_told(ground: Ground) -> Result {
    let watched = ground.watched();
    let told = Rc::new(Cell::new(0));
    let place = Rc::new(Cell::new(None));
    let (count, own) = (told.clone(), place.clone());
    let watch = ground.reactor().watch_socket(watched.socket(), Interest::READ, move |_| {
        count.set(count.get() + 1);
        drop(own.take());
    })?;
    place.set(Some(watch));
    watched.fill();
    ground.until(|| told.get() > 0).await;
    ground.settle().await;
    assert_eq!((told.get(), Rc::strong_count(&told)), (1, 1));
    Ok(())
}

async fn a_watch_that_panics_ends(ground: Ground) -> Result {
    let watched = ground.watched();
    let watch =
        ground.reactor().watch_socket(watched.socket(), Interest::READ, |_| panic!("{ON_PURPOSE}"))?;
    watched.fill();
    ground.until(|| !watch.is_active()).await;
    ground.settle().await;
    Ok(())
}

async fn a_watch_for_nothing_is_refused(ground: Ground) -> Result {
    let nothing = Interest { read: false, write: false };
    assert!(ground.reactor().watch_socket(ground.watched().socket(), nothing, |_| ()).is_err());
    Ok(())
}

async fn an_option_that_a_connection_has_is_set(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    for option in [
        SocketOption::NoDelay(false),
        SocketOption::KeepAlive(Some(Duration::from_secs(60))),
        SocketOption::KeepAlive(None),
        SocketOption::SendBuffer(64 * 1024),
        SocketOption::ReceiveBuffer(64 * 1024),
        SocketOption::UrgentInline(false),
        SocketOption::UrgentInline(true),
        SocketOption::QuickAck,
    ] {
        cli.set_option(option).await?;
    }
    cli.write(b"goes on");
    ground.log().received("srv", 7).await;
    srv.close();
    Ok(())
}

async fn an_option_that_a_connection_has_not_is_an_error_that_names_it(ground: Ground) -> Result {
    let (srv, cli) = ground.unix_pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.set_option(SocketOption::SendBuffer(64 * 1024)).await?;
    let (_, pipe) = ground.adopt(ground.pipe(), Actor::new(&ground, "r"), Actor::new(&ground, "w")).await?;
    for (transport, option) in [(&cli, SocketOption::NoDelay(true)), (&pipe, SocketOption::SendBuffer(1000))]
    {
        let error = transport.set_option(option).await.unwrap_err().to_string();
        assert!(error.contains(&option.to_string()) && error.contains("no such option"), "{error}");
    }
    cli.write(b"goes on");
    ground.log().received("srv", 7).await;
    srv.close();
    pipe.close();
    Ok(())
}

async fn an_option_of_a_connection_that_has_ended_is_an_error(ground: Ground) -> Result {
    let (_, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.abort();
    ground.log().lost("cli").await;
    assert!(cli.set_option(SocketOption::NoDelay(true)).await.is_err());
    Ok(())
}

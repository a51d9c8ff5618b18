//! Blocking calls and lookups: many at once, more than the pool takes, and what a full pool does not hold up.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, to},
};
use std::{cell::Cell, io, net::IpAddr, rc::Rc};
use trenza_core::{Reactor, Result, driver::PoolFull};

/// So many connections ask at once.
const CONNECTIONS: usize = 100;

cases! {
    a_hundred_connections_make_a_hundred_thousand_blocking_calls
    what_the_pool_does_not_take_is_refused_and_the_rest_is_done
    a_name_is_looked_up
    an_address_is_looked_up_without_a_thread
    a_name_that_nobody_has_is_an_error_that_names_it
    a_connect_to_a_name_finds_the_address_that_listens
    a_connect_passes_by_an_address_that_nobody_has
    a_connect_that_fails_everywhere_names_every_address
}

cases! { of real systems only:
    a_lookup_does_not_wait_for_blocking_calls
}

/// Has every connection make calls one after the other.
async fn a_hundred_connections_make_a_hundred_thousand_blocking_calls(ground: Ground) -> Result {
    let calls = ground.scaled(10, 1000);
    let done = Rc::new(Cell::new(0));
    let count = done.clone();
    let port = ground.reactor().serve("tcp:0:interface=127.0.0.1", move |stream| {
        let count = count.clone();
        async move {
            for n in 0..calls {
                let reactor = Reactor::current();
                assert_eq!(reactor.in_thread(move || Ok(n)).await?, n);
                count.set(count.get() + 1);
            }
            stream.close().await
        }
    })?;
    let port = ground.keep(port);
    let opened: Vec<_> = (0..CONNECTIONS).map(|_| ground.reactor().open(&to(&port))).collect();
    for stream in opened {
        let mut stream = stream.await?;
        assert!(stream.read().await?.is_none());
        stream.close().await?;
    }
    assert_eq!(done.get(), calls * CONNECTIONS);
    Ok(())
}

async fn what_the_pool_does_not_take_is_refused_and_the_rest_is_done(ground: Ground) -> Result {
    let mut pairs = Vec::new();
    for _ in 0..CONNECTIONS {
        pairs.push(ground.pair(Actor::new(&ground, "srv"), Plain).await?);
    }
    let calls = ground.scaled(20, 1000);
    let (done, refused) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    // No call ends before the last one was made.
    let gate = ground.gate();
    for (srv, _) in &pairs {
        for n in 0..calls {
            let (pass, done, refused) = (gate.pass(), done.clone(), refused.clone());
            let call = ground.reactor().in_thread(move || {
                pass();
                Ok(n)
            });
            call.then_in(srv.handle::<Actor>(), move |_, _, result| {
                match result {
                    Ok(same) if same == n => done.set(done.get() + 1),
                    Ok(other) => panic!("{other} is the answer to another call"),
                    Err(error) if error.is::<PoolFull>() => refused.set(refused.get() + 1),
                    Err(error) => return Err(error),
                }
                Ok(())
            });
        }
    }
    gate.open();
    ground.until(|| done.get() + refused.get() == calls * CONNECTIONS).await;
    assert!(done.get() > 0 && refused.get() > 0);
    assert_eq!(ground.reactor().in_thread(|| Ok("room again")).await?, "room again");
    pairs.iter().for_each(|(srv, _)| srv.close());
    Ok(())
}

async fn a_name_is_looked_up(ground: Ground) -> Result {
    let found = ground.reactor().lookup(ground.name(), 7007).await?;
    let own: IpAddr = ground.own("127.0.0.1").parse()?;
    assert!(found.contains(&(own, 7007).into()), "{found:?}");
    Ok(())
}

async fn an_address_is_looked_up_without_a_thread(ground: Ground) -> Result {
    for address in ["192.0.2.1", "2001:db8::1"] {
        let ip: IpAddr = address.parse()?;
        assert_eq!(ground.reactor().lookup(address, 1).await?, [(ip, 1).into()]);
    }
    Ok(())
}

async fn a_name_that_nobody_has_is_an_error_that_names_it(ground: Ground) -> Result {
    // Longer than a label may be (RFC 1035 section 2.3.4): nobody needs to be asked.
    let name = format!("{}.invalid", "x".repeat(64));
    let says = format!("cannot look up {name:?}: ");
    let error = ground.reactor().lookup(&name, 80).await.unwrap_err().downcast::<io::Error>().unwrap();
    assert!(error.to_string().starts_with(&says), "{error}");
    let connect = ground.reactor().connect(&format!("tcp:{name}:80"), |_| Plain).await.unwrap_err();
    assert!(connect.to_string().starts_with(&says), "{connect}");
    Ok(())
}

/// Nobody listens on the other family's address.
async fn a_connect_to_a_name_finds_the_address_that_listens(ground: Ground) -> Result {
    let own = ground.own("127.0.0.1");
    let srv = ground.clone();
    let port = ground.listen_on(&format!("tcp:0:interface={own}"), move |_| Actor::new(&srv, "srv"))?;
    let port_number = port.addr().port().ok_or("no port")?;
    let to = format!("tcp:{}:{port_number}", ground.name());
    let cli = ground.reactor().connect(&to, |_| Plain).await?;
    cli.write(b"found");
    ground.log().received("srv", 5).await;
    cli.close();
    Ok(())
}

async fn a_connect_passes_by_an_address_that_nobody_has(ground: Ground) -> Result {
    let srv = ground.clone();
    let port = ground.listen(move |_| Actor::new(&srv, "srv"));
    // RFC 5737: for documentation only. A system finds that there is no way, or waits for ever.
    let addresses: [IpAddr; 2] = ["192.0.2.1".parse()?, "127.0.0.1".parse()?];
    ground.reactor().set_resolver(move |_, port| Ok(addresses.map(|ip| (ip, port).into()).into()));
    let port_number = port.addr().port().ok_or("no port")?;
    let cli = ground.reactor().connect(&format!("tcp:anywhere:{port_number}"), |_| Plain).await?;
    assert_eq!(cli.peer().remote.ip(), Some(addresses[1]));
    cli.close();
    Ok(())
}

async fn a_connect_that_fails_everywhere_names_every_address(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    let port_number = port.addr().port().ok_or("no port")?;
    port.stop().await?;
    let addresses: [IpAddr; 2] = ["::1".parse()?, "127.0.0.1".parse()?];
    ground.reactor().set_resolver(move |_, port| Ok(addresses.map(|ip| (ip, port).into()).into()));
    let failed = ground.reactor().connect(&format!("tcp:closed:{port_number}"), |_| Plain).await.unwrap_err();
    let failed = failed.downcast::<io::Error>().unwrap();
    assert_eq!(failed.kind(), io::ErrorKind::ConnectionRefused);
    let text = failed.to_string();
    assert!(text.starts_with(&format!("cannot connect to closed:{port_number}: [::1]:")), "{text}");
    assert!(text.contains("; 127.0.0.1:"), "{text}");
    Ok(())
}

async fn a_lookup_does_not_wait_for_blocking_calls(ground: Ground) -> Result {
    let gate = ground.fill_pool();
    assert!(ground.reactor().in_thread(|| Ok(())).await.unwrap_err().is::<PoolFull>());
    assert!(!ground.reactor().lookup(ground.name(), 80).await?.is_empty());
    gate.open();
    Ok(())
}

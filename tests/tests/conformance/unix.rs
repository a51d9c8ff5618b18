//! UNIX stream sockets: paths, abstract names, what is there already.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, bytes},
};
use std::io;
use trenza_core::{Addr, Limits, Result, UnixAddr};

cases! {
    a_path_carries_bytes_both_ways
    a_path_is_free_again_when_its_port_has_stopped
    a_path_on_which_somebody_listens_is_refused
    an_abstract_name_carries_bytes
    the_ends_of_a_unix_connection_know_their_addresses
    nobody_listens_on_a_path_is_an_error_that_names_it
    a_unix_connection_half_closes
    a_unix_connection_that_is_aborted_ends_at_the_peer
    a_unix_peer_that_does_not_read_holds_the_writer_back
    a_unix_endpoint_with_a_wrong_mode_points_at_it
}

cases! { of real systems only:
    an_abandoned_socket_file_is_replaced
    a_file_that_is_no_socket_is_left_as_it_is
    a_folder_that_is_not_there_is_an_error_that_names_endpoint_and_cause
    the_mode_of_a_socket_file_is_the_one_that_was_asked_for
    a_bound_unix_listener_is_served_and_its_file_stays
}

async fn a_path_carries_bytes_both_ways(ground: Ground) -> Result {
    let (srv, cli) = ground.unix_pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    let text = bytes(ground.scaled(100_000, 3 << 20));
    for end in [&srv, &cli] {
        end.set_limits(Limits { read_while_full: true, ..Limits::default() });
        end.write(&text);
    }
    for who in ["srv", "cli"] {
        ground.log().received(who, text.len()).await;
        assert!(ground.log().bytes(who) == text);
    }
    srv.close();
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert_eq!(ground.log().lost("srv").await, "Closed");
    Ok(())
}

async fn a_path_is_free_again_when_its_port_has_stopped(ground: Ground) -> Result {
    let path = ground.path("s");
    for _ in 0..3 {
        let port = ground.reactor().listen(&format!("unix:{path}"), |_| Plain)?;
        ground.reactor().connect(&format!("unix:{path}"), |_| Plain).await?.abort();
        port.stop().await?;
        let gone = ground.reactor().connect(&format!("unix:{path}"), |_| Plain).await;
        assert_eq!(kind(gone.unwrap_err()), io::ErrorKind::NotFound);
    }
    Ok(())
}

async fn a_path_on_which_somebody_listens_is_refused(ground: Ground) -> Result {
    let on = format!("unix:{}", ground.path("s"));
    let _port = ground.listen_on(&on, |_| Plain)?;
    let error = ground.listen_on(&on, |_| Plain).unwrap_err();
    assert!(error.to_string().contains(&on), "{error}");
    assert_eq!(kind(error), io::ErrorKind::AddrInUse);
    // The first one was not disturbed.
    ground.reactor().connect(&on, |_| Plain).await?.abort();
    Ok(())
}

async fn an_abstract_name_carries_bytes(ground: Ground) -> Result {
    let name = format!("unix:@trenza{}", ground.path("a").replace(':', ""));
    let heard = ground.clone();
    let port = ground.listen_on(&name, move |_| Actor::new(&heard, "srv"))?;
    let cli = ground.reactor().connect(&name, |_| Plain).await?;
    assert!(matches!(port.addr(), Addr::Unix(UnixAddr::Abstract(_))));
    assert_eq!(format!("unix:{}", port.addr()), name);
    cli.write(b"hello");
    ground.log().received("srv", 5).await;
    let error = ground.listen_on(&name, |_| Plain).unwrap_err();
    assert_eq!(kind(error), io::ErrorKind::AddrInUse);
    cli.close();
    Ok(())
}

async fn the_ends_of_a_unix_connection_know_their_addresses(ground: Ground) -> Result {
    let (srv, cli) = ground.unix_pair(Plain, Plain).await?;
    let (srv, peer) = (srv.peer(), cli.peer());
    assert!(matches!(&peer.remote, Addr::Unix(UnixAddr::Path(path)) if path.ends_with("pair")), "{peer:?}");
    assert_eq!(srv.local, peer.remote);
    assert_eq!((&srv.remote, &peer.local), (&UnixAddr::Unnamed.into(), &UnixAddr::Unnamed.into()));
    cli.close();
    Ok(())
}

async fn nobody_listens_on_a_path_is_an_error_that_names_it(ground: Ground) -> Result {
    let path = ground.path("nobody");
    let error = ground.reactor().connect(&format!("unix:{path}"), |_| Plain).await.unwrap_err();
    assert!(error.to_string().contains(&path), "{error}");
    assert_eq!(kind(error), io::ErrorKind::NotFound);
    Ok(())
}

async fn a_unix_connection_half_closes(ground: Ground) -> Result {
    let (srv, cli) = ground.unix_pair(Actor::new(&ground, "srv").stays(), Actor::new(&ground, "cli")).await?;
    cli.write(b"question");
    cli.close_write();
    ground.log().heard("srv", "eof").await;
    srv.write(b"answer");
    srv.close();
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert_eq!(ground.log().bytes("cli"), b"answer");
    Ok(())
}

async fn a_unix_connection_that_is_aborted_ends_at_the_peer(ground: Ground) -> Result {
    let (_, cli) = ground.unix_pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.abort();
    assert_eq!(ground.log().lost("cli").await, "Aborted");
    // There is no reset: the peer may as well see an end.
    let lost = ground.log().lost("srv").await;
    assert!(["PeerClosed", "Io(ConnectionReset)"].contains(&&*lost), "{lost}");
    Ok(())
}

async fn a_unix_peer_that_does_not_read_holds_the_writer_back(ground: Ground) -> Result {
    let (srv, cli) = ground.unix_pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.pause();
    let text = bytes(ground.scaled(200_000, 4 << 20));
    cli.write(&text);
    ground.settle().await;
    assert!(cli.is_full());
    srv.resume();
    ground.log().heard("cli", "writable").await;
    cli.close();
    ground.log().lost("srv").await;
    assert!(ground.log().bytes("srv") == text);
    Ok(())
}

async fn a_unix_endpoint_with_a_wrong_mode_points_at_it(ground: Ground) -> Result {
    let path = ground.path("s");
    for mode in ["888", "rw", "77777", "-1"] {
        let error = ground.listen_on(&format!("unix:{path}:mode={mode}"), |_| Plain).unwrap_err();
        assert!(error.to_string().contains("octal digits"), "{error}");
    }
    for no_path in ["unix:", "unix:@", "unix"] {
        assert!(ground.listen_on(no_path, |_| Plain).is_err());
        assert!(ground.reactor().connect(no_path, |_| Plain).await.is_err());
    }
    Ok(())
}

async fn an_abandoned_socket_file_is_replaced(ground: Ground) -> Result {
    let path = ground.path("s");
    drop(std::os::unix::net::UnixListener::bind(&path)?);
    let on = format!("unix:{path}");
    let _port = ground.listen_on(&on, |_| Plain)?;
    ground.reactor().connect(&on, |_| Plain).await?.abort();
    Ok(())
}

async fn a_file_that_is_no_socket_is_left_as_it_is(ground: Ground) -> Result {
    let path = ground.path("precious");
    std::fs::write(&path, "content")?;
    let error = ground.listen_on(&format!("unix:{path}"), |_| Plain).unwrap_err();
    assert!(error.to_string().contains("no socket") && error.to_string().contains(&path), "{error}");
    assert_eq!(std::fs::read(&path)?, b"content");
    Ok(())
}

async fn a_folder_that_is_not_there_is_an_error_that_names_endpoint_and_cause(ground: Ground) -> Result {
    let on = format!("unix:{}/s", ground.path("nowhere"));
    let error = ground.listen_on(&on, |_| Plain).unwrap_err();
    assert!(error.to_string().contains(&on) && error.to_string().contains("No such file"), "{error}");
    Ok(())
}

async fn the_mode_of_a_socket_file_is_the_one_that_was_asked_for(ground: Ground) -> Result {
    use std::os::unix::fs::PermissionsExt;
    let path = ground.path("s");
    let _port = ground.listen_on(&format!("unix:{path}:mode=662"), |_| Plain)?;
    assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o662);
    Ok(())
}

async fn a_bound_unix_listener_is_served_and_its_file_stays(ground: Ground) -> Result {
    let path = ground.path("s");
    let port = ground.reactor().listen(std::os::unix::net::UnixListener::bind(&path)?, |_| Plain)?;
    ground.reactor().connect(&format!("unix:{path}"), |_| Plain).await?.abort();
    port.stop().await?;
    assert!(std::fs::exists(&path)?);
    Ok(())
}

fn kind(error: trenza_core::Error) -> io::ErrorKind {
    error.downcast_ref::<io::Error>().unwrap().kind()
}

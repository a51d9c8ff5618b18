//! Peers that read slowly but steadily on a real system, which tells of room only when much is free.
#![allow(clippy::disallowed_types, reason = "the peer is outside the engine")]

use crate::{
    actor::Actor,
    ground::{Ground, bytes},
};
use std::{
    cell::Cell,
    io::{ErrorKind, Read},
    net::TcpStream,
    rc::Rc,
    time::Duration,
};
use trenza_core::{Limits, Result, Timeout, Transport};

cases! { of real systems only:
    what_a_slow_peer_takes_moves_the_drain_time
    what_a_slow_peer_takes_moves_the_idle_timeout
    at_a_deadline_it_is_known_what_the_system_holds
}

/// Less than the system needs to tell of room when [`Reader::sip`] is called each [`PAUSE`].
const PATIENCE: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(20);
/// Several times [`PATIENCE`].
const SIPS: usize = 60;

/// A peer on the loop's own thread: a busy machine delays both alike.
struct Reader(TcpStream);

impl Reader {
    /// Connects to a server that has written more than the system holds.
    async fn of(ground: &Ground, srv: Actor) -> Result<Self> {
        let mut srv = Some(srv);
        let port = ground.listen(move |_| srv.take().unwrap());
        let stream = TcpStream::connect(port.addr().to_string())?;
        stream.set_nonblocking(true)?;
        ground.log().heard("srv", "made").await;
        Ok(Self(stream))
    }

    /// Reads a little; gives how much.
    fn sip(&mut self) -> Result<usize> {
        match self.0.read(&mut [0; 16 * 1024]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            read => Ok(read?),
        }
    }

    async fn sip_long(&mut self, ground: &Ground) -> Result<usize> {
        let mut sum = 0;
        for _ in 0..SIPS {
            sum += self.sip()?;
            ground.reactor().sleep(PAUSE).await;
        }
        Ok(sum)
    }
}

fn writes(ground: &Ground, transport: &Transport) {
    transport.set_limits(Limits { unsent: usize::MAX, drain: PATIENCE, ..Limits::default() });
    transport.write(&bytes(ground.plenty()));
}

async fn what_a_slow_peer_takes_moves_the_drain_time(ground: Ground) -> Result {
    let inner = ground.clone();
    let srv = Actor::new(&ground, "srv").made(move |transport| {
        writes(&inner, transport);
        transport.close();
        Ok(())
    });
    let mut peer = Reader::of(&ground, srv).await?;
    let mut sum = peer.sip_long(&ground).await?;
    assert_eq!(ground.log().of("srv"), ["made"]);
    while sum < ground.plenty() {
        match peer.sip()? {
            0 => ground.turn().await,
            n => sum += n,
        }
    }
    drop(peer);
    assert_eq!(ground.log().lost("srv").await, "Closed");
    Ok(())
}

async fn what_a_slow_peer_takes_moves_the_idle_timeout(ground: Ground) -> Result {
    let inner = ground.clone();
    let srv = Actor::new(&ground, "srv").made(move |transport| {
        writes(&inner, transport);
        transport.set_timeout(Some(PATIENCE));
        Ok(())
    });
    let mut peer = Reader::of(&ground, srv).await?;
    peer.sip_long(&ground).await?;
    assert_eq!(ground.log().of("srv"), ["made"]);
    // It reads no more.
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Idle)");
    Ok(())
}

async fn at_a_deadline_it_is_known_what_the_system_holds(ground: Ground) -> Result {
    let (inner, taken) = (ground.clone(), Rc::new(Cell::new(0)));
    let seen = taken.clone();
    let srv = Actor::new(&ground, "srv")
        .made(move |transport| {
            writes(&inner, transport);
            transport.set_deadline(Some(PATIENCE));
            Ok(())
        })
        .timed_out(move |transport, which| {
            assert_eq!(which, Timeout::Deadline);
            let counts = transport.counts();
            seen.set(counts.sent - counts.held.unwrap() as u64);
            transport.set_deadline(Some(PATIENCE));
            Ok(())
        });
    let mut peer = Reader::of(&ground, srv).await?;
    let mut before = 0;
    for _ in 0..3 {
        // Each time it is more, although the bytes that have left may be as many as before.
        let until = || taken.get() > before;
        while !until() {
            peer.sip()?;
            ground.reactor().sleep(PAUSE).await;
        }
        before = taken.get();
    }
    drop(peer);
    ground.log().lost("srv").await;
    Ok(())
}

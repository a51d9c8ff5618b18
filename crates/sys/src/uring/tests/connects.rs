//! A connect whose request comes to something else than its end.

use super::{
    super::faulty::{Fault, Faults},
    Mode, Parts, assert_nothing_is_left,
};
use socket2::{Domain, Socket, Type};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use trenza_core::driver::{Close, Driver, Open};

/// A listener whose queue is full: who connects to it hears nothing for a second.
fn full() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut sockets = vec![listener];
    for _ in 0..3 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        // It goes on by itself.
        let _ = socket.connect(&addr);
        sockets.push(socket);
    }
    (addr.as_socket().unwrap(), sockets)
}

#[test]
fn a_connect_is_not_told_before_it_has_ended() {
    let test = "a_connect_is_not_told_before_it_has_ended";
    for fault in [Fault::Cancelled, Fault::NoMemory, Fault::Again] {
        let parts = Parts::new((8, 4096), Mode::Incremental).with(fault, 2);
        let Some(mut driver) = parts.driver(test) else { return };
        let (to, _sockets) = full();
        let connect = || Open::Connect { to: to.into(), from: None };
        let tokens = [(); 8].map(|()| driver.open(connect()).unwrap());
        for _ in 0..50 {
            driver.wait(Some(Instant::now() + Duration::from_millis(1))).unwrap();
            let told = driver.next();
            assert!(told.is_none(), "{told:?}");
        }
        assert!(driver.ring.counts.of(fault) > 0, "it never struck");
        tokens.into_iter().for_each(|token| driver.close(token, Close::Abort));
        driver.ring.faults = Faults::default();
        while driver.streams.values_mut().count() > 0 {
            driver.wait(Some(Instant::now() + Duration::from_millis(1))).unwrap();
            assert!(driver.next().is_none());
        }
        assert_nothing_is_left(&mut driver);
    }
}

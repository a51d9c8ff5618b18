//! Listening sockets that a service manager has opened.
#![allow(clippy::unwrap_used)]

use std::io;
use trenza_core::{Result, Stream};
use trenza_sim::{Net, for_seeds};

async fn greet(mut stream: Stream) -> Result {
    stream.write_all(b"hello").await?;
    stream.close().await
}

#[test]
fn clients_that_came_before_the_program_are_served() {
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        let srv = net.host("srv");
        srv.hand_over("http", "tcp:80");
        srv.hand_over("admin", "tcp:81");
        let early = net.host("cli").probe("tcp:srv:80");
        net.run();
        assert!(early.received().is_empty());
        srv.run(|reactor| {
            let port = reactor.serve("systemd:name=http", greet).unwrap();
            assert_eq!(port.addr().port(), Some(80));
            reactor.serve("systemd:1", greet).unwrap();
        });
        let late = net.host("cli").probe("tcp:srv:81");
        net.run();
        assert_eq!((early.received(), late.received()), (b"hello".to_vec(), b"hello".to_vec()));
    });
}

#[test]
fn each_is_taken_once_and_errors_say_what_there_is() {
    let net = Net::new(1);
    let srv = net.host("srv");
    let listen = |on: &str| {
        let error = srv.run(|reactor| reactor.serve(on, greet).map(drop)).err()?;
        let error = error.downcast::<io::Error>().unwrap();
        assert!(error.to_string().starts_with(&format!("cannot listen on {on}: ")), "{error}");
        Some(error.kind())
    };
    assert_eq!(listen("systemd:0"), Some(io::ErrorKind::NotFound));
    srv.hand_over("http", "tcp:80");
    assert_eq!(listen("systemd:name=web"), Some(io::ErrorKind::NotFound));
    assert_eq!(listen("systemd:0"), None);
    assert_eq!(listen("systemd:name=http"), Some(io::ErrorKind::ResourceBusy));
    assert_eq!(listen("systemd:1"), Some(io::ErrorKind::NotFound));
}

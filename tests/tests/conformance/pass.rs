//! Descriptors that are passed over UNIX sockets, in order with the bytes.

use crate::{
    actor::Actor,
    ground::{Ground, bytes},
};
use std::{
    cell::{Cell, RefCell},
    fs::File,
    io::{Read, Seek, Write},
    os::fd::OwnedFd,
    rc::Rc,
};
use trenza_core::{Bucket, Input, Limits, Protocol, Rate, Reason, Result, Seen, Tap, Transport};
use trenza_tests::Xor;

cases! {
    a_descriptor_comes_with_its_byte
    a_descriptor_without_a_byte_behind_it_waits
    many_descriptors_come_in_order_with_the_bytes
    a_descriptor_comes_with_a_file_that_is_sent
    a_descriptor_comes_with_its_byte_through_layers
    descriptors_keep_their_places_under_a_rate_and_a_tap
    descriptors_wait_while_the_protocol_has_paused
    too_many_descriptors_that_wait_end_the_connection
    no_more_descriptors_wait_to_be_sent_than_may
    a_connection_without_descriptors_refuses_them
    a_closed_connection_takes_no_descriptor
    a_coroutine_takes_descriptors_when_it_likes
    descriptors_go_to_the_protocol_that_has_taken_over
    what_was_not_passed_is_closed_with_the_connection
}

/// Looks on, and wants files as bytes or not.
struct Glance(bool);

impl Tap for Glance {
    fn see(&mut self, _: &Transport, _: Seen<'_>) {}

    fn copies_files(&self) -> bool {
        self.0
    }
}

/// A file whose content says which it is.
fn numbered(number: usize) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    write!(file, "{number}").unwrap();
    file.rewind().unwrap();
    file.into()
}

fn number(descriptor: OwnedFd) -> usize {
    let mut text = String::new();
    File::from(descriptor).read_to_string(&mut text).unwrap();
    text.parse().unwrap()
}

/// Notes numbers of files and how many bytes came before each.
#[derive(Clone, Default)]
struct Heard(Rc<Inner>);

#[derive(Default)]
struct Inner {
    files: RefCell<Vec<(usize, usize)>>,
    bytes: RefCell<Vec<u8>>,
    lost: RefCell<Option<String>>,
    pauses: Cell<bool>,
}

struct Takes(Heard);

impl Protocol for Takes {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        if self.0.0.pauses.get() {
            transport.pause();
        }
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.0.bytes.borrow_mut().extend_from_slice(input.rest());
        Ok(())
    }

    fn descriptor_received(&mut self, _: &Transport, descriptor: OwnedFd) -> Result {
        let before = self.0.0.bytes.borrow().len();
        self.0.0.files.borrow_mut().push((number(descriptor), before));
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        *self.0.0.lost.borrow_mut() = Some(format!("{reason:?}"));
    }
}

async fn pair(ground: &Ground, heard: &Heard) -> Result<(Transport, Transport)> {
    ground.adopt(ground.socket_pair(), Takes(heard.clone()), Actor::new(ground, "gives")).await
}

async fn a_descriptor_comes_with_its_byte(ground: Ground) -> Result {
    let heard = Heard::default();
    let (srv, cli) = ground.unix_pair(Takes(heard.clone()), Actor::new(&ground, "cli")).await?;
    cli.send_descriptor(numbered(7))?;
    cli.write(b"x");
    ground.until(|| !heard.0.files.borrow().is_empty()).await;
    assert_eq!(*heard.0.files.borrow(), [(7, 0)]);
    ground.until(|| *heard.0.bytes.borrow() == b"x").await;
    srv.close();
    Ok(())
}

async fn a_descriptor_without_a_byte_behind_it_waits(ground: Ground) -> Result {
    let heard = Heard::default();
    let (_, gives) = pair(&ground, &heard).await?;
    gives.write(b"before");
    gives.send_descriptor(numbered(1))?;
    ground.until(|| heard.0.bytes.borrow().len() == 6).await;
    ground.settle().await;
    assert!(heard.0.files.borrow().is_empty());
    gives.write(b"!");
    ground.until(|| heard.0.bytes.borrow().len() == 7).await;
    assert_eq!(heard.0.files.borrow().len(), 1);
    gives.close();
    Ok(())
}

async fn many_descriptors_come_in_order_with_the_bytes(ground: Ground) -> Result {
    let heard = Heard::default();
    let (_, gives) = pair(&ground, &heard).await?;
    let (piece, mut places) = (bytes(ground.scaled(700, 20_000)), Vec::new());
    for round in 0..12 {
        for _ in 0..=round % 3 {
            places.push(round * piece.len());
            gives.send_descriptor(numbered(places.len() - 1))?;
        }
        gives.write(&piece);
        if gives.is_full() || round % 4 == 3 {
            gives.flushed().await?;
        }
    }
    gives.close();
    ground.until(|| heard.0.lost.borrow().is_some()).await;
    assert!(*heard.0.bytes.borrow() == piece.repeat(12));
    let files = heard.0.files.borrow();
    assert_eq!(
        files.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        (0..places.len()).collect::<Vec<_>>()
    );
    // Not later than the byte that it was sent with; how much sooner is the system's affair, and none in the simulator.
    for ((_, came), sent) in files.iter().zip(&places) {
        assert!(came <= sent && (!ground.is_simulated() || came == sent), "{came} {sent}");
    }
    Ok(())
}

async fn a_descriptor_comes_with_a_file_that_is_sent(ground: Ground) -> Result {
    let heard = Heard::default();
    let (_, gives) = pair(&ground, &heard).await?;
    let mut file = tempfile::tempfile()?;
    file.write_all(&bytes(50_000))?;
    gives.send_descriptor(numbered(3))?;
    gives.send_file(file, 0..50_000);
    gives.close();
    ground.until(|| heard.0.lost.borrow().is_some()).await;
    assert!(*heard.0.bytes.borrow() == bytes(50_000));
    assert_eq!(*heard.0.files.borrow(), [(3, 0)]);
    Ok(())
}

async fn a_descriptor_comes_with_its_byte_through_layers(ground: Ground) -> Result {
    let heard = Heard::default();
    let (takes, gives) = pair(&ground, &heard).await?;
    gives.push_layer(Xor::client(1));
    takes.push_layer(Xor::server(2));
    // Behind bytes of the same piece, and with a file.
    gives.write(b"a");
    gives.send_descriptor(numbered(0))?;
    gives.write(b"b");
    gives.send_descriptor(numbered(1))?;
    ground.until(|| heard.0.bytes.borrow().len() == 2 && heard.0.files.borrow().len() == 1).await;
    let mut file = tempfile::tempfile()?;
    file.write_all(&bytes(100_000))?;
    gives.send_file(file, 0..100_000);
    ground.until(|| heard.0.bytes.borrow().len() == 100_002 && heard.0.files.borrow().len() == 2).await;
    // Another layer is pushed behind them.
    gives.write(b"c");
    gives.send_descriptor(numbered(2))?;
    gives.write(b"d");
    gives.push_layer(Xor::client(3));
    // Behind which it says hello.
    ground.until(|| heard.0.bytes.borrow().len() >= 100_004 && heard.0.files.borrow().len() == 3).await;
    assert!(heard.0.files.borrow().iter().map(|(number, _)| *number).eq(0..3));
    gives.abort();
    Ok(())
}

async fn descriptors_keep_their_places_under_a_rate_and_a_tap(ground: Ground) -> Result {
    for copies in [false, true] {
        let heard = Heard::default();
        let (_, gives) = pair(&ground, &heard).await?;
        gives.set_rate_out(Some(&Bucket::new(Rate::new(1_000_000).burst(1000))));
        gives.tap(Glance(copies));
        ground.settle().await;
        let (mut places, mut written) = (Vec::new(), 0);
        for round in 0..12 {
            gives.write(&bytes(700)[..round]);
            places.push(written + round);
            written += 700 + round;
            gives.send_descriptor(numbered(round))?;
            gives.write(&bytes(700));
            if round == 5 {
                gives.flushed().await?;
            }
        }
        let mut file = tempfile::tempfile()?;
        file.write_all(&bytes(5000))?;
        places.push(written);
        gives.send_descriptor(numbered(12))?;
        gives.send_file(file, 0..5000);
        gives.close();
        ground.until(|| heard.0.lost.borrow().is_some()).await;
        assert_eq!(*heard.0.lost.borrow(), Some("PeerClosed".into()));
        assert!(heard.0.files.borrow().iter().map(|(number, _)| *number).eq(0..13));
        for ((number, came), place) in heard.0.files.borrow().iter().zip(&places) {
            assert!(came <= place, "{number} came behind {came} bytes, not {place}");
        }
    }
    Ok(())
}

async fn descriptors_wait_while_the_protocol_has_paused(ground: Ground) -> Result {
    let heard = Heard::default();
    heard.0.pauses.set(true);
    let (takes, gives) = pair(&ground, &heard).await?;
    for n in 0..5 {
        gives.send_descriptor(numbered(n))?;
        gives.write(b".");
    }
    ground.settle().await;
    assert!(heard.0.files.borrow().is_empty());
    takes.resume();
    ground.until(|| heard.0.bytes.borrow().len() == 5).await;
    assert_eq!(heard.0.files.borrow().len(), 5);
    gives.close();
    Ok(())
}

async fn too_many_descriptors_that_wait_end_the_connection(ground: Ground) -> Result {
    let (taker, giver) = ground.socket_pair();
    // A coroutine that does not take them.
    let taker = ground.reactor().adopt_stream(taker);
    let actor = Actor::new(&ground, "gives");
    let gives = ground.reactor().adopt(giver, |_| actor).await?;
    let mut taker = taker.await?;
    taker.transport().set_limits(Limits { descriptors: 2, ..Limits::default() });
    for n in 0..3 {
        gives.send_descriptor(numbered(n))?;
        gives.write(b".");
        gives.flushed().await?;
    }
    ground.log().lost("gives").await;
    let error = taker.read_exact(4).await.unwrap_err();
    assert!(error.to_string().contains("too many descriptors"), "{error}");
    Ok(())
}

async fn no_more_descriptors_wait_to_be_sent_than_may(ground: Ground) -> Result {
    let heard = Heard::default();
    let (_, gives) = pair(&ground, &heard).await?;
    gives.set_limits(Limits { descriptors: 2, ..Limits::default() });
    gives.send_descriptor(numbered(0))?;
    gives.send_descriptor(numbered(1))?;
    let error = gives.send_descriptor(numbered(2)).unwrap_err();
    assert!(error.to_string().contains("too many descriptors"), "{error}");
    gives.write(b".");
    gives.flushed().await?;
    gives.send_descriptor(numbered(2))?;
    gives.write(b".");
    ground.until(|| heard.0.files.borrow().len() == 3).await;
    gives.close();
    Ok(())
}

async fn a_connection_without_descriptors_refuses_them(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    let error = cli.send_descriptor(numbered(0)).unwrap_err();
    assert!(error.to_string().contains("only UNIX sockets"), "{error}");
    cli.write(b"goes on");
    ground.log().received("srv", 7).await;
    srv.close();
    Ok(())
}

async fn a_closed_connection_takes_no_descriptor(ground: Ground) -> Result {
    let heard = Heard::default();
    let (_, gives) = pair(&ground, &heard).await?;
    gives.close();
    assert!(gives.send_descriptor(numbered(0)).is_err());
    ground.until(|| heard.0.lost.borrow().is_some()).await;
    Ok(())
}

async fn a_coroutine_takes_descriptors_when_it_likes(ground: Ground) -> Result {
    let (one, other) = ground.socket_pair();
    let (one, other) = (ground.reactor().adopt_stream(one), ground.reactor().adopt_stream(other));
    let (mut one, mut other) = (one.await?, other.await?);
    for n in 0..3 {
        one.transport().send_descriptor(numbered(n))?;
        one.write_all(b".").await?;
        other.read_exact(1).await?;
        assert_eq!(other.take_descriptor().map(number), Some(n));
        assert!(other.take_descriptor().is_none());
    }
    one.close().await?;
    other.close().await
}

async fn descriptors_go_to_the_protocol_that_has_taken_over(ground: Ground) -> Result {
    let heard = Heard::default();
    let (takes, gives) = ground
        .adopt(ground.socket_pair(), Actor::new(&ground, "former"), Actor::new(&ground, "gives"))
        .await?;
    takes.pause();
    gives.send_descriptor(numbered(9))?;
    gives.write(b".");
    ground.settle().await;
    takes.switch_to(Takes(heard.clone()));
    ground.until(|| !heard.0.files.borrow().is_empty()).await;
    assert_eq!(*heard.0.files.borrow(), [(9, 0)]);
    gives.close();
    Ok(())
}

/// A pipe tells when its last writing end is closed.
async fn what_was_not_passed_is_closed_with_the_connection(ground: Ground) -> Result {
    let (mut read, write) = std::io::pipe()?;
    let (takes, gives) = ground
        .adopt(ground.socket_pair(), Actor::new(&ground, "takes"), Actor::new(&ground, "gives"))
        .await?;
    takes.pause();
    gives.send_descriptor(write.try_clone()?)?;
    gives.write(b"this one waits for a protocol that has paused");
    gives.flushed().await?;
    ground.settle().await;
    gives.send_descriptor(write)?; // and this one for a byte
    gives.abort();
    takes.abort();
    ground.log().lost("takes").await;
    ground.log().lost("gives").await;
    drop((takes, gives));
    ground.settle().await;
    // It would not end if one were left.
    assert_eq!(read.read(&mut [0; 1])?, 0);
    Ok(())
}

//! Layers and changes of protocol, with everything pipelined and split anywhere.

use std::{cell::RefCell, io::Write as _, rc::Rc, time::Duration};
use trenza_core::{Flow, IntoEndpoint, Layer, Protocol, Reason, Result, Transport};
use trenza_sim::{Net, for_seeds};
use trenza_wire::{Buf, Input, OutBuf, Wire};

type Log = Rc<RefCell<Vec<String>>>;

/// A toy of a cipher: the first byte is the key, answered with `K`; after it every byte is mixed with the key.
#[derive(Default)]
struct Cipher {
    key: Option<u8>,
}

impl Layer for Cipher {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        if self.key.is_none() {
            let Some(key) = wire.bytes().first().copied() else { return Ok(Flow::More) };
            wire.consume(1);
            self.key = Some(key);
            down.push_slice(b"K");
        }
        let key = self.key.unwrap_or_default();
        let n = wire.bytes().len();
        wire.bytes().iter_mut().for_each(|byte| *byte ^= key);
        up.push(wire.bytes());
        wire.consume(n);
        Ok(Flow::More)
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        if let Some(key) = self.key {
            let data = plain.to_vec()?;
            plain.advance(data.len());
            down.push_slice(&mixed(key, &data));
        }
        Ok(())
    }

    fn eof(&mut self, _up: &mut Buf, _down: &mut OutBuf) -> Result {
        match self.key {
            Some(_) => Ok(()),
            None => Err("no key came".into()),
        }
    }

    fn ready(&self) -> bool {
        self.key.is_some()
    }
}

fn mixed(key: u8, data: &[u8]) -> Vec<u8> {
    data.iter().map(|byte| byte ^ key).collect()
}

/// Repeats lines; `upgrade` pushes the cipher, `switch` gives the connection to another protocol.
struct Lines(Log);

impl Protocol for Lines {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        // On purpose this loop does not return after a change: the input is frozen then.
        while let Some(line) = input.line(100)? {
            self.0.borrow_mut().push(String::from_utf8_lossy(line).into_owned());
            match line {
                b"upgrade" => {
                    transport.write(b"go\r\n");
                    transport.push_layer(Cipher::default());
                }
                b"switch" => transport.switch_to(Shout(self.0.clone())),
                line => {
                    transport.write(line);
                    transport.write(b"\r\n");
                }
            }
        }
        Ok(())
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &Reason) {
        self.0.borrow_mut().push(format!("lines lost: {reason}"));
    }
}

/// Repeats everything in capitals.
struct Shout(Log);

impl Protocol for Shout {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(b"SHOUT ");
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(&input.rest().to_ascii_uppercase());
        Ok(())
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &Reason) {
        self.0.borrow_mut().push(format!("shout lost: {reason}"));
    }
}

#[test]
fn pipelined_bytes_reach_whoever_is_next_wherever_they_are_split() {
    let sent = [b"one\r\nupgrade\r\n", &b"\x07"[..], &mixed(7, b"two\r\nswitch\r\nlouder")].concat();
    let answer = [b"one\r\ngo\r\nK", &mixed(7, b"two\r\nSHOUT LOUDER")[..]].concat();
    let heard = [
        "one",
        "upgrade",
        "two",
        "switch",
        "lines lost: switched to another protocol",
        "shout lost: closed by the peer",
    ];
    let check = |net: Net, cuts: &[usize]| {
        let log = Log::default();
        let written = log.clone();
        net.host("srv").listen("tcp:7007", move |_| Lines(written.clone()));
        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.send_split(&sent, cuts);
        cli.close_write();
        net.run();
        assert_eq!(cli.received(), answer, "cut at {cuts:?}");
        assert!(cli.eof() && !cli.was_reset());
        assert_eq!(*log.borrow(), heard, "cut at {cuts:?}");
    };
    for cut in 0..=sent.len() {
        check(Net::gentle(1), &[cut]);
        for_seeds(0..5, |seed| check(Net::new(seed), &[cut]));
    }
    let every: Vec<usize> = (1..sent.len()).collect();
    for_seeds(0..50, |seed| check(Net::new(seed), &every));
}

#[test]
fn a_protocol_is_not_built_before_its_layers_are_ready() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let log = Log::default();
        let written = log.clone();
        net.host("srv").run(|reactor| {
            let endpoint = "tcp:7007".into_endpoint().unwrap().layered(|| vec![Box::new(Cipher::default())]);
            let build = move |_: &Transport| {
                written.borrow_mut().push("built".to_owned());
                Shout(written.clone())
            };
            reactor.listen(endpoint, build).unwrap();
        });
        let [whole, silent, short] = [(); 3].map(|()| net.host("cli").probe("tcp:srv:7007"));
        whole.send([&b"\x05"[..], &mixed(5, b"hi")].concat());
        whole.close_write();
        short.close_write();
        net.run();
        assert_eq!(whole.received(), [b"K", &mixed(5, b"SHOUT HI")[..]].concat());
        assert!(short.lost() && short.received().is_empty());
        net.advance(Duration::from_secs(9));
        assert!(!silent.lost());
        net.advance(Duration::from_secs(2));
        assert!(silent.was_reset());
        assert_eq!(*log.borrow(), ["built", "shout lost: closed by the peer"]);
    });
}

#[test]
fn files_go_through_layers_in_pieces() {
    /// Sends a file and closes.
    struct Sender;
    impl Protocol for Sender {
        fn connection_made(&mut self, transport: &Transport) -> Result {
            let mut file = tempfile::tempfile()?;
            file.write_all(&vec![b'f'; 300_000])?;
            transport.write(b"head");
            transport.send_file(file, 0..300_000);
            transport.write(b"tail");
            transport.close();
            Ok(())
        }
        fn data_received(&mut self, _transport: &Transport, _input: &mut Input<'_>) -> Result {
            Ok(())
        }
    }
    for_seeds(0..30, |seed| {
        let net = Net::new(seed);
        net.host("srv").run(|reactor| {
            let endpoint = "tcp:7007".into_endpoint().unwrap().layered(|| vec![Box::new(Cipher::default())]);
            reactor.listen(endpoint, |_| Sender).unwrap();
        });
        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.send(b"\x09");
        net.run();
        let plain = [b"head", &vec![b'f'; 300_000][..], b"tail"].concat();
        assert!(cli.received() == [b"K", &mixed(9, &plain)[..]].concat(), "{} bytes", cli.received().len());
        assert!(cli.eof());
    });
}

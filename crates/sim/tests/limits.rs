//! The engine's limits and time-outs against peers that do not play along.

use std::{cell::RefCell, io::Write as _, rc::Rc, sync::Arc, time::Duration};
use trenza_core::{Limits, Protocol, Reason, Result, Transport};
use trenza_sim::{Net, Probe, Verdict, WINDOW, for_seeds};
use trenza_wire::Input;

const SECOND: Duration = Duration::from_secs(1);

type Log = Rc<RefCell<Vec<String>>>;
type Made = Box<dyn FnMut(&Transport) -> Result>;

/// Does something when it is made, then what its flags say.
struct Scripted {
    made: Made,
    takes: bool,
    pauses: bool,
    log: Log,
}

impl Protocol for Scripted {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        (self.made)(transport)
    }
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        if self.takes {
            input.rest();
        }
        if self.pauses {
            transport.pause();
        }
        Ok(())
    }
    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        self.log.borrow_mut().push(format!("{reason} after {} s", transport.reactor().wall_seconds()));
    }
}

trait WallSeconds {
    fn wall_seconds(&self) -> u64;
}

impl WallSeconds for trenza_core::Reactor {
    /// Whole seconds since the network began.
    fn wall_seconds(&self) -> u64 {
        self.wall().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs() - 1_767_225_600)
    }
}

/// A connection to a server that does `made` at the start.
fn serve(net: &Net, takes: bool, pauses: bool, made: fn(&Transport) -> Result) -> (Log, Probe) {
    let log = Log::default();
    let written = log.clone();
    net.host("srv").listen("tcp:7007", move |_| Scripted {
        made: Box::new(made),
        takes,
        pauses,
        log: written.clone(),
    });
    (log, net.host("cli").probe("tcp:srv:7007"))
}

#[test]
fn bytes_that_nobody_takes_are_too_many() {
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        let (log, cli) = serve(&net, false, false, |_| Ok(()));
        cli.send(vec![0; 60_000]);
        net.run();
        assert!(log.borrow().is_empty());
        cli.send(vec![0; 60_000]);
        net.run();
        assert_eq!(*log.borrow(), ["too many unread bytes after 0 s"]);
        assert!(cli.was_reset());
    });
}

#[test]
fn a_protocol_that_pauses_never_has_too_many() {
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        net.window(1 << 20);
        let (log, cli) = serve(&net, false, true, |_| Ok(()));
        cli.send(vec![0; 3 << 20]);
        net.run();
        assert!(log.borrow().is_empty(), "{log:?}");
        assert!(cli.unsent() > 0, "the window has closed");
    });
}

#[test]
fn pausing_counts_although_more_was_offered_than_may_stay_unread() {
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        let (log, cli) = serve(&net, false, true, |transport| {
            transport.set_limits(Limits { unread: 1000, ..Limits::default() });
            Ok(())
        });
        cli.send(vec![0; 50_000]);
        net.run();
        assert!(log.borrow().is_empty(), "{log:?}");
    });
}

#[test]
fn a_client_that_does_not_read_its_answers_is_not_read() {
    struct Echo;
    impl Protocol for Echo {
        fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
            transport.write(input.rest());
            Ok(())
        }
    }
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        net.host("srv").listen("tcp:7007", |_| Echo);
        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.read(false);
        (0..100).for_each(|_| cli.send([b'x'; 5000]));
        net.run();
        let unsent = net.host("srv").run(|reactor| reactor.connections().remove(0).counts().unsent);
        // What was on its way when the mark was passed comes late: a window of it at most.
        assert!(unsent <= Limits::default().high + 2 * WINDOW, "{unsent} bytes wait");
        assert!(cli.unsent() > 200_000);
        cli.read(true);
        net.run();
        assert_eq!((cli.received().len(), cli.unsent()), (500_000, 0));
    });
}

#[test]
fn what_the_peer_does_not_read_is_bounded() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let (log, cli) = serve(&net, true, false, |transport| {
            transport.set_limits(Limits { unsent: 200_000, ..Limits::default() });
            transport.write(&[0; 199_000]);
            Ok(())
        });
        cli.read(false);
        cli.window(0);
        net.run();
        assert!(log.borrow().is_empty());
        let all = net.host("srv").run(|reactor| reactor.connections());
        all[0].write(&[0; 1001]);
        net.run();
        assert_eq!(*log.borrow(), ["too many unsent bytes after 0 s"]);
    });
}

#[test]
fn a_peer_that_does_not_take_the_last_bytes_is_given_up() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let (log, cli) = serve(&net, true, false, |transport| {
            transport.write(&[0; 100_000]);
            transport.close();
            Ok(())
        });
        cli.read(false);
        net.run();
        net.advance(29 * SECOND);
        assert!(log.borrow().is_empty());
        net.advance(2 * SECOND);
        assert_eq!(*log.borrow(), ["the peer did not take the last bytes after 30 s"]);
        assert!(cli.was_reset());
    });
}

#[test]
fn a_peer_that_does_not_end_its_side_is_left() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let (log, cli) = serve(&net, true, false, |transport| {
            transport.write(b"bye");
            transport.close();
            Ok(())
        });
        net.run();
        assert!(cli.eof() && cli.received() == b"bye" && log.borrow().is_empty());
        net.advance(4 * SECOND);
        assert!(log.borrow().is_empty());
        net.advance(2 * SECOND);
        assert_eq!(*log.borrow(), ["closed after 5 s"]);
        assert!(!cli.was_reset());
        cli.send("too late");
        net.run();
        assert!(cli.was_reset());
    });
}

#[test]
fn a_reset_after_everything_was_sent_is_no_error() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let (log, cli) = serve(&net, true, false, |transport| {
            transport.write(b"bye");
            transport.close();
            Ok(())
        });
        net.run();
        assert!(cli.eof() && log.borrow().is_empty());
        cli.reset();
        net.run();
        assert_eq!(*log.borrow(), ["closed after 0 s"]);
    });
}

#[test]
fn a_peer_behind_a_partition_runs_into_the_timeout() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let (log, cli) = serve(&net, true, false, |transport| {
            transport.set_timeout(Some(60 * SECOND));
            Ok(())
        });
        net.run();
        let partition = net.rule(|p| if p.between("srv", "cli") { Verdict::Drop } else { Verdict::Pass });
        cli.send("anybody there?");
        net.advance(59 * SECOND);
        assert!(log.borrow().is_empty());
        net.advance(2 * SECOND);
        assert_eq!(*log.borrow(), ["no traffic for too long after 60 s"]);
        assert!(!cli.lost(), "the reset is lost as well");
        drop(partition);
    });
}

#[test]
fn files_leave_whole_between_other_bytes() {
    let mut file = tempfile::tempfile().unwrap();
    let data: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    file.write_all(&data).unwrap();
    let file = Arc::new(file);
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let sent = file.clone();
        let log = Log::default();
        let written = log.clone();
        net.host("srv").listen("tcp:7007", move |_| {
            let sent = sent.clone();
            let made = move |transport: &Transport| {
                transport.write(b"head");
                transport.send_file(sent.clone(), 10..250_010);
                transport.write(b"tail");
                transport.send_file(sent.clone(), 299_999..300_000);
                transport.close();
                Ok(())
            };
            Scripted { made: Box::new(made), takes: true, pauses: false, log: written.clone() }
        });
        let cli = net.host("cli").probe("tcp:srv:7007");
        net.run();
        cli.close();
        net.run();
        let whole = [b"head", &data[10..250_010], b"tail", &data[299_999..]].concat();
        assert!(cli.received() == whole, "{} bytes came", cli.received().len());
        assert_eq!(*log.borrow(), ["closed after 0 s"]);
    });
}

#[test]
fn a_file_that_is_too_short_breaks_the_connection() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let (log, cli) = serve(&net, true, false, |transport| {
            let mut file = tempfile::tempfile()?;
            file.write_all(b"short")?;
            transport.send_file(file, 0..100);
            transport.close();
            Ok(())
        });
        net.run();
        assert!(b"short".starts_with(&cli.received()) && cli.was_reset() && !cli.eof());
        assert_eq!(log.borrow().len(), 1);
    });
}

#[test]
fn flushed_tells_when_the_last_byte_has_left() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let (log, cli) = serve(&net, true, false, |_| Ok(()));
        cli.read(false);
        cli.window(1000);
        net.run();
        let transport = net.host("srv").run(|reactor| reactor.connections().remove(0));
        transport.write(&[7; 5000]);
        let told = Log::default();
        let tell = told.clone();
        transport.flushed().then(move |result| tell.borrow_mut().push(format!("{result:?}")));
        net.run();
        assert!(told.borrow().is_empty());
        assert_eq!((transport.counts().sent, transport.counts().unsent), (1000, 4000));
        cli.read(true);
        net.run();
        assert_eq!(*told.borrow(), ["Ok(())"]);
        assert_eq!((transport.counts().sent, transport.counts().unsent), (5000, 0));
        drop(log);
    });
}

//! TLS in mid-stream, and commands that are smuggled in before it.

use crate::ground::{Authority, Log};
use std::time::Duration;
use trenza_core::{Input, Protocol, Reason, Result, Transport};
use trenza_sim::{Net, for_seeds};
use trenza_tls::{ClientTlsTo, ServerTls, StartTls};

/// Repeats lines, notes them, and speaks TLS from `STARTTLS` on. Its loop goes on reading afterwards, on purpose.
struct Lines(Log, ServerTls);

impl Protocol for Lines {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line(200)? {
            let how = if transport.peer().secured.is_some() { "safe" } else { "plain" };
            self.0.note(format!("{how} {}", String::from_utf8_lossy(line)));
            if line == b"STARTTLS" {
                transport.write(b"go ahead\r\n");
                transport.start_tls(&self.1)?;
            } else {
                transport.write(&[b"you said ", line, b"\r\n"].concat());
            }
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

/// Asks for TLS, then says something.
struct Client {
    log: Log,
    tls: ClientTlsTo,
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(b"hello\r\nSTARTTLS\r\n");
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line(200)? {
            let how = if transport.peer().secured.is_some() { "safe" } else { "plain" };
            self.log.note(format!("{how} {}", String::from_utf8_lossy(line)));
            match line {
                b"go ahead" => {
                    transport.start_tls(&self.tls)?;
                    transport.write(b"secret\r\n");
                }
                b"you said secret" => transport.close(),
                _ => {}
            }
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.log.note(format!("lost: {reason}"));
    }
}

#[test]
fn a_dialogue_goes_on_inside() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let client = ca.client().build().unwrap().to("srv").unwrap();
    for_seeds(0..40, |seed| {
        let (net, heard, said) = (Net::new(seed), Log::default(), Log::default());
        let (log, tls) = (heard.clone(), server.clone());
        net.host("srv").listen("tcp:25", move |_| Lines(log.clone(), tls.clone()));
        let (log, tls) = (said.clone(), client.clone());
        net.host("cli").run(|reactor| reactor.connect("tcp:srv:25", move |_| Client { log, tls }).detach());
        net.advance(Duration::from_secs(60));
        assert_eq!(heard.lines()[..3], ["plain hello", "plain STARTTLS", "safe secret"]);
        assert_eq!(
            said.lines(),
            ["plain you said hello", "plain go ahead", "safe you said secret", "lost: closed"]
        );
    });
}

#[test]
fn commands_behind_starttls_never_reach_the_server() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    for_seeds(0..20, |seed| {
        let (net, heard) = (Net::new(seed), Log::default());
        let (log, tls) = (heard.clone(), server.clone());
        net.host("srv").listen("tcp:25", move |_| Lines(log.clone(), tls.clone()));
        let probe = net.host("cli").probe("tcp:srv:25");
        probe.send(b"STARTTLS\r\nsmuggled\r\nmore of it\r\n");
        net.advance(Duration::from_secs(60));
        assert!(!heard.has("smuggled") && !heard.has("more of it"), "{:?}", heard.lines());
        assert!(heard.has("does not speak TLS"), "{:?}", heard.lines());
        assert!(probe.received().starts_with(b"go ahead\r\n"));
        assert!(!probe.received().windows(8).any(|part| part == b"you said"));
    });
}

#[test]
fn answers_behind_the_servers_consent_never_reach_the_client() {
    let ca = Authority::new("ca");
    let client = ca.client().build().unwrap().to("srv").unwrap();
    for_seeds(0..20, |seed| {
        let (net, said) = (Net::new(seed), Log::default());
        let servers = net.host("srv").probe_listen("tcp:25");
        let (log, tls) = (said.clone(), client.clone());
        net.host("cli").run(|reactor| reactor.connect("tcp:srv:25", move |_| Client { log, tls }).detach());
        net.run();
        servers.accept().unwrap().send(b"go ahead\r\nyou said secret\r\nsmuggled\r\n");
        net.advance(Duration::from_secs(60));
        assert_eq!(said.lines().len(), 2, "{:?}", said.lines());
        assert!(said.has("plain go ahead") && said.has("does not speak TLS"), "{:?}", said.lines());
    });
}

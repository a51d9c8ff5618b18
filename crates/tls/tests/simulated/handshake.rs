//! Handshakes that go well, and what goes through them.

use crate::ground::{Authority, Log, say, serve};
use std::{fs::File, io::Write, time::Duration};
use trenza_core::{Input, IntoEndpoint, Limits, Protocol, Result, Transport};
use trenza_sim::{Net, for_seeds};
use trenza_tls::{MinVersion, ServerTls, Side};

#[test]
fn what_is_said_comes_back_however_it_is_split() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).alpn(["h2", "echo"]).build().unwrap();
    let client = ca.client().alpn(["echo"]).build().unwrap();
    for_seeds(0..40, |seed| {
        let (net, heard, said) = (Net::new(seed), Log::default(), Log::default());
        serve(&net.host("srv"), &server, &heard);
        say(&net, &client, "srv", b"hello", &said);
        net.advance(Duration::from_secs(60));
        assert_eq!(said.lines().last().unwrap(), "whole, lost: closed", "{:?}", said.lines());
        assert!(heard.has(r#"made Some("echo") Some("srv") TLS 1.3"#), "{:?}", heard.lines());
        assert!(heard.has("lost: closed"), "{:?}", heard.lines());
    });
}

#[test]
fn much_is_said_with_backpressure() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let client = ca.client().build().unwrap();
    let much: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
    for_seeds(0..12, |seed| {
        let (net, heard, said) = (Net::new(seed), Log::default(), Log::default());
        net.window(8 << (seed % 4) << 10);
        // It goes on reading what comes back while it still writes; else both would wait for each other.
        let limits = Limits { read_while_full: true, ..Limits::default() };
        net.host("cli").run(|reactor| reactor.set_limits(limits));
        serve(&net.host("srv"), &server, &heard);
        say(&net, &client, "srv", &much, &said);
        net.advance(Duration::from_secs(600));
        assert_eq!(said.lines().last().unwrap(), "whole, lost: closed");
    });
}

#[test]
fn the_oldest_version_is_as_configured() {
    let ca = Authority::new("ca");
    let identity = ca.sign("srv", &["srv"]);
    for min in [MinVersion::Tls12, MinVersion::Tls13] {
        let server = ServerTls::new(identity.clone()).min(min).build().unwrap();
        let client = ca.client().min(min).post_quantum(false).build().unwrap();
        let (net, heard, said) = (Net::gentle(1), Log::default(), Log::default());
        serve(&net.host("srv"), &server, &heard);
        say(&net, &client, "srv", b"x", &said);
        net.run();
        assert_eq!(said.lines(), ["whole, lost: closed"]);
    }
}

/// Sends a file and closes.
struct Send(std::sync::Arc<File>, u64);

impl Protocol for Send {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(b"head:");
        transport.send_file(self.0.clone(), 0..self.1);
        transport.close();
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
}

#[test]
fn files_are_encrypted_piece_by_piece() {
    let ca = Authority::new("ca");
    let server = ServerTls::new(ca.sign("srv", &["srv"])).build().unwrap();
    let client = ca.client().build().unwrap();
    let data: Vec<u8> = (0..300_000u32).map(|n| (n / 3) as u8).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&data).unwrap();
    let file = std::sync::Arc::new(file);
    for_seeds(0..8, |seed| {
        let net = Net::new(seed);
        let (on, file, len) =
            (server.over("tcp:443".into_endpoint().unwrap()), file.clone(), data.len() as u64);
        net.host("srv")
            .run(|reactor| reactor.listen(on, move |_| Send(file.clone(), len)).map(drop))
            .unwrap();
        let to = client.to("srv").unwrap().over("tcp:srv:443".into_endpoint().unwrap());
        let all = net.block_on(&net.host("cli"), async move {
            let mut stream = trenza_core::Reactor::current().open(to).await?;
            let mut all = Vec::new();
            while let Some(piece) = stream.read().await? {
                all.extend_from_slice(&piece);
            }
            Ok(all)
        });
        assert!(all.unwrap() == [b"head:", &data[..]].concat());
    });
}

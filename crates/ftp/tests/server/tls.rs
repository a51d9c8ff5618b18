//! AUTH TLS, PROT, data connections over TLS, with the client of this crate.

use crate::{Site, server};
use bytes::Bytes;
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::{Buf, Flow, Layer, OutBuf, Result, Wire};
use trenza_ftp::{Client, ClientOptions, Code, Command, Dial, FtpServer, command::Protection};
use trenza_sim::{HostHandle, Net};
use trenza_tls::{ClientTls, ClientTlsTo, Identity, ServerTls, Side, TlsLayer, Trust};

/// Who signs, and with it a certificate for `srv` and one for each client.
struct Signer {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Signer {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), pem }
    }

    fn identity(&self, name: &str) -> Identity {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem() + &key.serialize_pem();
        Identity::from_pem(pem.as_bytes()).unwrap()
    }

    fn server(&self) -> ServerTls {
        ServerTls::new(self.identity("srv")).build().unwrap()
    }

    fn trust(&self) -> Trust {
        Trust::Ca(self.pem.clone().into_bytes())
    }

    fn client(&self) -> ClientTlsTo {
        ClientTls::new().trust(self.trust()).build().unwrap().to("srv").unwrap()
    }
}

/// A server at `srv:21`, and with TLS from the start at `srv:990`.
fn serve(net: &Net, tls: &ServerTls, set_up: impl FnOnce(FtpServer) -> FtpServer) -> HostHandle {
    let srv = net.host("srv");
    let server = set_up(server(srv.disk()).tls(tls.clone()));
    srv.run(|reactor| {
        let factory = server.factory();
        reactor.listen_with("tcp:21", factory.clone())?;
        let implicit = tls.over(trenza_core::IntoEndpoint::into_endpoint("tcp:990")?);
        reactor.listen_with(implicit, factory)
    })
    .unwrap();
    srv
}

/// Runs a client that is logged in.
fn with<T: 'static>(
    net: &Net,
    to: &str,
    options: ClientOptions,
    body: impl AsyncFnOnce(&mut Client) -> Result<T> + 'static,
) -> Result<T> {
    let dial = Dial::new(to, options)?.account("ann", "secret");
    net.block_on(&net.host("cli"), async move {
        let mut client = dial.open().await?;
        let result = body(&mut client).await;
        if client.is_open() {
            client.quit().await?;
        }
        result
    })
}

async fn put(client: &mut Client, name: &str, bytes: Vec<u8>) -> Result<u64> {
    let mut left = Some(Bytes::from(bytes));
    Ok(client.store(name, 0, async || Ok(left.take())).await?)
}

async fn get(client: &mut Client, name: &str, from: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    client
        .retrieve(name, from, async |piece| {
            bytes.extend_from_slice(&piece);
            Ok(())
        })
        .await?;
    Ok(bytes)
}

fn large() -> Vec<u8> {
    (0..700_000_u32).map(|n| (n % 253) as u8).collect()
}

async fn both_ways(client: &mut Client) -> Result {
    for bytes in [Vec::new(), b"hello".to_vec(), large()] {
        put(client, "a", bytes.clone()).await?;
        assert!(get(client, "a", 0).await? == bytes);
        assert_eq!(client.size("a").await?, bytes.len() as u64);
    }
    assert!(get(client, "a", 699_990).await? == large()[699_990..]);
    let listed = client.mlsd(None).await?;
    assert_eq!(listed.len(), 1);
    assert_eq!(client.list(None).await?[0].size, Some(700_000));
    Ok(())
}

fn leaves_nothing(net: &Net, srv: &HostHandle, ports: usize) {
    net.advance(Duration::from_secs(100));
    let left = srv.left();
    assert_eq!((left.ports, left.connections), (ports, 0), "{:?}", srv.leftovers());
}

#[test]
fn the_client_of_this_crate_in_all_ways() {
    let signer = Signer::new();
    for seed in 0..4 {
        for active in [false, true] {
            let options = || ClientOptions::new().active(active);
            for (to, options) in [
                ("tcp:srv:21", options()),
                ("tcp:srv:21", options().explicit_tls(signer.client())),
                ("tcp:srv:21", options().explicit_tls(signer.client()).clear_data(true)),
                ("tcp:srv:990", options().implicit_tls(signer.client())),
            ] {
                let net = Net::new(seed);
                let srv = serve(&net, &signer.server(), |server| server);
                with(&net, to, options, both_ways).unwrap();
                leaves_nothing(&net, &srv, 2);
            }
        }
    }
}

#[test]
fn nothing_is_said_in_plain_where_tls_is_required() {
    let signer = Signer::new();
    let net = Net::gentle(1);
    serve(&net, &signer.server(), |server| server.require_tls(true));
    let error = with(&net, "tcp:srv:21", ClientOptions::new(), async |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("530"), "{error}");
    let options = ClientOptions::new().explicit_tls(signer.client());
    with(&net, "tcp:srv:21", options, async |client| {
        both_ways(client).await?;
        // Data connections must be protected.
        let reply = client.ask(&Command::Prot(Protection::Clear)).await.unwrap_err();
        assert_eq!(reply.code(), Some(Code::POLICY));
        Ok(())
    })
    .unwrap();
    let options = ClientOptions::new().explicit_tls(signer.client()).clear_data(true);
    let error = with(&net, "tcp:srv:21", options, both_ways).unwrap_err();
    assert!(error.to_string().contains("534") || error.to_string().contains("521"), "{error}");
}

#[test]
fn continued_sessions_can_be_required() {
    let signer = Signer::new();
    for (resumes, fine) in [(true, true), (false, false)] {
        let net = Net::gentle(1);
        let srv = serve(&net, &signer.server(), |server| server.require_tls_reuse(true));
        let client = ClientTls::new().trust(signer.trust()).resumption(resumes).build().unwrap();
        let options = ClientOptions::new().explicit_tls(client.to("srv").unwrap());
        let done = with(&net, "tcp:srv:21", options, async |client| {
            put(client, "a", b"hello".to_vec()).await?;
            get(client, "a", 0).await
        });
        match done {
            Ok(got) => assert!(fine && got == b"hello"),
            Err(error) => assert!(!fine && error.to_string().contains("522"), "{error}"),
        }
        assert_eq!(srv.disk().root().list().unwrap().len(), usize::from(fine));
        leaves_nothing(&net, &srv, 2);
    }
}

#[test]
fn what_is_smuggled_behind_auth_tls_is_not_carried_out() {
    let signer = Signer::new();
    let site = Site::new(Net::gentle(1), |server| server.tls(signer.server()));
    site.expect("220");
    site.control.send("AUTH TLS\r\nUSER ann\r\nPASS secret\r\nMKD smuggled\r\n");
    site.expect("234");
    site.net.advance(Duration::from_secs(5));
    assert!(site.control.lost());
    assert!(site.names().is_empty());
    site.leaves_nothing();
}

#[test]
fn a_handshake_that_fails_or_never_ends() {
    let signer = Signer::new();
    for silent in [false, true] {
        let net = Net::gentle(1);
        let srv = serve(&net, &signer.server(), |server| server);
        srv.disk().root().open("a", trenza_sim::DiskOpen::CreateNew).unwrap();
        let stranger = net.host("cli");
        let options = ClientOptions::new().explicit_tls(signer.client());
        with(&net, "tcp:srv:21", options, async move |client| {
            for verb in [Command::Retr(b"a".into()), Command::Stor(b"b".into())] {
                let reply = client.ask(&Command::Pasv).await?;
                let to = trenza_ftp::address::parse_227(reply.text()).unwrap();
                let data = stranger.probe_to(std::net::SocketAddr::from(to));
                if !silent {
                    data.send("this is no TLS at all\r\n");
                }
                let began = client.ask(&verb).await;
                // The reply that follows the preliminary one.
                let reply = match began {
                    Ok(reply) if reply.code().is_preliminary() => client.ask(&Command::Noop).await,
                    other => other,
                };
                assert_eq!(reply.unwrap_err().code(), Some(Code::NETWORK_PROTOCOL));
                client.noop().await.ok();
            }
            Ok(())
        })
        .unwrap();
        leaves_nothing(&net, &srv, 2);
    }
}

#[test]
fn another_certificate_gets_no_data() {
    let signer = Signer::new();
    let net = Net::gentle(1);
    let tls = ServerTls::new(signer.identity("srv")).require_clients_of(signer.pem.clone()).build().unwrap();
    let srv = serve(&net, &tls, |server| server);
    let client_of = |name: &str| {
        let client = ClientTls::new().trust(signer.trust()).identity(signer.identity(name));
        client.build().unwrap().to("srv").unwrap()
    };
    let thief = client_of("bob");
    with(&net, "tcp:srv:21", ClientOptions::new().explicit_tls(client_of("ann")), async move |client| {
        both_ways(client).await?;
        for verb in [Command::Retr(b"a".into()), Command::Stor(b"b".into())] {
            let reply = client.ask(&Command::Pasv).await?;
            let to = trenza_ftp::address::parse_227(reply.text()).unwrap();
            let endpoint =
                thief.over(trenza_core::IntoEndpoint::into_endpoint(std::net::SocketAddr::from(to))?);
            let stealing = trenza_core::Reactor::current().spawn(async move {
                let mut stream = trenza_core::Reactor::current().open(endpoint).await?;
                stream.write_all(b"bad").await?;
                let mut stolen = Vec::new();
                while let Ok(Some(piece)) = stream.read().await {
                    stolen.extend_from_slice(&piece);
                }
                Ok(stolen)
            });
            let reply = match client.ask(&verb).await {
                Ok(reply) if reply.code().is_preliminary() => client.ask(&Command::Noop).await,
                other => other,
            };
            assert_eq!(reply.unwrap_err().code(), Some(Code::NETWORK_PROTOCOL));
            client.noop().await.ok();
            assert!(stealing.await?.is_empty());
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(srv.disk().root().list().unwrap().len(), 1);
    leaves_nothing(&net, &srv, 2);
}

/// TLS that does not say goodbye.
struct Rude(TlsLayer);

impl Layer for Rude {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        self.0.decode(wire, up, down)
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        self.0.encode(plain, down)
    }

    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }

    fn close_write(&mut self, _: &mut OutBuf) {}

    fn ready(&self) -> bool {
        self.0.ready()
    }
}

#[test]
fn an_upload_that_was_cut_short_is_whole_only_where_that_is_allowed() {
    let signer = Signer::new();
    for allowed in [false, true] {
        let net = Net::gentle(1);
        let srv = serve(&net, &signer.server(), |server| server.allow_truncation(allowed));
        let tls = signer.client();
        let options = ClientOptions::new().explicit_tls(tls.clone());
        with(&net, "tcp:srv:21", options, async move |client| {
            let reply = client.ask(&Command::Pasv).await?;
            let to = std::net::SocketAddr::from(trenza_ftp::address::parse_227(reply.text()).unwrap());
            let endpoint = trenza_core::IntoEndpoint::into_endpoint(to)?;
            let rude = endpoint.layered(move || vec![Box::new(Rude(tls.layer().unwrap()))]);
            let upload = trenza_core::Reactor::current().spawn(async move {
                let mut stream = trenza_core::Reactor::current().open(rude).await?;
                stream.write_all(b"half").await?;
                stream.close().await
            });
            let reply = match client.ask(&Command::Stor(b"a".into())).await {
                Ok(reply) if reply.code().is_preliminary() => client.ask(&Command::Noop).await,
                other => other,
            };
            match reply {
                Ok(reply) => assert!(allowed && reply.code() == Code::TRANSFER_DONE),
                Err(error) => assert!(!allowed && error.code() == Some(Code::TRANSFER_ABORTED)),
            }
            client.noop().await.ok();
            upload.await.ok();
            Ok(())
        })
        .unwrap();
        // What came is there in any case, to go on from.
        assert_eq!(
            srv.disk().root().open("a", trenza_sim::DiskOpen::Read).unwrap().read_all().unwrap(),
            b"half"
        );
        leaves_nothing(&net, &srv, 2);
    }
}

/// A client's TLS that ends with the server's, and answers that or not.
struct Clearing {
    tls: TlsLayer,
    clear: Rc<Cell<bool>>,
    answers: bool,
}

impl Layer for Clearing {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        match self.tls.decode(wire, up, down)? {
            Flow::End if self.clear.get() => {
                if self.answers {
                    self.tls.close_write(down);
                }
                Ok(Flow::Done)
            }
            flow => Ok(flow),
        }
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        self.tls.encode(plain, down)
    }

    fn eof(&mut self, up: &mut Buf, down: &mut OutBuf) -> Result {
        self.tls.eof(up, down)
    }

    fn ready(&self) -> bool {
        self.tls.ready()
    }
}

/// The codes of the replies to a script of commands, TLS begun before the second and left where CCC is allowed.
fn script(seed: u64, allowed: bool, answers: bool) -> Vec<String> {
    let (signer, net) = (Signer::new(), Net::new(seed));
    let srv = serve(&net, &signer.server(), |server| server.allow_ccc(allowed));
    let tls = signer.client();
    let codes = net.block_on(&net.host("cli"), async move {
        let mut stream = trenza_core::Reactor::current().open("tcp:srv:21").await?;
        let clear = Rc::new(Cell::new(false));
        let mut codes = Vec::new();
        for command in ["", "AUTH TLS", "CCC", "USER ann", "PASS secret", "CCC", "PWD", "CCC", "NOOP", "QUIT"]
        {
            if !command.is_empty() {
                clear.set(allowed && command == "CCC" && codes.len() > 4);
                stream.write_all(format!("{command}\r\n").as_bytes()).await?;
            }
            let line =
                stream.next(|input| Ok(input.line(512)?.map(<[u8]>::to_vec))).await?.unwrap_or_default();
            codes.push(String::from_utf8_lossy(&line)[..3].to_owned());
            if clear.get() {
                // The server's close_notify comes behind the reply.
                trenza_core::Reactor::current().sleep(Duration::from_secs(10)).await;
            }
            if command == "AUTH TLS" {
                let layer = Clearing { tls: tls.layer()?, clear: clear.clone(), answers };
                stream.transport().push_layer(layer);
            }
        }
        stream.close().await?;
        Ok(codes)
    });
    leaves_nothing(&net, &srv, 2);
    codes.unwrap()
}

#[test]
fn tls_is_left_again_only_where_that_is_allowed() {
    for seed in 0..8 {
        for answers in [false, true] {
            let codes = script(seed, true, answers);
            assert_eq!(codes, ["220", "234", "530", "331", "230", "200", "257", "503", "200", "221"]);
        }
        let codes = script(seed, false, true);
        assert_eq!(codes, ["220", "234", "534", "331", "230", "534", "257", "534", "200", "221"]);
    }
}

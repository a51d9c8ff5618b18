//! TLS over everything that carries bytes: sockets, memory, proxies, TLS again.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, bytes, to},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};
use std::{cell::RefCell, rc::Rc, sync::LazyLock};
use trenza_core::{Endpoint, Input, IntoEndpoint, Port, Protocol, Result, Transport};
use trenza_proxy::{SocksServer, register};
use trenza_tls::{ClientTls, ClientTlsTo, Identity, ServerTls, Side, StartTls, Trust};

cases! {
    over_tcp
    over_a_unix_socket
    over_tls
    over_a_pair_in_memory
    over_two_pipes
    through_a_socks_proxy
    through_an_http_proxy
    through_two_proxies
    a_proxy_that_says_no_is_heard_before_tls
    a_server_of_another_name_is_refused_through_a_proxy
    an_end_of_the_tls_below_is_none_of_the_tls_above
    a_coroutine_starts_tls_and_hears_nothing_that_was_smuggled_in
}

/// How much the server and the client say.
const SAID: [usize; 2] = [70_000, 50_000];

/// A server `srv`, and a client that knows it.
static TLS: LazyLock<(ServerTls, ClientTls)> = LazyLock::new(|| {
    let key = || KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (own, key) = (key(), key());
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let signed = CertificateParams::new(["srv".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    let identity = Identity::from_pem((signed.pem() + &own.serialize_pem()).as_bytes()).unwrap();
    let client = ClientTls::new().trust(Trust::Ca(ca.into_bytes())).build().unwrap();
    (ServerTls::new(identity).build().unwrap(), client)
});

fn server() -> &'static ServerTls {
    &TLS.0
}

fn client() -> ClientTlsTo {
    TLS.1.to("srv").unwrap()
}

/// Says its part as soon as it can.
fn says(ground: &Ground, name: &'static str, length: usize) -> Actor {
    Actor::new(ground, name).made(move |transport| {
        transport.peer().secured.as_ref().ok_or("the handshake is not done")?;
        transport.write(&bytes(length));
        Ok(())
    })
}

/// Listens behind TLS over an endpoint.
fn listen(ground: &Ground, on: &str) -> Result<Port> {
    let inner = ground.clone();
    let on = server().over(on.into_endpoint()?);
    ground.listen_on(on, move |_| says(&inner, "srv", SAID[0]))
}

const ON: &str = "tcp:0:interface=127.0.0.1";

/// Both sides hear all of what the other one says, and the client closes.
async fn talk(ground: &Ground, on: Endpoint, to: impl FnOnce(&Port) -> Result<Endpoint>) -> Result {
    let inner = ground.clone();
    let port = ground.listen_on(on, move |_| says(&inner, "srv", SAID[0]))?;
    let says = says(ground, "cli", SAID[1]);
    let client = ground.reactor().connect(to(&port)?, |_| says).await?;
    heard(ground, &client).await
}

async fn heard(ground: &Ground, client: &Transport) -> Result {
    let log = ground.log();
    log.received("cli", SAID[0]).await;
    log.received("srv", SAID[1]).await;
    assert!(client.peer().secured.is_some());
    client.close_write();
    for who in ["cli", "srv"] {
        assert!(["Closed", "PeerClosed"].contains(&&*log.lost(who).await), "{:?}", log.lines());
    }
    assert!(log.bytes("cli") == bytes(SAID[0]) && log.bytes("srv") == bytes(SAID[1]));
    Ok(())
}

async fn over_tcp(ground: Ground) -> Result {
    talk(&ground, server().over(ON.into_endpoint()?), |port| {
        Ok(client().over(to(port).as_str().into_endpoint()?))
    })
    .await
}

async fn over_a_unix_socket(ground: Ground) -> Result {
    let path = format!("unix:{}", ground.path("tls"));
    let path = path.as_str();
    talk(&ground, server().over(path.into_endpoint()?), |_| Ok(client().over(path.into_endpoint()?))).await
}

async fn over_tls(ground: Ground) -> Result {
    let on = server().over(server().over(server().over(ON.into_endpoint()?)));
    talk(&ground, on, |port| {
        Ok(client().over(client().over(client().over(to(port).as_str().into_endpoint()?))))
    })
    .await
}

/// Starts TLS as soon as it is there, and says its part.
fn starts(ground: &Ground, name: &'static str, side: impl Side, length: usize) -> Actor {
    Actor::new(ground, name).made(move |transport| {
        transport.start_tls(&side)?;
        transport.write(&bytes(length));
        Ok(())
    })
}

async fn over_a_pair_in_memory(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    far.switch_to(starts(&ground, "srv", server().clone(), SAID[0]));
    let near = near.switch_to(starts(&ground, "cli", client(), SAID[1]));
    heard(&ground, &near).await
}

async fn over_two_pipes(ground: Ground) -> Result {
    let srv = starts(&ground, "srv", server().clone(), SAID[0]);
    let cli = starts(&ground, "cli", client(), SAID[1]);
    let (near, _) = ground.adopt(ground.two_pipes(), cli, srv).await?;
    heard(&ground, &near).await
}

/// Listens with a SOCKS proxy; gives the prefix that stands for it.
fn socks(ground: &Ground) -> Result<String> {
    register(ground.reactor());
    let port = ground.reactor().listen_with(ON, SocksServer::new()).map(|port| ground.keep(port))?;
    Ok(to(&port).replacen("tcp", "socks5", 1))
}

/// An HTTP proxy that connects to wherever it is told.
#[derive(Default)]
struct HttpProxy;

impl Protocol for HttpProxy {
    fn data_received(&mut self, near: &Transport, input: &mut Input<'_>) -> Result {
        let Some(end) = input.peek().windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(()) };
        let head = String::from_utf8_lossy(input.up_to(end + 4)).into_owned();
        let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
        let far = near.reactor().open(&format!("tcp:{}", target.ok_or("it is no CONNECT")?));
        near.pause();
        let near = near.clone();
        near.clone().spawn(async move {
            let far = far.await?;
            near.write(b"HTTP/1.1 200 Connected\r\n\r\n");
            near.resume();
            near.join(&far.switch_to(Plain));
            Ok(())
        });
        Ok(())
    }
}

/// Listens with an HTTP proxy; gives the prefix that stands for it.
fn http(ground: &Ground) -> Result<String> {
    register(ground.reactor());
    let port = ground.listen_on(ON, |_| HttpProxy)?;
    Ok(to(&port).replacen("tcp", "http-proxy", 1))
}

/// A talk over TLS through proxies, the nearest first.
async fn through(ground: &Ground, proxies: &[String]) -> Result {
    let chain =
        |port: &Port| Ok(client().over([proxies.join(":"), to(port)].join(":").as_str().into_endpoint()?));
    talk(ground, server().over(ON.into_endpoint()?), chain).await
}

async fn through_a_socks_proxy(ground: Ground) -> Result {
    through(&ground, &[socks(&ground)?]).await
}

async fn through_an_http_proxy(ground: Ground) -> Result {
    through(&ground, &[http(&ground)?]).await
}

async fn through_two_proxies(ground: Ground) -> Result {
    through(&ground, &[http(&ground)?, socks(&ground)?]).await
}

async fn a_proxy_that_says_no_is_heard_before_tls(ground: Ground) -> Result {
    let nowhere = ground.listen(|_| Plain);
    nowhere.stop().await?;
    let to = [socks(&ground)?, to(&nowhere)].join(":");
    let error = ground.reactor().connect(client().over(to.as_str().into_endpoint()?), |_| Plain).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("the SOCKS 5 proxy") && error.contains("refused"), "{error}");
    Ok(())
}

async fn a_server_of_another_name_is_refused_through_a_proxy(ground: Ground) -> Result {
    let port = listen(&ground, ON)?;
    let to = [socks(&ground)?, to(&port)].join(":");
    let other = TLS.1.to("other")?.over(to.as_str().into_endpoint()?);
    let actor = Actor::new(&ground, "cli");
    let error = ground.reactor().connect(other, |_| actor).await.unwrap_err().to_string();
    assert!(error.contains("the peer's certificate is refused"), "{error}");
    assert_eq!((ground.log().of("cli"), ground.log().of("srv")), (vec![], vec![]));
    Ok(())
}

/// The TLS below ends in the middle of the way, by whoever carries it: that is no end of the TLS above.
async fn an_end_of_the_tls_below_is_none_of_the_tls_above(ground: Ground) -> Result {
    let (behind, carriers) = (listen(&ground, ON)?, Rc::new(RefCell::new(Vec::new())));
    let (carried, target) = (carriers.clone(), to(&behind));
    let middle = server().over(ON.into_endpoint()?);
    let port = ground.reactor().serve(middle, move |near| {
        let (carried, far) = (carried.clone(), near.transport().reactor().open(target.as_str()));
        async move {
            let far = far.await?;
            carried.borrow_mut().push(near.transport().clone());
            near.join(far);
            Ok(())
        }
    })?;
    ground.keep(port.clone());
    let to = client().over(client().over(to(&port).as_str().into_endpoint()?));
    let says = says(&ground, "cli", SAID[1]);
    ground.reactor().connect(to, |_| says).await?;
    ground.log().received("cli", SAID[0]).await;
    ground.log().received("srv", SAID[1]).await;
    carriers.borrow_mut().remove(0).close();
    assert_eq!(ground.log().lost("cli").await, "Truncated");
    assert!(!ground.log().of("cli").contains(&"eof".to_owned()));
    Ok(())
}

async fn a_coroutine_starts_tls_and_hears_nothing_that_was_smuggled_in(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    let served = ground.reactor().spawn(async move {
        let mut stream = far;
        let mut lines = stream.lines(100);
        assert_eq!(lines.next().await.transpose()?.as_deref(), Some(&b"STARTTLS"[..]));
        stream.write_all(b"go ahead\r\n").await?;
        stream.transport().start_tls(server())?;
        // It reads on at once, as the loop of a protocol may.
        let line = stream.lines(100).next().await;
        Ok(line.ok_or("it has ended")?.unwrap_err().to_string())
    });
    near.transport().write(b"STARTTLS\r\nsmuggled\r\nmore of it\r\n");
    let said = served.await?;
    assert!(said.contains("does not speak TLS"), "{said}");
    drop(near);
    Ok(())
}

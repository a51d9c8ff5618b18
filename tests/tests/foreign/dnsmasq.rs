//! dnsmasq, for our resolver.

use crate::ftp;
use std::{
    net::{IpAddr, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use trenza::{
    block_on,
    dns::{Config, Error, ErrorKind, RecordType, Resolver},
};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that knows a few names and asks nobody.
pub(crate) struct Dnsmasq {
    process: Child,
    pub(crate) at: SocketAddr,
}

impl Dnsmasq {
    fn start() -> Self {
        let records = [
            "--host-record=www.example.org,192.0.2.1,2001:db8::1",
            "--cname=alias.example.org,www.example.org",
            "--mx-host=example.org,b.example.org,20",
            "--mx-host=example.org,a.example.org,10",
            "--txt-record=example.org,v=spf1 -all",
        ];
        // More than a datagram holds.
        let long = (0..40).map(|number| format!("--txt-record=long.example.org,{number:0>100}"));
        Self::with(records.map(str::to_owned).into_iter().chain(long))
    }

    /// One that knows these records of example.org, as its options have them, and others'.
    pub(crate) fn with(records: impl IntoIterator<Item = String>) -> Self {
        let port = ftp::port();
        let mut command = Command::new("dnsmasq");
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user="]);
        command.args([
            "--no-resolv",
            "--no-hosts",
            "--no-poll",
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
        ]);
        command.arg(format!("--port={port}")).args([
            "--local=/example.org/",
            "--local=/example.com/",
            "--local-ttl=60",
        ]);
        command.args(records);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self { process: process.expect("dnsmasq runs"), at: ([127, 0, 0, 1], port).into() };
        let began = Instant::now();
        while TcpStream::connect(server.at).is_err() {
            assert!(began.elapsed() < PATIENCE, "{command:?} does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn ask<T: 'static>(
        &self,
        ask: impl AsyncFnOnce(Resolver) -> Result<T, Error> + 'static,
    ) -> Result<T, Error> {
        let at = self.at;
        let said =
            block_on(async move |reactor| Ok(ask(Resolver::new(&reactor, Config::asking([at]))).await));
        said.expect("the loop runs")
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("it was running");
    }
}

#[test]
fn tells_our_resolver_of_all_types() {
    let server = Dnsmasq::start();
    let www: [IpAddr; 2] = ["2001:db8::1".parse().unwrap(), [192, 0, 2, 1].into()];
    assert_eq!(server.ask(async |resolver| resolver.addresses("www.example.org").await).unwrap(), www);
    assert_eq!(server.ask(async |resolver| resolver.addresses("alias.example.org").await).unwrap(), www);
    let mx = server.ask(async |resolver| resolver.mx("example.org").await).unwrap();
    let mx: Vec<_> = mx.iter().map(|mx| (mx.preference, mx.exchange.as_str())).collect();
    assert_eq!(mx, [(10, "a.example.org"), (20, "b.example.org")]);
    assert_eq!(server.ask(async |resolver| resolver.txt("example.org").await).unwrap(), [b"v=spf1 -all"]);
    let names = server.ask(async |resolver| resolver.ptr([192, 0, 2, 1].into()).await).unwrap();
    assert_eq!(names, ["www.example.org"]);
    let alias =
        server.ask(async |resolver| resolver.lookup("alias.example.org", RecordType::A).await).unwrap();
    assert_eq!(alias.aliases.len(), 1);
}

#[test]
fn tells_our_resolver_over_tcp_what_is_long() {
    let texts = Dnsmasq::start().ask(async |resolver| resolver.txt("long.example.org").await).unwrap();
    assert_eq!(texts.len(), 40);
}

#[test]
fn tells_our_resolver_what_does_not_exist() {
    let server = Dnsmasq::start();
    let none = server.ask(async |resolver| resolver.addresses("none.example.org").await).unwrap_err();
    assert_eq!(none.kind, ErrorKind::NoName);
    let empty = server.ask(async |resolver| resolver.mx("www.example.org").await).unwrap_err();
    assert_eq!(empty.kind, ErrorKind::NoData);
}

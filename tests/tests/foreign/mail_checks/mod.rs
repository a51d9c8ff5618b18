//! Checks of mail beside those of others: SPF beside pyspf, DKIM beside dkimpy, and the program that asks dnsmasq.

mod dkimpy;
mod dnsmasq;
mod pyspf;

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    future::Future,
    net::IpAddr,
    pin::pin,
    process::Command,
    task::{Context, Poll, Waker},
};
use trenza::mail::checks::{Answer, Names, NoAnswer};

/// The system's Python, whose packages these are.
const PYTHON: &str = "/usr/bin/python3";

/// Records by name and type, as the script sees them too.
#[derive(Default)]
struct Zone(BTreeMap<String, BTreeMap<&'static str, Vec<String>>>);

impl Zone {
    fn add(&mut self, name: impl Into<String>, kind: &'static str, data: impl Into<String>) {
        self.0.entry(name.into()).or_default().entry(kind).or_default().push(data.into());
    }

    fn find<T>(&self, name: &str, kind: &str, read: impl Fn(&str) -> T) -> Result<Vec<T>, NoAnswer> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let found = self.0.get(&name).and_then(|of_name| of_name.get(kind)).ok_or(NoAnswer::None)?;
        Ok(found.iter().map(|data| read(data)).collect())
    }
}

impl Names for Zone {
    fn txt<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u8>> {
        Box::pin(async move { self.find(name, "TXT", |text| text.as_bytes().to_vec()) })
    }

    fn ips<'a>(&'a self, name: &'a str, like: IpAddr) -> Answer<'a, IpAddr> {
        let kind = if like.is_ipv4() { "A" } else { "AAAA" };
        Box::pin(async move { self.find(name, kind, |ip| ip.parse().unwrap()) })
    }

    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, String> {
        Box::pin(async move { self.find(name, "MX", str::to_owned) })
    }

    /// The name of a PTR record is the address.
    fn ptr(&self, ip: IpAddr) -> Answer<'_, String> {
        Box::pin(async move { self.find(&ip.to_string(), "PTR", str::to_owned) })
    }
}

/// What a coroutine gives that waits for nothing but a zone.
fn at_once<T>(coroutine: impl Future<Output = T>) -> T {
    match pin!(coroutine).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a zone answers at once"),
    }
}

/// Numbers that look as if they came by chance.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        *of.get(self.below(of.len())).expect("one at least")
    }
}

/// What a script makes of some JSON.
fn python(script: &str, given: &Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("given.json");
    fs::write(&file, given.to_string()).unwrap();
    let output = crate::run(Command::new(PYTHON).args(["-c", script]).arg(&file));
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

//! [`Table`]: DNS of a test.

use crate::checks::{Answer, Names, NoAnswer};
use std::{
    cell::RefCell,
    future::Future,
    net::IpAddr,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// What a record is.
#[derive(Debug, Clone)]
pub(in crate::checks) enum Data {
    Txt(Vec<u8>),
    Ip(IpAddr),
    Mx(String),
    Ptr(String),
    /// DNS fails.
    Fail,
}

/// Records by name, and what was asked.
#[derive(Debug, Default)]
pub(in crate::checks) struct Table {
    records: Vec<(String, Data)>,
    pub(in crate::checks) asked: RefCell<Vec<String>>,
}

impl Table {
    /// Lines of a name, a type and data: `example.org TXT v=spf1 -all`. The name of PTR is the address.
    pub(in crate::checks) fn new(lines: &str) -> Self {
        let records = lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().unwrap_or_default();
            let (name, kind, data) = (word(), word(), word());
            let data = match kind {
                "TXT" => Data::Txt(data.into()),
                "A" | "AAAA" => Data::Ip(data.parse().unwrap()),
                "MX" => Data::Mx(data.into()),
                "PTR" => Data::Ptr(data.into()),
                "FAIL" => Data::Fail,
                _ => panic!("{line}"),
            };
            (name.to_ascii_lowercase(), data)
        });
        Self { records: records.collect(), asked: RefCell::default() }
    }

    fn find<T>(&self, name: &str, kind: &str, of: impl Fn(&Data) -> Option<T>) -> Result<Vec<T>, NoAnswer> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.asked.borrow_mut().push(format!("{name} {kind}"));
        let all: Vec<_> =
            self.records.iter().filter(|(other, _)| *other == name).map(|(_, data)| data).collect();
        if all.iter().any(|data| matches!(data, Data::Fail)) {
            return Err(NoAnswer::Failed("the server fails".into()));
        }
        let found: Vec<_> = all.into_iter().filter_map(of).collect();
        if found.is_empty() { Err(NoAnswer::None) } else { Ok(found) }
    }
}

impl Names for Table {
    fn txt<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            self.find(name, "TXT", |data| if let Data::Txt(text) = data { Some(text.clone()) } else { None })
        })
    }

    fn ips<'a>(&'a self, name: &'a str, like: IpAddr) -> Answer<'a, IpAddr> {
        Box::pin(async move {
            let kind = if like.is_ipv4() { "A" } else { "AAAA" };
            self.find(name, kind, |data| match data {
                Data::Ip(ip) if ip.is_ipv4() == like.is_ipv4() => Some(*ip),
                _ => None,
            })
        })
    }

    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, String> {
        Box::pin(async move {
            self.find(name, "MX", |data| if let Data::Mx(name) = data { Some(name.clone()) } else { None })
        })
    }

    fn ptr(&self, ip: IpAddr) -> Answer<'_, String> {
        Box::pin(async move {
            self.find(&ip.to_string(), "PTR", |data| {
                if let Data::Ptr(name) = data { Some(name.clone()) } else { None }
            })
        })
    }
}

/// What a coroutine gives that waits for nothing but a table.
pub(in crate::checks) fn at_once<T>(coroutine: impl Future<Output = T>) -> T {
    match pin!(coroutine).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a table answers at once"),
    }
}

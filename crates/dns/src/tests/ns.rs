//! [`Ns`]: a name server of a test, and the records that it gives.

use crate::{Config, Message, Name, RData, Record, RecordType, Resolver, ResponseCode, rdata};
use std::{
    cell::RefCell,
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
};
use trenza_core::{Addr, Datagram, DatagramProtocol, Result, Stream, UdpPort};
use trenza_sim::{HostHandle, Net};

/// A question that came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) message: Message,
    pub(super) from: Addr,
    pub(super) tcp: bool,
}

impl Asked {
    pub(super) fn name(&self) -> String {
        crate::lookup::text(&self.message.queries[0].name).to_lowercase()
    }

    pub(super) fn record_type(&self) -> RecordType {
        self.message.queries[0].query_type
    }

    /// An answer without records.
    pub(super) fn answer(&self) -> Message {
        let mut answer = Message::response(self.message.metadata.id, self.message.metadata.op_code);
        answer.metadata.recursion_available = true;
        answer.queries.clone_from(&self.message.queries);
        answer
    }

    /// An answer with these records.
    pub(super) fn with(&self, records: impl IntoIterator<Item = Record>) -> Vec<u8> {
        let mut answer = self.answer();
        answer.add_answers(records);
        answer.to_vec().unwrap()
    }

    /// Neither a record nor an error.
    pub(super) fn nothing(&self) -> Vec<u8> {
        self.with([])
    }

    /// That there is no such name, or an error.
    pub(super) fn code(&self, code: ResponseCode) -> Vec<u8> {
        let mut answer = self.answer();
        answer.metadata.response_code = code;
        if code == ResponseCode::NXDomain {
            answer.add_authority(soa("org", 900, 300));
        }
        answer.to_vec().unwrap()
    }

    /// That it is too long.
    pub(super) fn cut(&self) -> Vec<u8> {
        let mut answer = self.answer();
        answer.metadata.truncation = true;
        answer.to_vec().unwrap()
    }
}

type Script = Rc<dyn Fn(&Asked) -> Vec<Vec<u8>>>;

/// A name server, on UDP and TCP; over TCP it says the first of its answers.
#[derive(Clone)]
pub(super) struct Ns {
    pub(super) at: SocketAddr,
    asked: Rc<RefCell<Vec<Asked>>>,
    script: Script,
}

impl Ns {
    /// A server on a host that answers as `script` says: with as many datagrams as it gives.
    pub(super) fn start(host: &HostHandle, script: impl Fn(&Asked) -> Vec<Vec<u8>> + 'static) -> Self {
        let ns = Self { at: (host.ips()[0], 53).into(), asked: Rc::default(), script: Rc::new(script) };
        host.run(|reactor| {
            reactor.udp("udp:53", ns.clone()).unwrap();
            let ns = ns.clone();
            reactor.serve("tcp:53", move |stream| ns.clone().serve(stream)).unwrap();
        });
        ns
    }

    fn hear(&self, question: &[u8], from: Addr, tcp: bool) -> Vec<Vec<u8>> {
        let Ok(message) = Message::from_vec(question) else { return Vec::new() };
        let asked = Asked { message, from, tcp };
        self.asked.borrow_mut().push(asked.clone());
        (self.script)(&asked)
    }

    async fn serve(self, mut stream: Stream) -> Result {
        while let Some(length) = stream.read_exact(2).await? {
            let length = u16::from_be_bytes([length[0], length[1]]);
            let Some(question) = stream.read_exact(length.into()).await? else { break };
            let from = stream.peer().remote.clone();
            match self.hear(&question, from, true).first() {
                Some(answer) => {
                    let length = u16::try_from(answer.len()).unwrap();
                    stream.write_all(&[&length.to_be_bytes(), &answer[..]].concat()).await?;
                }
                None => break,
            }
        }
        stream.close().await
    }

    /// What it was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }
}

impl DatagramProtocol for Ns {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        for answer in self.hear(datagram.data, datagram.from.clone(), false) {
            port.send(datagram.answer(&answer));
        }
        Ok(())
    }
}

pub(super) fn name(name: &str) -> Name {
    crate::lookup::absolute(name).unwrap()
}

pub(super) fn record(of: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(name(of), ttl, data)
}

pub(super) fn a(of: &str, ttl: u32, last: u8) -> Record {
    record(of, ttl, RData::A(rdata::A(Ipv4Addr::new(192, 0, 2, last))))
}

pub(super) fn cname(of: &str, ttl: u32, to: &str) -> Record {
    record(of, ttl, RData::CNAME(rdata::CNAME(name(to))))
}

pub(super) fn soa(of: &str, ttl: u32, minimum: u32) -> Record {
    let soa = rdata::SOA::new(name("ns.example.org"), name("hostmaster.example.org"), 1, 2, 3, 4, minimum);
    record(of, ttl, RData::SOA(soa))
}

/// Runs a lookup on the host `cli`, whose resolver asks these servers.
pub(super) fn look_up<T: 'static, F: Future<Output = T> + 'static>(
    net: &Net,
    config: Config,
    lookup: impl FnOnce(Resolver) -> F,
) -> T {
    let host = net.host("cli");
    let resolver = host.run(|reactor| Resolver::new(reactor, config));
    let lookup = lookup(resolver);
    net.block_on(&host, async move { Ok(lookup.await) }).unwrap()
}

/// The kind of message that questions and answers are.
pub(super) fn op() -> hickory_proto::op::OpCode {
    hickory_proto::op::OpCode::Query
}

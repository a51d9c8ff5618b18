//! The DNS as [`Names`]: what a [`Resolver`] says of who receives mail.

use super::{Looking, Mx, NameError, Names};
use std::{future::Future, net::IpAddr};
use trenza_dns::{Error, ErrorKind, Fault, Resolver};

impl Names for Resolver {
    fn mx(&self, domain: &str) -> Looking<Vec<Mx>> {
        let (resolver, domain) = (self.clone(), domain.to_owned());
        looking(async move {
            let found = Self::mx(&resolver, &domain).await?;
            Ok(found.into_iter().map(|mx| Mx { preference: mx.preference, host: mx.exchange }).collect())
        })
    }

    fn addresses(&self, host: &str) -> Looking<Vec<IpAddr>> {
        let (resolver, host) = (self.clone(), host.to_owned());
        looking(async move { Self::addresses(&resolver, &host).await })
    }
}

/// A name that is there and has no such record gives none; one that cannot be is not known.
fn looking<T: 'static>(asking: impl Future<Output = Result<Vec<T>, Error>> + 'static) -> Looking<Vec<T>> {
    Box::pin(async move {
        match asking.await {
            Ok(found) => Ok(found),
            Err(error) if error.kind == ErrorKind::NoData => Ok(Vec::new()),
            Err(error) if matches!(error.fault(), Fault::Nobody | Fault::Caller) => Err(NameError::Unknown),
            Err(error) => Err(NameError::Failed(error.to_string())),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use trenza_core::{Datagram, DatagramProtocol, Result, UdpPort};
    use trenza_dns::{Config, Message, Name, RData, Record, RecordType, ResponseCode, rdata};

    /// A name server for example.org, which has MX records and no address.
    struct Server;

    impl DatagramProtocol for Server {
        fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
            let question = Message::from_vec(datagram.data)?;
            let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
            answer.metadata.recursion_available = true;
            answer.queries.clone_from(&question.queries);
            let asked = &question.queries[0];
            match (asked.name.to_ascii().to_ascii_lowercase().as_str(), asked.query_type) {
                ("example.org.", RecordType::MX) => {
                    for (preference, host) in [(20, "b.example.org."), (10, "a.example.org.")] {
                        let mx = rdata::MX::new(preference, Name::from_ascii(host)?);
                        answer.add_answer(Record::from_rdata(asked.name.clone(), 60, RData::MX(mx)));
                    }
                }
                ("a.example.org.", RecordType::A) => {
                    let ip = RData::A(rdata::A([192, 0, 2, 1].into()));
                    answer.add_answer(Record::from_rdata(asked.name.clone(), 60, ip));
                }
                ("example.org." | "a.example.org.", _) => {}
                ("broken.example.", _) => answer.metadata.response_code = ResponseCode::ServFail,
                _ => answer.metadata.response_code = ResponseCode::NXDomain,
            }
            port.send(datagram.answer(&answer.to_vec()?));
            Ok(())
        }
    }

    #[test]
    fn a_resolver_tells_who_receives_mail() {
        let net = trenza_sim::Net::gentle(1);
        let (server, host) = (net.host("ns"), net.host("mx"));
        server.run(|reactor| reactor.udp("udp:53", Server)).unwrap();
        let config = Config::asking([(server.ips()[0], 53).into()]);
        let resolver = host.run(|reactor| Resolver::new(reactor, config));
        let names: &dyn Names = &resolver;
        let mx = |domain: &str| {
            let asking = names.mx(domain);
            net.block_on(&host, async { Ok(asking.await) }).unwrap()
        };
        let found: Vec<_> = mx("example.org").unwrap().into_iter().map(|mx| mx.host).collect();
        assert_eq!(found, ["a.example.org", "b.example.org"]);
        assert_eq!(mx("a.example.org"), Ok(vec![]));
        assert_eq!(mx("none.example"), Err(NameError::Unknown));
        assert_eq!(mx("a..b"), Err(NameError::Unknown));
        assert!(matches!(mx("broken.example"), Err(NameError::Failed(_))));
        let addresses = |name: &str| {
            let asking = names.addresses(name);
            net.block_on(&host, async { Ok(asking.await) }).unwrap()
        };
        assert_eq!(addresses("a.example.org"), Ok(vec![[192, 0, 2, 1].into()]));
        assert_eq!(addresses("example.org"), Ok(vec![]));
    }
}

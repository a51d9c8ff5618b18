//! What checks hear of a real resolver.

use crate::checks::{Names, NoAnswer};
use trenza_core::{Datagram, DatagramProtocol, Result, UdpPort};
use trenza_dns::{Config, Message, Name, RData, Record, RecordType, Resolver, ResponseCode, rdata};
use trenza_sim::Net;

/// A name server for example.org.
struct Server;

impl DatagramProtocol for Server {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        let question = Message::from_vec(datagram.data)?;
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_available = true;
        answer.queries.clone_from(&question.queries);
        let asked = &question.queries[0];
        let org = || Name::from_ascii("mx.example.org.");
        let data = match (asked.name.to_ascii().to_ascii_lowercase().as_str(), asked.query_type) {
            ("example.org.", RecordType::TXT) => {
                Some(RData::TXT(rdata::TXT::from_bytes(vec![b"v=spf1", b" -all"])))
            }
            ("example.org.", RecordType::A) => Some(RData::A(rdata::A([192, 0, 2, 1].into()))),
            ("example.org.", RecordType::MX) => Some(RData::MX(rdata::MX::new(10, org()?))),
            ("1.2.0.192.in-addr.arpa.", RecordType::PTR) => Some(RData::PTR(rdata::PTR(org()?))),
            _ => None,
        };
        answer.metadata.response_code = match asked.name.to_ascii().to_ascii_lowercase().as_str() {
            "broken.example." => ResponseCode::ServFail,
            "none.example." => ResponseCode::NXDomain,
            _ => ResponseCode::NoError,
        };
        answer.add_answers(data.map(|data| Record::from_rdata(asked.name.clone(), 60, data)));
        port.send(datagram.answer(&answer.to_vec()?));
        Ok(())
    }
}

#[test]
fn answers_are_passed_on_and_failures_told_apart() {
    let net = Net::gentle(1);
    let (server, host) = (net.host("ns"), net.host("mx"));
    server.run(|reactor| reactor.udp("udp:53", Server)).unwrap();
    let config = Config::asking([(server.ips()[0], 53).into()]);
    let names = host.run(|reactor| Resolver::new(reactor, config));
    net.block_on(&host, async move {
        let names: &dyn Names = &names;
        let v4 = [192, 0, 2, 1].into();
        assert_eq!(names.txt("example.org").await, Ok(vec![b"v=spf1 -all".to_vec()]));
        assert_eq!(names.ips("example.org", v4).await, Ok(vec![v4]));
        assert_eq!(names.mx("example.org").await, Ok(vec!["mx.example.org".into()]));
        assert_eq!(names.ptr(v4).await, Ok(vec!["mx.example.org".into()]));
        // Of the other family, of no such name, and of what is no name at all.
        assert_eq!(names.ips("example.org", "2001:db8::1".parse()?).await, Err(NoAnswer::None));
        assert_eq!(names.txt("none.example").await, Err(NoAnswer::None));
        assert_eq!(names.txt(&"x".repeat(80)).await, Err(NoAnswer::None));
        assert!(matches!(names.mx("broken.example").await, Err(NoAnswer::Failed(_))));
        Ok(())
    })
    .unwrap();
}

//! Mail to domains, by a DNS and servers in the simulator.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{net::IpAddr, time::Duration};
use trenza::{
    dns::{Config, Message, Name, RData, Record, RecordType, Resolver, ResponseCode, rdata},
    mail::{
        queue::{Carried, Carrier, Content, Fate, Parcel},
        smtp::{Mail, Mailbox, Rcpt, client::Remote},
    },
    prelude::*,
    sim::{Disk, Net},
    storage::{Path, Storage, Write},
};

/// A name server: `example.org` has two hosts, of which the first has no address; `null.test` takes no mail; `bare.test` is a
/// host itself.
struct Ns(IpAddr);

impl Ns {
    fn answer(&self, asked: &Message) -> Message {
        let query = &asked.queries[0];
        let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
        answer.metadata.recursion_available = true;
        answer.queries.clone_from(&asked.queries);
        let mut add = |data: RData| {
            answer.add_answers([Record::from_rdata(query.name.clone(), 60, data)]);
        };
        let mx =
            |preference, host: &str| RData::MX(rdata::MX::new(preference, Name::from_ascii(host).unwrap()));
        match (query.name.to_ascii().to_lowercase().as_str(), query.query_type) {
            ("example.org.", RecordType::MX) => {
                add(mx(20, "mx.example.org."));
                add(mx(10, "gone.example.org."));
            }
            ("null.test.", RecordType::MX) => add(mx(0, ".")),
            ("mx.example.org." | "bare.test.", RecordType::A) => {
                if let IpAddr::V4(ip) = self.0 {
                    add(RData::A(rdata::A(ip)));
                }
            }
            ("example.org." | "null.test." | "mx.example.org." | "bare.test.", _) => {}
            ("broken.test.", _) => answer.metadata.response_code = ResponseCode::ServFail,
            _ => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        answer
    }
}

impl DatagramProtocol for Ns {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        let answer = self.answer(&Message::from_vec(datagram.data)?).to_vec()?;
        port.send(datagram.answer(&answer));
        Ok(())
    }
}

/// A host that takes all mail.
async fn serve(mut stream: Stream) -> Result {
    stream.write_all(b"220 mx\r\n").await?;
    while let Some(line) = stream.line(1000).await? {
        let reply: &[u8] = match &line[..] {
            b"DATA" => b"354 go\r\n",
            b"QUIT" => break,
            // Of the message's lines only the last one is answered.
            line if line == b"." || line.contains(&b' ') && !line.starts_with(b"Subject") => b"250 fine\r\n",
            _ => continue,
        };
        stream.write_all(reply).await?;
    }
    stream.write_all(b"221 bye\r\n").await?;
    stream.close().await
}

/// Runs something on the host `cli`, whose resolver asks the server above.
fn with<T: 'static>(work: impl AsyncFnOnce(Resolver, Disk) -> Result<T> + 'static) -> T {
    let net = Net::gentle(1);
    let (ns, mx, cli) = (net.host("ns"), net.host("mx"), net.host("cli"));
    let ip = mx.ips().into_iter().find(IpAddr::is_ipv4).unwrap();
    ns.run(|reactor| reactor.udp("udp:53", Ns(ip)).map(drop)).unwrap();
    mx.run(|reactor| reactor.serve("tcp:25", serve).map(drop)).unwrap();
    let config = Config::asking([(ns.ips()[0], 53).into()]);
    let resolver = cli.run(|reactor| Resolver::new(reactor, config));
    net.block_on(&cli, work(resolver, cli.disk())).unwrap()
}

async fn carry(storage: &Storage, remote: &Remote, to: &str) -> Result<Carried> {
    let path = Path::new("message")?;
    let upload = storage.upload(&path, Write::Replace).await?;
    upload.push(b"Subject: x\r\n\r\nx\r\n");
    let size = upload.finish(false).await?.size;
    let rcpt = Rcpt::new(Mailbox::parse(to).ok_or("no address")?);
    let parcel = Parcel {
        id: "1".into(),
        destination: remote.destination(&rcpt.to),
        mail: Mail::new(None),
        recipients: vec![rcpt],
        notes: Vec::new(),
        message: Content::new(storage.clone(), storage.open(&path).await?, size),
    };
    remote.carry(parcel).await.pop().ok_or_else(|| "no fate".into())
}

#[test]
fn mail_goes_where_the_dns_says() {
    with(async |hosts, disk| {
        let storage = Storage::new(&Reactor::current(), disk);
        let remote = Remote::new("cli.example.net").names(hosts);
        for (to, host) in [("ann@example.org", "mx.example.org"), ("ann@bare.test", "bare.test")] {
            let carried = carry(&storage, &remote, to).await?;
            assert!(carried.fate.is_success(), "{to}: {carried:?}");
            assert_eq!(carried.host.as_deref(), Some(host));
        }
        for (to, status) in [("ann@null.test", "5.1.10"), ("ann@nowhere.test", "5.1.2")] {
            let carried = carry(&storage, &remote, to).await?;
            assert!(
                matches!(&carried.fate, Fate::Refused(reply) if reply.to_string().contains(status)),
                "{carried:?}"
            );
        }
        assert!(matches!(carry(&storage, &remote, "ann@broken.test").await?.fate, Fate::Unreachable(_)));
        // Connections that wait say goodbye.
        Reactor::current().sleep(Duration::from_secs(20)).await;
        Ok(())
    });
}

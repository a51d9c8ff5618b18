//! A log daemon for this host: `cargo run -p trenza --example syslog` with `-- unix-datagram:/tmp/log.sock:mode=666`
//! behind it, then `logger -u /tmp/log.sock -p mail.err no space left`, from as many shells as you like.
use trenza::prelude::*;

const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

struct Syslog;

impl DatagramProtocol for Syslog {
    fn started(&mut self, port: &UdpPort) -> Result {
        println!("listening on {}", port.addr());
        Ok(())
    }
    fn datagram_received(&mut self, _: &UdpPort, datagram: Datagram<'_>) -> Result {
        let text = String::from_utf8_lossy(datagram.data);
        // `<PRIORITY>`, eight times the facility and the severity; without it a notice of a user's (RFC 3164, 4.3.3).
        let parts = text.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let parsed = parts.and_then(|(priority, rest)| Some((priority.parse::<u8>().ok()?, rest)));
        let (priority, message) = parsed.unwrap_or((13, &*text));
        let (facility, severity) = (priority / 8, usize::from(priority % 8));
        let severity = SEVERITIES.get(severity).copied().unwrap_or_default();
        println!("{facility}.{severity}: {}", message.trim_end().escape_debug());
        Ok(())
    }
}

fn main() -> Result {
    let on = std::env::args().nth(1).unwrap_or_else(|| "unix-datagram:@trenza-log".into());
    run(|reactor| reactor.udp(&on, Syslog).map(drop))
}

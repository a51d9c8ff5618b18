//! What the program itself sees in the strings of endpoints.

/// Whether servers of this endpoint speak TLS.
pub(crate) fn is_secured(endpoint: &str) -> bool {
    let behind = endpoint.trim_start_matches("haproxy:");
    behind.starts_with("tls:") || behind.starts_with("tls-over:")
}

/// The endpoint below the TLS of a server, for who brings TLS himself; None: there is none.
pub(crate) fn without_tls(endpoint: &str) -> Option<String> {
    let behind = endpoint.trim_start_matches("haproxy:");
    let before = endpoint.strip_suffix(behind)?;
    match behind.strip_prefix("tls:") {
        Some(rest) => Some(format!("{before}tcp:{rest}")),
        None => behind.strip_prefix("tls-over:").map(|below| format!("{before}{below}")),
    }
}

/// Host and port of `tcp:HOST:PORT` and `tls:HOST:PORT`, without brackets.
pub(crate) fn host_and_port(endpoint: &str) -> Option<(&str, &str)> {
    let rest = ["tcp:", "tls:"].into_iter().find_map(|kind| endpoint.strip_prefix(kind))?;
    let (host, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => rest.split_once(':')?,
    };
    Some((host, rest.split(':').next()?))
}

/// What stands between the colons of an endpoint string that are neither escaped nor within brackets.
pub(crate) fn parts(endpoint: &str) -> Vec<&str> {
    let (mut parts, mut start, mut is_escaped, mut in_brackets) = (Vec::new(), 0, false, false);
    for (at, c) in endpoint.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            ':' if !in_brackets => {
                parts.extend(endpoint.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(endpoint.get(start..));
    parts
}

/// Where in an endpoint string its port is.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// The kind, and the prefixes that it stands behind: `haproxy:tcp:`.
    pub(crate) before: &'a str,
    pub(crate) port: u16,
    /// The options: `:backlog=9`.
    pub(crate) after: &'a str,
}

impl<'a> Place<'a> {
    /// None: it has no port.
    pub(crate) fn of(endpoint: &'a str) -> Option<Self> {
        let kinds = ["tcp:", "tls:", "udp:"].into_iter();
        let begins = kinds.filter_map(|kind| {
            let at = endpoint.find(kind)?;
            let first = at == 0 || endpoint.get(..at)?.ends_with(':');
            first.then_some(at + kind.len())
        });
        let (before, rest) = endpoint.split_at_checked(begins.min()?)?;
        let (port, after) = rest.split_at_checked(rest.find(':').unwrap_or(rest.len()))?;
        Some(Self { before, port: port.parse().ok()?, after })
    }

    /// The same endpoint with another port.
    pub(crate) fn with(&self, port: u16) -> String {
        format!("{}{port}{}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_parts() {
        for (endpoint, found) in [
            ("tcp:mail.example.org:587", Some(("mail.example.org", "587"))),
            ("tls:[::1]:465:timeout=3", Some(("::1", "465"))),
            ("unix:/run/x.sock", None),
            ("tcp:25", None),
        ] {
            assert_eq!(host_and_port(endpoint), found, "{endpoint}");
        }
        assert_eq!(parts(r"tcp:[::1]:25:ca=a\:b.pem"), ["tcp", "[::1]", "25", r"ca=a\:b.pem"]);
        assert_eq!(parts(""), [""]);
    }

    #[test]
    fn tls_is_seen_where_it_is() {
        for endpoint in ["tls:443:cert=a", "tls-over:cert=a:unix:/b", "haproxy:tls:443:certs=a", "tls:"] {
            assert!(is_secured(endpoint), "{endpoint}");
        }
        for endpoint in ["tcp:443", "unix:/tls:", "unix:tls", "haproxy:tcp:80", "tlsx:1", ""] {
            assert!(!is_secured(endpoint), "{endpoint}");
        }
    }
}

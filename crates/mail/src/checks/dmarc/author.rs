//! [`authors`]: whose domain a message says that it is from.

use trenza_dns::Name;

/// The domains of all addresses in the values of fields called From, each once and as DNS has it.
pub(in crate::checks) fn authors<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut domains = Vec::new();
    for value in values {
        for address in addresses(&String::from_utf8_lossy(value)) {
            let domain = address.rsplit_once('@').and_then(|(_, domain)| canonical(domain));
            domains.extend(domain.filter(|domain| !domains.contains(domain)));
        }
    }
    domains
}

/// A domain in lower case, in letters that DNS knows.
fn canonical(domain: &str) -> Option<String> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.is_empty() || domain.starts_with('[') {
        return None;
    }
    Some(Name::from_str_relaxed(domain).ok()?.to_ascii().trim_end_matches('.').to_ascii_lowercase())
}

/// The addresses of a list (RFC 5322 section 3.4), without names, comments, and what is quoted.
fn addresses(list: &str) -> Vec<String> {
    let (mut all, mut plain, mut angle) = (Vec::new(), String::new(), None);
    let (mut comments, mut quoted, mut inside) = (0usize, false, false);
    let mut chars = list.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' if quoted || comments > 0 => drop(chars.next()),
            '"' if comments == 0 => quoted = !quoted,
            _ if quoted => {}
            '(' => comments += 1,
            ')' => comments = comments.saturating_sub(1),
            _ if comments > 0 => {}
            '<' => {
                // A second one without a comma between, of which readers may show either.
                all.extend(angle.replace(String::new()));
                inside = true;
            }
            '>' => inside = false,
            // A list, a group's name or its end.
            ',' | ':' | ';' if !inside => {
                let ended = std::mem::take(&mut plain);
                if char != ':' {
                    all.push(angle.take().unwrap_or(ended));
                }
            }
            char if char.is_ascii_whitespace() => {}
            char => match &mut angle {
                Some(address) if inside => address.push(char),
                _ => plain.push(char),
            },
        }
    }
    all.push(angle.unwrap_or(plain));
    all
}

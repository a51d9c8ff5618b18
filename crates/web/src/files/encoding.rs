//! `Accept-Encoding` (RFC 9110 section 12.5.3): which of the forms that lie ready is sent.

use http::{HeaderMap, header};

/// A content coding that a sibling file may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Brotli, `.br`.
    Br,
    /// gzip, `.gz`.
    Gzip,
}

impl Coding {
    /// All of them, the preferred one first.
    pub(super) const ALL: [Self; 2] = [Self::Br, Self::Gzip];

    /// Its name in `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Br => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the sibling's name has at its end.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Br => ".br",
            Self::Gzip => ".gz",
        }
    }
}

/// Weights in thousandths, as far as the client named them.
#[derive(Default)]
struct Weights {
    br: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

/// The coding of `ready` that the client likes best, None for the file as it is.
///
/// The highest weight wins, `br` before `gzip` before none where they are equal. A client that does not say
/// what it thinks of the plain form likes it less than any coding that it accepts. A client that refuses the
/// plain form too gets it all the same where nothing else is ready: the RFC prefers that to no answer.
pub(super) fn choose(headers: &HeaderMap, ready: impl Fn(Coding) -> bool) -> Option<Coding> {
    let weights = weights(headers);
    let mut best = (None, weights.identity.or(weights.any).unwrap_or(0));
    for coding in Coding::ALL.into_iter().rev() {
        let named = match coding {
            Coding::Br => weights.br,
            Coding::Gzip => weights.gzip,
        };
        let weight = named.or(weights.any).unwrap_or(0);
        if weight > 0 && weight >= best.1 && ready(coding) {
            best = (Some(coding), weight);
        }
    }
    best.0
}

fn weights(headers: &HeaderMap) -> Weights {
    let mut weights = Weights::default();
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for item in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let name = name.trim();
        let weight = if parameters.is_empty() { Some(1000) } else { quality(parameters) };
        let slot = match name {
            _ if name.eq_ignore_ascii_case("br") => &mut weights.br,
            _ if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                &mut weights.gzip
            }
            _ if name.eq_ignore_ascii_case("identity") => &mut weights.identity,
            "*" => &mut weights.any,
            _ => continue,
        };
        // A weight that cannot be read is no consent.
        *slot = Some(weight.unwrap_or(0));
    }
    weights
}

/// `q=0.5` in thousandths.
fn quality(parameters: &str) -> Option<u16> {
    let (name, value) = parameters.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let value = value.trim();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(value: &str, ready: &[Coding]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
        choose(&headers, |coding| ready.contains(&coding))
    }

    #[test]
    fn weights_decide_and_brotli_wins_ties() {
        use Coding::*;
        for (value, expected) in [
            ("", None),
            ("br", Some(Br)),
            ("gzip", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("GZIP, BR", Some(Br)),
            ("gzip, deflate, br, zstd", Some(Br)),
            ("gzip;q=1.0, br;q=0.9", Some(Gzip)),
            ("gzip ; q=0.5 , br; Q=0.501", Some(Br)),
            ("br;q=0, gzip", Some(Gzip)),
            ("br;q=0, gzip;q=0", None),
            ("*", Some(Br)),
            ("*, br;q=0", Some(Gzip)),
            ("*;q=0", None),
            ("*;q=0, gzip;q=0.1", Some(Gzip)),
            ("identity", None),
            ("identity, br", Some(Br)),
            ("identity;q=1, br;q=0.5", None),
            ("identity;q=0.5, br;q=1", Some(Br)),
            ("identity;q=0, gzip;q=0.001", Some(Gzip)),
            ("deflate, zstd", None),
            ("br;q=2, gzip;q=x", None),
            ("br;q=1.5, gzip;q=0.0001", None),
            ("br;level=3", None),
        ] {
            assert_eq!(chosen(value, &Coding::ALL), expected, "{value}");
        }
    }

    #[test]
    fn only_what_is_ready_is_chosen() {
        assert_eq!(chosen("br, gzip;q=0.1", &[Coding::Gzip]), Some(Coding::Gzip));
        assert_eq!(chosen("br, gzip", &[]), None);
        assert_eq!(chosen("br, identity;q=0", &[]), None);
        assert_eq!(choose(&HeaderMap::new(), |_| true), None);
    }
}

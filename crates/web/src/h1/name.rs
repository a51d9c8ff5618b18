//! Names of fields. Those that most requests have are known at sight, as they are usually spelt: to look at each byte of
//! them costs several times as much.

use super::error::{Error, bad};
use http::{HeaderName, header};

/// The field name that stands there.
///
/// # Errors
/// It is empty, or holds a byte that no name may hold (RFC 9110, section 5.1).
pub(super) fn parse(name: &[u8]) -> Result<HeaderName, Error> {
    match known(name) {
        Some(known) => Ok(known),
        None => HeaderName::from_bytes(name).map_err(|_| bad("malformed field name")),
    }
}

fn known(name: &[u8]) -> Option<HeaderName> {
    Some(match name {
        b"Host" | b"host" => header::HOST,
        b"DNT" | b"dnt" => header::DNT,
        b"Range" | b"range" => header::RANGE,
        b"Accept" | b"accept" => header::ACCEPT,
        b"Cookie" | b"cookie" => header::COOKIE,
        b"Origin" | b"origin" => header::ORIGIN,
        b"Pragma" | b"pragma" => header::PRAGMA,
        b"Expect" | b"expect" => header::EXPECT,
        b"Referer" | b"referer" => header::REFERER,
        b"Connection" | b"connection" => header::CONNECTION,
        b"User-Agent" | b"user-agent" => header::USER_AGENT,
        b"Content-Type" | b"content-type" => header::CONTENT_TYPE,
        b"Authorization" | b"authorization" => header::AUTHORIZATION,
        b"Cache-Control" | b"cache-control" => header::CACHE_CONTROL,
        b"If-None-Match" | b"if-none-match" => header::IF_NONE_MATCH,
        b"Content-Length" | b"content-length" => header::CONTENT_LENGTH,
        b"Accept-Encoding" | b"accept-encoding" => header::ACCEPT_ENCODING,
        b"Accept-Language" | b"accept-language" => header::ACCEPT_LANGUAGE,
        b"If-Modified-Since" | b"if-modified-since" => header::IF_MODIFIED_SINCE,
        b"Transfer-Encoding" | b"transfer-encoding" => header::TRANSFER_ENCODING,
        b"Upgrade-Insecure-Requests" | b"upgrade-insecure-requests" => header::UPGRADE_INSECURE_REQUESTS,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_it_says_however_it_is_spelt() {
        let names = "host dnt range accept cookie origin pragma expect referer connection user-agent content-type \
            authorization cache-control if-none-match content-length accept-encoding accept-language \
            if-modified-since transfer-encoding upgrade-insecure-requests x-other etag";
        for name in names.split_whitespace() {
            let words = name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
            let capitals = words.collect::<Vec<_>>().join("-");
            for spelt in [name.to_owned(), name.to_uppercase(), capitals] {
                assert_eq!(parse(spelt.as_bytes()).unwrap().as_str(), name);
            }
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", "ho st", "host ", " host", "host\r", "h\u{f6}st", "host:"] {
            assert!(parse(name.as_bytes()).is_err(), "{name:?}");
        }
    }
}

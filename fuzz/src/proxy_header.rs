//! What the target `proxy_header` checks; a test of `trenza-proxy` replays its corpus with it.

use trenza_proxy::header::{BLOCK_MAX, LINE_MAX, Told, Version, parse};

/// What a header means does not depend on how its bytes came, limits are kept, and what is written is read.
pub(crate) fn proxy_header(data: &[u8]) {
    let mut first = None;
    for end in 0..=data.len() {
        match parse(data.get(..end).unwrap_or_default()) {
            Ok(None) => assert!(end < 16 + BLOCK_MAX, "it waits for more than there may be"),
            outcome => {
                first = Some((end, outcome));
                break;
            }
        }
    }
    let Some((end, outcome)) = first else { return };
    assert_eq!(parse(data), outcome, "what follows {end} bytes is none of its business");
    let Ok(Some((header, used))) = outcome else { return };
    assert_eq!(used, end, "a header is taken as soon as it is whole");
    let most = if header.version == Version::V1 { LINE_MAX } else { 16 + BLOCK_MAX };
    assert!(used <= most);
    if let Told::Ip { source, destination } = &header.told {
        assert_eq!(source.is_ipv4(), destination.is_ipv4());
    }
    let written = header.encode();
    assert_eq!(parse(&written), Ok(Some((header, written.len()))));
}

//! A map for fields that is used again: that of the last response becomes that of the next request.

use http::HeaderMap;
use std::cell::Cell;

/// A map with room for more is not kept.
const FIELDS_MAX: usize = 64;

thread_local! {
    static MAP: Cell<Option<HeaderMap>> = const { Cell::new(None) };
}

/// An empty map for so many fields.
pub(super) fn map(fields: usize) -> HeaderMap {
    // While the thread ends there is none to take.
    let kept = MAP.try_with(Cell::take).ok().flatten();
    kept.unwrap_or_else(|| HeaderMap::with_capacity(fields))
}

/// Keeps a map to be used again, if there is none.
pub(crate) fn give(mut map: HeaderMap) {
    if !(1..=FIELDS_MAX).contains(&map.capacity()) {
        return;
    }
    // What is in it may be the user's, so it is dropped before anything of ours is touched.
    map.clear();
    let former = MAP.try_with(|kept| kept.replace(Some(map)));
    drop(former);
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header::HOST};

    #[test]
    fn a_map_comes_back_empty() {
        let mut used = HeaderMap::new();
        used.append(HOST, HeaderValue::from_static("a"));
        used.append(HOST, HeaderValue::from_static("b"));
        let capacity = used.capacity();
        give(used);
        let again = map(0);
        assert_eq!((again.len(), again.capacity(), again.get(HOST)), (0, capacity, None));
        assert_eq!(map(0).capacity(), 0, "there was one");
    }

    #[test]
    fn a_large_one_is_not_kept() {
        give(HeaderMap::with_capacity(FIELDS_MAX + 1));
        assert_eq!(map(0).capacity(), 0);
    }
}

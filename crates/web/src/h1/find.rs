//! Searches in heads. Their lines are so short that eight bytes at a time, with nothing to prepare, are found sooner than
//! by what compares 32.

/// One in each byte.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
/// The highest bit of each byte.
const HIGHS: u64 = ONES << 7;

/// Where `byte` is first.
pub(super) fn find(byte: u8, data: &[u8]) -> Option<usize> {
    first(data, |word| zeros(word ^ (ONES * u64::from(byte))), |other| other == byte)
}

/// Where the first CR or LF is.
pub(super) fn find_line_end(data: &[u8]) -> Option<usize> {
    const CR: u64 = ONES * b'\r' as u64;
    const LF: u64 = ONES * b'\n' as u64;
    first(data, |word| zeros(word ^ CR) | zeros(word ^ LF), |byte| matches!(byte, b'\r' | b'\n'))
}

/// Marks the zero bytes of a word by their highest bits. Above the lowest one marks may be false.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// The place of the first byte that is marked, or fits behind the last whole word.
fn first(data: &[u8], marks: impl Fn(u64) -> u64, fits: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = data.as_chunks();
    for (number, word) in words.iter().enumerate() {
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return Some(number * size_of::<u64>() + marked.trailing_zeros() as usize / 8);
        }
    }
    let place = rest.iter().position(|byte| fits(*byte))?;
    Some(data.len() - rest.len() + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_found_wherever_it_is() {
        for len in 0..40 {
            for other in [0, 1, b'\t', 0x0b, 0x0c, 0x0e, b'9', b';', 0x80, 0x8a, 0x8d, 0xff] {
                let mut data = vec![other; len];
                assert_eq!((find(b':', &data), find_line_end(&data)), (None, None));
                for place in (0..len).rev() {
                    data[place] = b':';
                    assert_eq!(find(b':', &data), Some(place), "{data:?}");
                }
                for (place, end) in (0..len).rev().zip([b'\r', b'\n'].into_iter().cycle()) {
                    data[place] = end;
                    assert_eq!(find_line_end(&data), Some(place), "{data:?}");
                }
            }
        }
    }
}

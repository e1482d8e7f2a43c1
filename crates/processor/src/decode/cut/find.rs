/// The first place, at or after `from`, of one of three bytes.
///
/// Fields are short: eight bytes at a time beat the wider steps of `memchr3`,
/// which pay off only after some dozens of bytes.
#[inline]
pub(super) fn find(needles: [u8; 3], bytes: &[u8], from: usize) -> Option<usize> {
    let [a, b, c] = needles.map(|needle| LOW * u64::from(needle));
    let mut at = from;
    while let Some(word) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        let found = zero_bytes(word ^ a) | zero_bytes(word ^ b) | zero_bytes(word ^ c);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = &bytes[at..];
    let found = rest.iter().position(|byte| needles.contains(byte))?;
    Some(at + found)
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

/// The high bit of each byte that is zero, and perhaps of bytes above the
/// lowest such one.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_three_bytes_is_found() {
        let needles = *b",\n\r";
        let check = |bytes: &[u8]| {
            for from in 0..=bytes.len() {
                let rest = bytes[from..].iter();
                let expect = rest.copied().position(|byte| needles.contains(&byte));
                assert_eq!(
                    find(needles, bytes, from),
                    expect.map(|at| at + from),
                    "{bytes:?}"
                );
            }
        };
        check(b"");
        check(b"abc,defghijklmno\npqr\rstuvwxyz,");
        check(b"\x0b\x0c-\x8c\xac\x0b\x8a\x8d+\x2c\xff\x00");
        for byte in 0..=255 {
            check(&[byte; 9]);
            check(&[b'x', byte, b',', byte, b'\n', byte, b'\r', byte, byte, b',']);
        }
    }
}

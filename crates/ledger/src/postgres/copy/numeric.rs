//! `numeric` as PostgreSQL sends it: digits in groups of four, as `numeric_recv` reads them.

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;

/// Appends what a decimal number's canonical text, `-12.50`, is in binary. Its digits after the
/// point are its scale.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (NEGATIVE, digits),
        digits => (POSITIVE, digits),
    };
    let point = digits.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &[][..]),
    };
    let first = whole.len() % 4;
    let whole_groups = whole.len().div_ceil(4);
    let groups = whole_groups + fraction.len().div_ceil(4);
    // At most 131,072 digits before the point and 16,383 after it: each of these fits.
    let number = |number: usize| (number as u16).to_be_bytes();
    out.extend_from_slice(&number(groups));
    out.extend_from_slice(&number(whole_groups.wrapping_sub(1)));
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&number(fraction.len()));
    let (head, tail) = whole.split_at(first);
    if !head.is_empty() {
        out.extend_from_slice(&group(head).to_be_bytes());
    }
    for four in tail.chunks(4) {
        out.extend_from_slice(&group(four).to_be_bytes());
    }
    for four in fraction.chunks(4) {
        let scale = [1000, 100, 10, 1][four.len() - 1];
        out.extend_from_slice(&(group(four) * scale).to_be_bytes());
    }
}

fn group(digits: &[u8]) -> u16 {
    digits
        .iter()
        .fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_four_stand_around_the_point() {
        let check = |text: &str, expect: &[u16]| {
            let mut out = Vec::new();
            encode(text.as_bytes(), &mut out);
            let words = out
                .chunks(2)
                .map(|two| u16::from_be_bytes([two[0], two[1]]));
            assert_eq!(words.collect::<Vec<_>>(), expect, "{text}");
        };
        check("0", &[1, 0, 0, 0, 0]);
        check("7", &[1, 0, 0, 0, 7]);
        check("-12345.678", &[3, 1, 0x4000, 3, 1, 2345, 6780]);
        check("10000", &[2, 1, 0, 0, 1, 0]);
        check("0.00001", &[3, 0, 0, 5, 0, 0, 1000]);
        check("12.50", &[2, 0, 0, 2, 12, 5000]);
    }
}

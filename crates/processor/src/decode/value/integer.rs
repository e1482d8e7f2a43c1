use arrivage_model::ReasonCode;

use crate::decode::fault::{Fault, excerpt};

/// An optional sign and digits; leading zeros and a plus go.
pub(super) fn write(text: &[u8], max: u64, kind: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::new(
            ReasonCode::NotANumber,
            format!(
                "{} is no whole number: a sign and digits make one",
                excerpt(text)
            ),
        ));
    }
    let digits = without_leading_zeros(digits);
    let limit = max + u64::from(negative);
    // 19 digits always fit 64 bits.
    let number = match digits.len() {
        0..=19 => digits
            .iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0')),
        _ => u64::MAX,
    };
    if number > limit {
        return Err(Fault::new(
            ReasonCode::OutOfRange,
            format!("{} is too large for {kind}", excerpt(text)),
        ));
    }
    if digits.is_empty() {
        out.push(b'0');
        return Ok(());
    }
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(digits);
    Ok(())
}

/// Whether a minus stands before the rest.
pub(super) fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

pub(super) fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

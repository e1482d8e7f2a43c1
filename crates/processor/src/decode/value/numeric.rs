use arrivage_model::ReasonCode;

use super::integer::{split_sign, without_leading_zeros};
use crate::decode::fault::{Fault, excerpt};

/// The most digits that PostgreSQL's `numeric` has before and after the mark.
const MAX_WHOLE: usize = 131_072;
const MAX_FRACTION: usize = 16_383;

struct Decimal<'a> {
    negative: bool,
    /// Digits before the mark, without leading zeros.
    whole: &'a [u8],
    /// Digits after it.
    fraction: &'a [u8],
}

/// An exact decimal of any size. Its scale is kept, unless `key` asks for one
/// text per value.
pub(super) fn write(text: &[u8], mark: u8, key: bool, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut decimal = read(text, mark)?;
    if decimal.whole.len() > MAX_WHOLE || decimal.fraction.len() > MAX_FRACTION {
        let reason = format!("{} has too many digits for numeric", excerpt(text));
        return Err(Fault::new(ReasonCode::OutOfRange, reason));
    }
    if key {
        decimal.fraction = without_trailing_zeros(decimal.fraction);
    }
    decimal.append(decimal.fraction.len(), out);
    Ok(())
}

/// An exact decimal with `scale` digits after the mark and at most `precision`
/// in all: nothing is rounded away but zeros.
pub(super) fn write_sized(
    text: &[u8],
    mark: u8,
    precision: usize,
    scale: usize,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let decimal = read(text, mark)?;
    if decimal.whole.len() > precision.saturating_sub(scale) {
        let reason = format!(
            "{} has more than {} digits before the decimal mark, too many for numeric({precision},{scale})",
            excerpt(text),
            precision.saturating_sub(scale)
        );
        return Err(Fault::new(ReasonCode::OutOfRange, reason));
    }
    let fraction_fits =
        decimal.fraction.len() <= scale || without_trailing_zeros(decimal.fraction).len() <= scale;
    if !fraction_fits {
        let reason = format!(
            "{} has more than {scale} digits after the decimal mark, too many for numeric({precision},{scale}); nothing is rounded",
            excerpt(text)
        );
        return Err(Fault::new(ReasonCode::OutOfRange, reason));
    }
    decimal.append(scale, out);
    Ok(())
}

fn read(text: &[u8], mark: u8) -> Result<Decimal<'_>, Fault> {
    let (negative, digits) = split_sign(text);
    let mut mark_at = None;
    for (at, byte) in digits.iter().enumerate() {
        match *byte {
            b'0'..=b'9' => {}
            byte if byte == mark && mark_at.is_none() => mark_at = Some(at),
            _ => return Err(not_a_number(text, mark)),
        }
    }
    let (whole, fraction) = match mark_at {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(not_a_number(text, mark));
    }
    Ok(Decimal {
        negative,
        whole: without_leading_zeros(whole),
        fraction,
    })
}

fn not_a_number(text: &[u8], mark: u8) -> Fault {
    let reason = format!(
        "{} is no decimal number: a sign, digits and the mark {:?} make one",
        excerpt(text),
        char::from(mark)
    );
    Fault::new(ReasonCode::NotANumber, reason)
}

impl Decimal<'_> {
    /// With exactly so many digits after the mark.
    fn append(&self, scale: usize, out: &mut Vec<u8>) {
        let is_zero = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
        if self.negative && !(self.whole.is_empty() && is_zero(self.fraction)) {
            out.push(b'-');
        }
        if self.whole.is_empty() {
            out.push(b'0');
        } else {
            out.extend_from_slice(self.whole);
        }
        if scale == 0 {
            return;
        }
        out.push(b'.');
        let kept = self.fraction.len().min(scale);
        out.extend_from_slice(&self.fraction[..kept]);
        out.resize(out.len() + scale - kept, b'0');
    }
}

fn without_trailing_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    &digits[..digits.len() - zeros]
}

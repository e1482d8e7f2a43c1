use std::fmt::{Display, LowerExp};
use std::io::Write;
use std::str::FromStr;

use arrivage_model::ReasonCode;

use super::integer::split_sign;
use crate::decode::fault::{Fault, excerpt};

/// A binary floating-point type.
pub(super) trait Float: FromStr + Display + LowerExp {
    const KIND: &str;
    /// Its size without the sign, to be compared with what others have.
    fn magnitude(&self) -> f64;
}

impl Float for f32 {
    const KIND: &str = "real";
    fn magnitude(&self) -> f64 {
        f64::from(self.abs())
    }
}

impl Float for f64 {
    const KIND: &str = "double precision";
    fn magnitude(&self) -> f64 {
        self.abs()
    }
}

/// Digits, the mark, an exponent: rounded to the nearest value of the type,
/// and written with as few digits as name it.
///
/// There is a negative zero, but as a `key` it is zero.
pub(super) fn write<F: Float>(
    text: &[u8],
    mark: u8,
    key: bool,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let not_a_number = || {
        let reason = format!(
            "{} is no number: a sign, digits, the mark {:?} and an exponent make one",
            excerpt(text),
            char::from(mark)
        );
        Fault::new(ReasonCode::NotANumber, reason)
    };
    let out_of_range = || {
        let reason = format!("{} is beyond the range of {}", excerpt(text), F::KIND);
        Fault::new(ReasonCode::OutOfRange, reason)
    };
    let Some(zero) = is_zero(text, mark) else {
        return Err(not_a_number());
    };
    let with_point;
    let digits = if mark == b'.' {
        text
    } else {
        with_point = text
            .iter()
            .map(|byte| if *byte == mark { b'.' } else { *byte })
            .collect::<Vec<_>>();
        &with_point
    };
    let number = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse::<F>().ok());
    let number = number.ok_or_else(not_a_number)?;
    let magnitude = number.magnitude();
    if magnitude.is_infinite() || (magnitude == 0.0 && !zero) {
        return Err(out_of_range());
    }
    if key && magnitude == 0.0 {
        out.push(b'0');
        return Ok(());
    }
    let plain = magnitude == 0.0 || (1e-5..1e16).contains(&magnitude);
    let written = if plain {
        write!(out, "{number}")
    } else {
        write!(out, "{number:e}")
    };
    written.map_err(|_| not_a_number())
}

/// Whether all digits before the exponent are zeros; nothing: it is no number.
fn is_zero(text: &[u8], mark: u8) -> Option<bool> {
    let (_, rest) = split_sign(text);
    let mut digits = 0;
    let mut marks = 0;
    let mut zero = true;
    let mut rest = rest.iter();
    for byte in rest.by_ref() {
        match *byte {
            b'0'..=b'9' => {
                digits += 1;
                zero &= *byte == b'0';
            }
            byte if byte == mark && marks == 0 => marks = 1,
            b'e' | b'E' if digits > 0 => {
                let (_, exponent) = split_sign(rest.as_slice());
                let sound = !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit);
                return sound.then_some(zero);
            }
            _ => return None,
        }
    }
    (digits > 0).then_some(zero)
}

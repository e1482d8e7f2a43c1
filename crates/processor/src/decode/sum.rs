use std::fmt;

/// An exact decimal number of up to 37 digits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    units: i128,
    /// So many of its digits stand behind the point.
    scale: u32,
}

impl Sum {
    /// Reads canonical text: `-12.50`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let sum = Self {
            units: format!("{sign}{whole}{fraction}").parse().ok()?,
            scale: u32::try_from(fraction.len()).ok()?,
        };
        sum.is_small_enough().then_some(sum)
    }

    /// Reads it as people write sums: with this decimal mark, blanks and the other marks
    /// between thousands, a sign on either side.
    pub(super) fn written(text: &str, decimal: char) -> Option<Self> {
        let text = text.trim();
        let (sign, text) = match (text.strip_prefix(['+', '-']), text.strip_suffix('-')) {
            (Some(rest), None) if text.starts_with('-') => ("-", rest),
            (Some(rest), None) => ("", rest),
            (None, Some(rest)) => ("-", rest),
            (None, None) => ("", text),
            (Some(_), Some(_)) => return None,
        };
        let mut canonical = sign.to_owned();
        for c in text.chars() {
            match c {
                c if c == decimal => canonical.push('.'),
                ' ' | '\'' | '.' | ',' => {}
                c => canonical.push(c),
            }
        }
        if canonical.trim_start_matches('-').starts_with('.') {
            canonical.insert(sign.len(), '0');
        }
        Self::read(&canonical)
    }

    /// Nothing where it has too many digits.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = self.scaled(scale)?.checked_add(other.scaled(scale)?)?;
        let sum = Self { units, scale };
        sum.is_small_enough().then_some(sum)
    }

    fn scaled(self, scale: u32) -> Option<i128> {
        let factor = 10_i128.checked_pow(scale - self.scale)?;
        self.units.checked_mul(factor)
    }

    /// So that its text can be read back.
    fn is_small_enough(self) -> bool {
        self.units.unsigned_abs() < 10_u128.pow(37) && self.scale <= 37
    }
}

impl From<u64> for Sum {
    fn from(number: u64) -> Self {
        Self {
            units: number.into(),
            scale: 0,
        }
    }
}

impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        let scale = self.scale.max(other.scale);
        match (self.scaled(scale), other.scaled(scale)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => false,
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let scale = self.scale as usize;
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{sign}{whole}")?;
        match fraction {
            "" => Ok(()),
            fraction => write!(f, ".{fraction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_are_written_in_many_ways() {
        let check = |text: &str, decimal: char, expect: Option<&str>| {
            let sum = Sum::written(text, decimal).map(|sum| sum.to_string());
            assert_eq!(sum.as_deref(), expect, "{text:?}");
        };
        check("12", '.', Some("12"));
        check(" 0012.50 ", '.', Some("12.50"));
        check("1,234.5", '.', Some("1234.5"));
        check("1.234,5", ',', Some("1234.5"));
        check("1 234'567,5", ',', Some("1234567.5"));
        check("-,5", ',', Some("-0.5"));
        check("5-", '.', Some("-5"));
        check("+5", '.', Some("5"));
        check("-5-", '.', None);
        check("1.2.3", '.', None);
        check("", '.', None);
        check("-", '.', None);
        check(&"9".repeat(38), '.', None);
    }

    proptest! {
        #[test]
        fn a_sum_is_exact(numbers in prop::collection::vec((any::<i64>(), 0_u32..6), 0..50)) {
            let mut sum = Sum::default();
            let mut expect = 0_i128;
            for (units, scale) in numbers {
                let number = Sum { units: units.into(), scale };
                let text = number.to_string();
                prop_assert_eq!(Sum::read(&text).map(|read| read.to_string()), Some(text));
                sum = sum.plus(number).expect("small");
                expect += i128::from(units) * 10_i128.pow(6 - scale);
            }
            prop_assert!(sum == Sum { units: expect, scale: 6 }, "{}", sum);
        }
    }
}

//! How values are written that are more than they seem, or less.

/// Words that stand where a value is missing.
pub(super) const NULL_WORDS: [&str; 16] = [
    "null",
    "na",
    "n/a",
    "#n/a",
    "nan",
    "none",
    "nil",
    "\\n",
    "-",
    "--",
    ".",
    "?",
    "unknown",
    "(null)",
    "0000-00-00",
    "0000-00-00 00:00:00",
];

/// How days are written, where not by ISO 8601.
pub(super) const DAYS: [&str; 14] = [
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
];

/// Moments and their like, where not by ISO 8601.
pub(super) const MOMENTS: [&str; 2] = ["%a, %d %b %Y %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z"];

pub(super) fn is_null_word(value: &str) -> bool {
    NULL_WORDS
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

/// A number that would lose something: leading zeros, or the plus of a telephone.
pub(super) fn is_code(value: &str) -> bool {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    let is_long = value.starts_with('+') && value.len() > 8;
    let is_number = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".,".contains(&byte));
    is_number && (is_long || matches!(digits.as_bytes(), [b'0', b'0'..=b'9', ..]))
}

/// One to three digits, and then the mark with exactly three: perhaps thousands.
pub(super) fn is_group(value: &str, mark: char) -> bool {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    let Some((whole, fraction)) = digits.split_once(mark) else {
        return false;
    };
    (1..=3).contains(&whole.len()) && whole != "0" && fraction.len() == 3
}

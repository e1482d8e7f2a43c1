use std::time::Duration;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) struct Size(pub(crate) u64);

/// How long something is kept, which may be for years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) struct Retention(pub(crate) Duration);

/// The units of sizes, in bytes.
const SIZES: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

/// The units of durations, in milliseconds.
const DURATIONS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// No other setting means more than a year, and clocks overflow far beyond it.
const YEAR: Duration = Duration::from_secs(366 * 86_400);
const LONGEST_RETENTION: Duration = YEAR.saturating_mul(100);

/// Reads `64MiB`, `64 MB`, or a bare number of bytes.
pub(super) fn size(text: &str) -> Result<Size, String> {
    let problem =
        || format!("{text:?} is no size; write a number with KiB, MiB, GiB, kB, MB or GB");
    match terms(text).as_deref() {
        Some([(number, unit)]) => scaled(*number, unit, &SIZES).map(Size).ok_or_else(problem),
        _ => Err(problem()),
    }
}

/// Reads `500ms`, `10m`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match sum(text)? {
        duration if duration > YEAR => Err(format!("{text:?} is longer than a year")),
        duration => Ok(duration),
    }
}

/// Reads `90d`, `3650d`.
pub(super) fn retention(text: &str) -> Result<Retention, String> {
    match sum(text)? {
        duration if duration > LONGEST_RETENTION => {
            Err(format!("{text:?} is longer than a century; leave it out"))
        }
        duration => Ok(Retention(duration)),
    }
}

fn sum(text: &str) -> Result<Duration, String> {
    let problem = || {
        format!(
            "{text:?} is no duration; write numbers with ms, s, m, h or d, such as 90s or 1h30m"
        )
    };
    let terms = terms(text).ok_or_else(problem)?;
    let sum = terms.iter().try_fold(0_u64, |sum, (number, unit)| {
        sum.checked_add(scaled(*number, unit, &DURATIONS)?)
    });
    sum.map(Duration::from_millis).ok_or_else(problem)
}

fn scaled(number: u64, unit: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (_, factor) = units
        .iter()
        .find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
    number.checked_mul(*factor)
}

/// `1h 30m` → `[(1, "h"), (30, "m")]`
fn terms(text: &str) -> Option<Vec<(u64, &str)>> {
    let mut terms = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let unit = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number = rest[..unit].parse().ok()?;
        rest = &rest[unit..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        terms.push((number, rest[..end].trim()));
        rest = &rest[end..];
    }
    (!terms.is_empty()).then_some(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(size(text).ok().map(|size| size.0), expect, "{text:?}");
        };
        check("64MiB", Some(64 << 20));
        check("64 MB", Some(64_000_000));
        check("1kb", Some(1000));
        check("4096", Some(4096));
        check("0", Some(0));
        for text in [
            "",
            "MiB",
            "64M",
            "-1MiB",
            "1.5GiB",
            "1MiB 2MiB",
            "99999999999GiB",
            "64 octets",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        let check = |text: &str, expect: Option<u64>| {
            let milliseconds = duration(text).ok().map(|duration| duration.as_millis());
            assert_eq!(milliseconds, expect.map(u128::from), "{text:?}");
        };
        check("500ms", Some(500));
        check("1s", Some(1000));
        check("10m", Some(600_000));
        check("1h30m", Some(5_400_000));
        check("1h 30m", Some(5_400_000));
        check("2 d", Some(172_800_000));
        check("0s", Some(0));
        for text in [
            "",
            "10",
            "s",
            "1x",
            "-1s",
            "1.5s",
            "400d",
            "9999999999999999999d",
            "1h30",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_retention_may_be_years() {
        let check = |text: &str, expect: Option<u64>| {
            let days = retention(text).ok().map(|kept| kept.0.as_secs() / 86_400);
            assert_eq!(days, expect, "{text:?}");
        };
        check("90d", Some(90));
        check("3650d", Some(3650));
        check("36600d", Some(36_600));
        check("36601d", None);
        check("90", None);
    }
}

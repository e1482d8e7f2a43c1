//! Counts tests from what the test runners print.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed and how many failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// Of the line that nextest ends with: `Summary [ 6.7s] 9 tests run: 7 passed (1 slow), 1 failed,
    /// 1 timed out, 0 skipped`.
    pub(crate) fn of_nextest(line: &str) -> Option<Self> {
        let line = without_colours(line);
        let (_, counts) = line
            .trim_start()
            .strip_prefix("Summary [")?
            .split_once("run: ")?;
        Some(Self::sum(counts))
    }

    /// Of the line that every binary of `cargo test` ends with: `test result: FAILED. 3 passed; 1
    /// failed; 0 ignored; …`.
    pub(crate) fn of_cargo_test(line: &str) -> Option<Self> {
        let line = without_colours(line);
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        Some(Self::sum(counts))
    }

    fn sum(counts: &str) -> Self {
        let mut tally = Self::default();
        for count in counts.split([',', ';', '(']) {
            let Some((number, what)) = count.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what.trim_end_matches(')').trim() {
                "passed" => tally.passed += number,
                "failed" | "timed out" | "exec failed" => tally.failed += number,
                _ => {}
            }
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (_, text) = part.split_once('m').unwrap_or_default();
        plain.push_str(text);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_nextest_is_counted() {
        let check = |line, passed, failed| {
            assert_eq!(
                Tally::of_nextest(line),
                Some(Tally { passed, failed }),
                "{line}"
            );
        };
        check(
            "     Summary [   6.701s] 18 tests run: 18 passed, 0 skipped",
            18,
            0,
        );
        check(
            "     Summary [  20.9s] 18 tests run: 16 passed, 2 failed, 0 skipped",
            16,
            2,
        );
        check(
            "     Summary [ 1.0s] 1 test run: 1 passed (1 slow, 1 leaky), 3 skipped",
            1,
            0,
        );
        check(
            "     Summary [ 1.0s] 5/9 tests run: 2 passed, 1 failed, 2 timed out, 0 skipped",
            2,
            3,
        );
        check(
            "\u{1b}[32;1m     Summary\u{1b}[0m [ 0.1s] \u{1b}[1m2\u{1b}[0m tests run: \
             \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped",
            2,
            0,
        );
    }

    #[test]
    fn every_result_of_cargo_test_is_counted() {
        let check = |line, passed, failed| {
            assert_eq!(
                Tally::of_cargo_test(line),
                Some(Tally { passed, failed }),
                "{line}"
            );
        };
        check(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out",
            3,
            0,
        );
        check(
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; finished in 18.46s",
            0,
            1,
        );
        check(
            "test result: \u{1b}[32mok\u{1b}(B\u{1b}[m. 3 passed; 0 failed; 0 ignored",
            3,
            0,
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(
            Tally::of_nextest("    test result: FAILED. 0 passed; 1 failed"),
            None
        );
        assert_eq!(Tally::of_nextest("running 2 tests"), None);
        assert_eq!(Tally::of_cargo_test("test a_test ... ok"), None);
    }
}

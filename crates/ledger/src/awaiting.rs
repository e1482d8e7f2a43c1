//! How long an arrival waits for its sidecar.

use std::time::Duration;

/// The sidecar that an arrival waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Its key, in the arrival's own bucket.
    pub key: String,
    /// How long it is waited for: then the arrival fails as `incomplete`.
    pub within: Duration,
    /// What a person reads meanwhile.
    pub why: String,
    /// What a person reads once it is over.
    pub over: String,
}

/// The shortest and the longest pause between two looks for a sidecar that nothing
/// tells of.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

impl Awaited {
    /// When to look again, after so long a wait: the rarer, the longer it lasts. Nothing
    /// when it is over.
    pub(crate) fn pause(&self, waited: Duration) -> Option<Duration> {
        let left = self
            .within
            .checked_sub(waited)
            .filter(|left| !left.is_zero())?;
        Some((waited / 4).clamp(PAUSES.0, PAUSES.1).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_it_lasts_the_rarer_the_looks_and_the_last_one_is_at_its_end() {
        let check = |waited: u64, expect: Option<u64>| {
            let awaited = Awaited {
                key: "a.done".to_owned(),
                within: Duration::from_secs(3600),
                why: String::new(),
                over: String::new(),
            };
            let pause = awaited.pause(Duration::from_secs(waited));
            assert_eq!(pause.map(|pause| pause.as_secs()), expect, "{waited} s");
        };
        check(0, Some(5));
        check(60, Some(15));
        check(3000, Some(300));
        check(3595, Some(5));
        check(3599, Some(1));
        check(3600, None);
        check(4000, None);
    }
}

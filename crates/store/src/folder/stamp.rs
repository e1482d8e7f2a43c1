use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use rustix::fs::Stat;

/// What the file system says of a file without a look at its bytes. As long as
/// it stays the same, so do they.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// In bytes.
    pub size: u64,
    device: u64,
    inode: u64,
    /// Seconds and nanoseconds.
    modified: (i64, u32),
    changed: (i64, u32),
}

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Self {
        let nanoseconds = |count| u32::try_from(count).unwrap_or_default();
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            device: stat.st_dev,
            inode: stat.st_ino,
            modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
        }
    }

    /// When the file was written last, as its writer says.
    #[must_use]
    pub fn modified(&self) -> Option<DateTime<Utc>> {
        let (seconds, nanoseconds) = self.modified;
        DateTime::from_timestamp(seconds, nanoseconds)
    }

    /// Whether a change from now on gets another stamp for sure: the last one
    /// is longer ago than the coarsest tick of a local file system. A change in
    /// the future is that of a share whose clock we do not know.
    pub(super) fn is_settled(&self) -> bool {
        const TICK: Duration = Duration::from_millis(100);
        let (seconds, nanoseconds) = self.changed;
        let Ok(seconds) = u64::try_from(seconds) else {
            return true;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        SystemTime::now()
            .duration_since(changed)
            .map_or(true, |age| age > TICK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stamp_of_some_age_is_trusted() {
        let check = |age: i64, expect: bool| {
            let now = Utc::now() - chrono::TimeDelta::milliseconds(age);
            let stamp = Stamp {
                size: 0,
                device: 0,
                inode: 0,
                modified: (0, 0),
                changed: (now.timestamp(), now.timestamp_subsec_nanos()),
            };
            assert_eq!(stamp.is_settled(), expect, "{age} ms old");
        };
        check(0, false);
        check(200, true);
        check(-60_000, true);
    }
}

//! What goes wrong in a soak, and how often it did.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use xtask::chance::Chance;

/// How many of each kind there must be in a soak of half an hour.
pub(crate) const ENOUGH: u64 = 20;

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Fault {
    KillProcessor,
    KillWatcher,
    Stop,
    Terminate,
    RestartImmediate,
    RestartFast,
    CutOne,
    CutAll,
    LostCommit,
    LostAnswer,
    DuplicateNotification,
    ShuffledNotifications,
    Overwrite,
}

impl Fault {
    pub(crate) const ALL: [Self; 13] = [
        Self::KillProcessor,
        Self::KillWatcher,
        Self::Stop,
        Self::Terminate,
        Self::RestartImmediate,
        Self::RestartFast,
        Self::CutOne,
        Self::CutAll,
        Self::LostCommit,
        Self::LostAnswer,
        Self::DuplicateNotification,
        Self::ShuffledNotifications,
        Self::Overwrite,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::KillProcessor => "processors killed (kill -9)",
            Self::KillWatcher => "watchers killed (kill -9)",
            Self::Stop => "processes stopped past their lease, then continued",
            Self::Terminate => "processes asked to leave (SIGTERM)",
            Self::RestartImmediate => "PostgreSQL restarted, immediate",
            Self::RestartFast => "PostgreSQL restarted, fast",
            Self::CutOne => "single connections to the database cut",
            Self::CutAll => "all connections to the database cut at once",
            Self::LostCommit => "COMMITs lost on their way to the database",
            Self::LostAnswer => "answers to a COMMIT lost on their way back",
            Self::DuplicateNotification => "notifications delivered again",
            Self::ShuffledNotifications => "batches of notifications shuffled",
            Self::Overwrite => "objects overwritten",
        }
    }
}

/// Counts.
#[derive(Debug, Default)]
pub(crate) struct Tally([AtomicU64; Fault::ALL.len()]);

impl Tally {
    pub(crate) fn count(&self, fault: Fault) {
        self.0[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize].load(Ordering::Relaxed)
    }

    /// The kinds that there were too few of.
    pub(crate) fn too_few(&self) -> Vec<&'static str> {
        let few = Fault::ALL
            .into_iter()
            .filter(|&fault| self.of(fault) < ENOUGH);
        few.map(Fault::words).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in Fault::ALL {
            writeln!(f, "  {:5}  {}", self.of(fault), fault.words())?;
        }
        Ok(())
    }
}

/// About how long it is from one of a kind to the next: from half of it to half as much again.
pub(crate) fn around(mean: Duration, chance: &mut Chance) -> Duration {
    mean / 2 + mean * u32::try_from(chance.below(1000)).expect("below 1000") / 1000
}

//! All there is at one moment: the database, the processors, and the
//! transactions whose processors have left them.

use crate::database::{Database, MOST_RECORDS};
use crate::processor::Processor;
use crate::setup::Faults;

/// Up to three processors, and one that only `liveness.rs` starts.
pub const MOST_PROCESSORS: usize = 4;

/// A state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub database: Database,
    pub processors: [Processor; MOST_PROCESSORS],
    /// Backends whose client is dead, cut off or has given up. The database may
    /// not know that for a long time.
    pub orphans: Vec<Orphan>,
    /// Between the two halves of a job that should be one transaction:
    /// mutations only.
    pub halfway: Option<Halfway>,
    /// The last lease id that was drawn. Not the database's to forget.
    pub drawn: u8,
    /// What may still go wrong.
    pub left: Faults,
    /// What has just happened that a property or a reader waits for.
    pub event: Event,
}

/// A backend that its client has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Orphan {
    /// The lease whose name it carries; none: 0.
    pub lease: u8,
    /// The fence that its processor had.
    pub fence: u8,
    pub work: Work,
}

/// What a backend is left in the middle of. All of these but the removal hold the
/// arrival's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// A chunk behind its advance: its COMMIT may be under way.
    Chunk { from: u8, to: u8, matched: bool },
    /// A start over behind its last statement: its COMMIT may be under way.
    Restart { seen: [u8; MOST_RECORDS] },
    /// A start over before that: it holds the rows that it removes, and never commits.
    Removal { seen: [u8; MOST_RECORDS] },
    /// A chunk before its advance, under [`RowLockedFirst`] only: else it holds
    /// nothing, never commits, and needs no telling.
    ///
    /// [`RowLockedFirst`]: crate::Mutation::RowLockedFirst
    Fill,
    /// A claim, a renewal, a reading back or a replay whose client stopped for
    /// ever between the statement and COMMIT. It carries no lease's name.
    Short,
}

/// What a mutation leaves between two transactions, or two statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Halfway {
    /// The rescue has read that the arrival has no attempts left.
    Rescuing,
    /// The replay has removed so many records, from the first on.
    Removed(u8),
}

/// What the last step was remarkable for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    Nothing,
    /// A processor learned that another has its arrival, and stopped quietly.
    Fenced,
    /// A processor without an answer learned that its chunk is committed.
    LearnedCommitted,
    /// It learned that its chunk is not committed, and never will be.
    LearnedNotCommitted,
    /// It learned that the database forgot a chunk that it had answered.
    Behind,
    /// A replay from the start took the rows out.
    StartedOver,
    /// An arrival failed, as its attempts ended without a word.
    Rescued,
    /// The reaper ended a backend of a lease that was over.
    Reaped,
    /// A claim that no longer stands moved the arrival.
    MovedByStranger,
}

impl World {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            database: Database::new(),
            processors: [Processor::default(); MOST_PROCESSORS],
            orphans: Vec::new(),
            halfway: None,
            drawn: 0,
            left: faults,
            event: Event::Nothing,
        }
    }

    /// Sorted, because nobody can tell in which order clients left.
    pub(crate) fn leave(&mut self, orphan: Orphan) {
        let place = self.orphans.partition_point(|other| *other <= orphan);
        self.orphans.insert(place, orphan);
    }
}

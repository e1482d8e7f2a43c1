use std::time::Duration;

use arrivage_ledger::LedgerError;
use arrivage_model::{ArrivalId, Location, State};
use arrivage_store::StoreError;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// What is reconciled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A bucket or a folder source, and as its key a prefix; empty for all of it.
    pub location: Location,
    /// Objects written before are not ours.
    pub since: Option<DateTime<Utc>>,
    /// In a folder: a file that was written so lately may still be being written.
    pub settle: Duration,
}

/// What happens to what the ledger lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is only told of.
    Look,
    /// It is registered.
    Register,
    /// It is registered as loaded: another tool has loaded it.
    Adopt,
}

/// How many objects there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Seen in the store.
    pub listed: u64,
    /// Those that the ledger has.
    pub known: u64,
    /// Those whose keys the ledger did not have.
    pub missing: u64,
    /// Those with another content than the ledger had last.
    pub changed: u64,
    /// Arrivals that wait, load, failed or are loaded, and whose objects are gone.
    pub vanished: u64,
    /// Those that no pipeline takes.
    pub ignored: u64,
    /// Those written before the source's `since`.
    pub older: u64,
    /// Those left for the next time: still being written, or not to be asked for.
    pub left: u64,
}

/// What is amiss with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// The ledger did not have its key.
    Missing,
    /// The ledger had other contents of its key.
    Changed,
    /// The ledger has it, and the store does not.
    Vanished,
}

/// One object that is amiss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What is amiss.
    pub finding: Finding,
    /// Where.
    pub location: Location,
    /// The pipeline that takes it.
    pub pipeline: String,
    /// Its arrival and how that stands; none where it was only looked at.
    pub arrival: Option<(ArrivalId, State)>,
}

/// Why it came to no end; it may be asked to go on.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The ledger did not answer as wanted.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store did not answer as wanted.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing can be compared without writing.
    #[error(
        "the store does not list {0} in the order of its keys, so that nothing can be told \
         without registering it; leave out --dry-run"
    )]
    Unsorted(Location),
}

impl ReconcileError {
    /// Whether it may pass by itself.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Ledger(error) => error.is_passing(),
            Self::Store(error) => error.is_away() && !error.is_misconfigured(),
            Self::Unsorted(_) => false,
        }
    }
}

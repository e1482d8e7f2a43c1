use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names one arrival in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArrivalId(pub i64);

impl fmt::Display for ArrivalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What was typed is no arrival's id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an arrival's id; ids are whole numbers, as `arrivage arrivals` lists them")]
pub struct UnknownId(String);

impl FromStr for ArrivalId {
    type Err = UnknownId;

    fn from_str(text: &str) -> Result<Self, UnknownId> {
        match text.parse() {
            Ok(id) if id > 0 => Ok(Self(id)),
            _ => Err(UnknownId(text.to_owned())),
        }
    }
}

/// Rises with every claim of an arrival and never falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub i64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The random id of one claim. A fence alone repeats when the database forgets
/// its last commits in a crash; this id does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseId(pub Uuid);

impl LeaseId {
    /// Draws a new id.
    #[must_use]
    pub fn draw() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The right to load one arrival for a time. The ledger compares all three
/// parts in every statement that is made in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The arrival that may be loaded.
    pub arrival: ArrivalId,
    /// The fence that this claim raised.
    pub fence: Fence,
    /// The id that this claim drew.
    pub id: LeaseId,
}

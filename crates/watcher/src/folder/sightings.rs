use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use arrivage_store::Stamp;

/// What was seen of every file in a folder: how long it has not changed, and
/// whether it was recorded as it is.
///
/// It keeps no names, only their hashes. Two names with the same hash would be
/// looked at again and again, and never lost, for their stamps differ.
#[derive(Debug)]
pub(super) struct Sightings {
    settle: Duration,
    hasher: RandomState,
    files: HashMap<u64, Sighting>,
    look: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sighting {
    stamp: Stamp,
    /// When it was first seen as it is; by our own clock, for that of a share may
    /// be wrong.
    since: Instant,
    recorded: bool,
    complained: bool,
    look: u64,
}

/// What to do about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing: it is recorded as it is.
    Recorded,
    /// It may still be written; look again then.
    Settling(Instant),
    /// It is to be recorded.
    Due,
}

impl Sightings {
    pub(super) fn new(settle: Duration) -> Self {
        Self {
            settle,
            hasher: RandomState::new(),
            files: HashMap::new(),
            look: 0,
        }
    }

    /// Begins a look at the whole folder.
    pub(super) fn begin(&mut self) {
        self.look += 1;
    }

    /// Ends it: what was not seen since it began is not there any more.
    pub(super) fn end(&mut self) {
        self.files.retain(|_, sighting| sighting.look == self.look);
    }

    /// A file is there.
    pub(super) fn see(&mut self, key: &str, stamp: Stamp, now: Instant) -> Seen {
        let fresh = Sighting {
            stamp,
            since: now,
            recorded: false,
            complained: false,
            look: self.look,
        };
        let sighting = self.files.entry(self.hasher.hash_one(key)).or_insert(fresh);
        if sighting.stamp != stamp {
            *sighting = fresh;
        }
        sighting.look = self.look;
        let settled = sighting.since + self.settle;
        match sighting.recorded {
            true => Seen::Recorded,
            false if now < settled => Seen::Settling(settled),
            false => Seen::Due,
        }
    }

    /// The file was recorded as it was seen last.
    pub(super) fn recorded(&mut self, key: &str) {
        if let Some(sighting) = self.files.get_mut(&self.hasher.hash_one(key)) {
            sighting.recorded = true;
        }
    }

    /// How many files are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// The file could not be recorded. Returns whether that is to be told: once,
    /// as long as it stays the same.
    pub(super) fn complain(&mut self, key: &str) -> bool {
        match self.files.get_mut(&self.hasher.hash_one(key)) {
            Some(sighting) => !std::mem::replace(&mut sighting.complained, true),
            None => true,
        }
    }
}

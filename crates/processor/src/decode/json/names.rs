use std::collections::HashMap;

use crate::decode::header::loosely;

/// Which member's name stands for which column.
#[derive(Default)]
pub(super) struct Names {
    exact: HashMap<Vec<u8>, usize>,
    /// Names as they are compared where none is exact.
    loose: HashMap<String, usize>,
    /// What was found before.
    known: HashMap<Vec<u8>, Found>,
    count: usize,
}

/// The slot of a name, if it has one.
type Found = (Option<usize>, Match);

/// How a name was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Match {
    #[default]
    Exact,
    Loose,
}

/// How many names are remembered, and how long they may be: bounds what a file
/// of ever new names costs.
const MAX_KNOWN: usize = 1024;
const MAX_LENGTH: usize = 256;

impl Names {
    /// The slot of a name, which is new or known.
    pub(super) fn add(&mut self, name: &str, exact: bool) -> usize {
        let next = self.count;
        let slot = *self.exact.entry(name.as_bytes().to_vec()).or_insert(next);
        self.count = self.count.max(slot + 1);
        if !exact {
            self.loose.entry(loosely(name)).or_insert(slot);
        }
        slot
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The slot of a member's name: exactly, or else without blanks around it
    /// and in any case.
    pub(super) fn find(&mut self, name: &[u8]) -> Found {
        if let Some(found) = self.known.get(name) {
            return *found;
        }
        let found = match self.exact.get(name) {
            Some(slot) => (Some(*slot), Match::Exact),
            None => {
                let loose = loosely(&String::from_utf8_lossy(name));
                (self.loose.get(&loose).copied(), Match::Loose)
            }
        };
        if self.known.len() < MAX_KNOWN && name.len() <= MAX_LENGTH {
            self.known.insert(name.to_vec(), found);
        }
        found
    }
}

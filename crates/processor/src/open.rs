use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use arrivage_model::ArrivalId;

/// So many are named in one question to the ledger.
const TOGETHER: usize = 500;

/// Of the arrivals that a process is to bring to rest, those that were not seen to rest yet.
pub(crate) struct Open(Mutex<BTreeSet<ArrivalId>>);

impl Open {
    pub(crate) fn new(ids: &[ArrivalId]) -> Self {
        Self(Mutex::new(ids.iter().copied().collect()))
    }

    /// Some of them, by their ids, after this one.
    pub(crate) fn after(&self, last: Option<ArrivalId>) -> Vec<ArrivalId> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let open = self.lock();
        let some = open.range((from, Bound::Unbounded)).take(TOGETHER);
        some.copied().collect()
    }

    pub(crate) fn rests(&self, id: ArrivalId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<ArrivalId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_on_a_walk_and_not_after_it_rests() {
        let ids: Vec<ArrivalId> = (1..=1200).map(ArrivalId).collect();
        let open = Open::new(&ids);
        let walk = || {
            let mut seen = Vec::new();
            loop {
                let some = open.after(seen.last().copied());
                if some.is_empty() {
                    return seen;
                }
                assert!(some.len() <= TOGETHER);
                seen.extend(some);
            }
        };
        assert_eq!(walk(), ids);
        for id in &ids[..1199] {
            open.rests(*id);
        }
        assert_eq!(walk(), ids[1199..]);
    }
}

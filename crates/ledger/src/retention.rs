use std::ops::AddAssign;

use arrivage_model::Arrival;
use chrono::{DateTime, Utc};

/// What was taken out of the ledger, because it had been there for long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Arrivals whose rejects and checkpoints went; their rows stay.
    pub arrivals: u64,
    /// Rejects of theirs.
    pub rejects: u64,
    /// Notifications that nobody could read.
    pub notifications: u64,
}

impl Pruned {
    /// Whether there was nothing to take out.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl AddAssign for Pruned {
    fn add_assign(&mut self, more: Self) {
        self.arrivals += more.arrivals;
        self.rejects += more.rejects;
        self.notifications += more.notifications;
    }
}

/// What to say of an arrival's rejects that are not there any more, where so many of it are
/// listed.
#[must_use]
pub fn removed_rejects(
    arrival: &Arrival,
    pruned_at: Option<DateTime<Utc>>,
    listed: usize,
) -> Option<String> {
    let day = pruned_at?.format("%Y-%m-%d");
    let rejects = match (arrival.records_rejected, listed) {
        (0, _) => return None,
        (1, 0) => "its reject was".to_owned(),
        (all, 0) => format!("its {all} rejects were"),
        // Those came when it was loaded further.
        _ => "its rejects from before were".to_owned(),
    };
    Some(format!(
        "{rejects} removed on {day}, as database.retention says"
    ))
}

/// How many rejects go in one transaction, unless one arrival alone has more.
const REJECTS: u64 = 10_000;

/// An arrival to be pruned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Old {
    pub(crate) id: i64,
    pub(crate) rejects: u64,
}

/// The first of these whose rejects can go together, and one at least: a transaction holds up
/// others for as long as it takes.
pub(crate) fn together(old: &[Old]) -> Vec<i64> {
    let mut rejects = 0;
    let fits = |old: &&Old| {
        let is_first = rejects == 0;
        rejects += old.rejects;
        is_first || rejects <= REJECTS
    };
    old.iter().take_while(fits).map(|old| old.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_go_together_as_have_rejects_for_one_transaction() {
        let check = |rejects: &[u64], expect: usize| {
            let old = |(id, rejects): (i64, &u64)| Old {
                id,
                rejects: *rejects,
            };
            let old: Vec<Old> = (0..).zip(rejects).map(old).collect();
            let ids: Vec<i64> = (0..).take(expect).collect();
            assert_eq!(together(&old), ids, "{rejects:?}");
        };
        check(&[], 0);
        check(&[0, 0, 0], 3);
        check(&[REJECTS, 0, 1, 0], 2);
        check(&[REJECTS + 1, 1], 1);
        check(&[1, REJECTS, 1], 1);
        check(&[0, REJECTS * 2], 2);
    }
}

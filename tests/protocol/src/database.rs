//! The database as its transactions leave it: what is committed, and what a
//! crash may forget of it.

/// The most records that a file of this model has.
pub const MOST_RECORDS: usize = 4;

/// What the ledger's row says of the arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arrival {
    pub state: State,
    pub fence: u8,
    /// The id of the last claim; it stays when the arrival is let go.
    pub lease: u8,
    /// Its lease ended: `lease_until` lies in the past.
    pub ended: bool,
    /// How many records are committed.
    pub checkpoint: u8,
    /// Claims in a row that brought nothing.
    pub barren: u8,
    /// A person ordered it to start over.
    pub restart: bool,
}

/// The states that matter here. `superseded` and the other resting ones are
/// entered as `Failed` is, and left as `Failed` is: by a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Waiting,
    Loading,
    Loaded,
    Failed,
}

/// What everybody sees: the arrival's row, and how often each of its records is
/// in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Committed {
    pub arrival: Arrival,
    pub table: [u8; MOST_RECORDS],
}

/// Committed state with its past.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Database {
    pub now: Committed,
    /// What stood before each commit that may still be forgotten, oldest first.
    pub past: Vec<Past>,
}

/// What stood before a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Past {
    before: Committed,
    /// The commit was on disk before it was answered.
    durable: bool,
}

/// Whether a commit is on disk before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// `synchronous_commit = on`: every commit that changes a state.
    Durable,
    /// `synchronous_commit = off`: the chunks but the last.
    Asynchronous,
}

/// How a database comes back with less than it had answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// It crashed: the last asynchronous commits are gone, and a durable one
    /// holds all before it.
    Crash,
    /// Its standby took over, which may lack durable ones too.
    Failover,
}

/// Which losses may still come: what none can forget needs no past.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forgettable {
    pub by_crash: bool,
    pub by_failover: bool,
}

impl Database {
    pub(crate) fn new() -> Self {
        let arrival = Arrival {
            state: State::Waiting,
            fence: 0,
            lease: 0,
            ended: false,
            checkpoint: 0,
            barren: 0,
            restart: false,
        };
        let now = Committed {
            arrival,
            table: [0; MOST_RECORDS],
        };
        Self {
            now,
            past: Vec::new(),
        }
    }

    pub(crate) fn commit(
        &mut self,
        durability: Durability,
        forgettable: Forgettable,
        change: impl FnOnce(&mut Committed),
    ) {
        let durable = durability == Durability::Durable;
        if durable && !forgettable.by_failover {
            self.past.clear();
        } else if forgettable.by_failover || forgettable.by_crash {
            let mut before = self.now;
            // Where a lease ends in time is nobody's commit, and it may end at any
            // time after the loss.
            before.arrival.ended = false;
            self.past.push(Past { before, durable });
        }
        change(&mut self.now);
    }

    /// The places in the past that the loss may bring back, the present last.
    pub(crate) fn after(&self, loss: Loss) -> std::ops::RangeInclusive<usize> {
        let oldest = match loss {
            Loss::Failover => 0,
            Loss::Crash => self
                .past
                .iter()
                .rposition(|past| past.durable)
                .map_or(0, |last| last + 1),
        };
        oldest..=self.past.len()
    }

    pub(crate) fn forget(&mut self, to: usize) {
        if let Some(past) = self.past.get(to) {
            self.now = past.before;
        }
        self.past.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_forgets_what_came_after_the_last_durable_commit_and_a_failover_any() {
        use Durability::{Asynchronous, Durable};
        let check = |commits: &[Durability], loss, expect: std::ops::RangeInclusive<usize>| {
            let mut database = Database::new();
            let all = Forgettable {
                by_crash: true,
                by_failover: true,
            };
            for durability in commits {
                database.commit(*durability, all, |now| now.arrival.checkpoint += 1);
            }
            assert_eq!(database.after(loss), expect, "{commits:?} {loss:?}");
            database.forget(*expect.start());
            assert_eq!(
                usize::from(database.now.arrival.checkpoint),
                *expect.start()
            );
        };
        check(&[], Loss::Crash, 0..=0);
        check(&[Asynchronous, Asynchronous], Loss::Crash, 0..=2);
        check(&[Asynchronous, Durable], Loss::Crash, 2..=2);
        check(&[Durable, Asynchronous], Loss::Crash, 1..=2);
        check(&[Durable, Asynchronous], Loss::Failover, 0..=2);
    }
}

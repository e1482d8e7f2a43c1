//! How large a world is explored, and what may go wrong in it.

use crate::mutations::{Mutation, Mutations};
use crate::world::MOST_PROCESSORS;

/// A world to explore.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many at most load at the same time, stopped ones included.
    pub processors: usize,
    /// How many records the file has.
    pub records: u8,
    /// How many records each processor takes into a chunk: two need not cut a
    /// file alike. The last entry is for a processor that joins later.
    pub cuts: [u8; MOST_PROCESSORS],
    /// How many chunks a processor fills at the same time.
    pub connections: u8,
    pub max_attempts: u8,
    pub faults: Faults,
    pub mutations: Mutations,
}

/// How often each thing may happen that ends a claim or takes something away.
/// What is not here (a lease that ends, a renewal, a pause, the reaper) may
/// happen at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Claims, the first included.
    pub claims: u8,
    /// Processors killed, or cut off for ever.
    pub kills: u8,
    /// Connections and answers lost.
    pub losses: u8,
    /// Processors told to stop: they give the arrival back.
    pub stops: u8,
    /// Loads that fail: they give up an attempt.
    pub failures: u8,
    /// Processors that stop for ever inside a claim, a renewal or a reading back.
    pub stalls: u8,
    /// Crashes of the database.
    pub crashes: u8,
    /// Failovers to a standby that lags.
    pub failovers: u8,
    /// Replays that a person orders.
    pub replays: u8,
}

impl Setup {
    /// Two processors, three chunks, one at a time, and nothing goes wrong.
    #[must_use]
    pub fn calm() -> Self {
        Self {
            processors: 2,
            records: 3,
            cuts: [1; MOST_PROCESSORS],
            connections: 1,
            max_attempts: 2,
            faults: Faults {
                claims: 2,
                ..Faults::default()
            },
            mutations: Mutations::default(),
        }
    }

    /// The same with these walls taken out.
    #[must_use]
    pub fn mutated(self, mutations: &[Mutation]) -> Self {
        Self {
            mutations: Mutations::of(mutations),
            ..self
        }
    }
}

//! The exactly-once protocol as a model: every order in which processors, people
//! and a database that crashes can take their steps, up to a stated size, and
//! what must hold after each step.
//!
//! It is written after `docs/states.md` and the statements in
//! `ledger/src/postgres/`, and depends on none of the product's crates: it tells
//! the protocol a second time, in steps that fit on a page each. What it proves,
//! it proves of these steps; that the code takes the same ones is the business of
//! the ledger's conformance suite and the tests with real processes. So each
//! [`Action`] names the function of the code that it stands for, and whoever
//! changes one of these functions changes its step.
//!
//! # Where to read
//!
//! [`Action`] lists what can happen; `steps/` has what it does. [`World`] is all
//! there is at one moment: the [`Database`] (what is committed, and what a crash
//! may forget of it), the [`Processor`]s (what each knows), and the [`Orphan`]s:
//! backends that their client has left. [`properties`] holds what must be true,
//! [`Mutation`] the walls that can be taken out to see what each is for.
//!
//! # What is modelled
//!
//! * A claim with SKIP LOCKED, a rising fence and a lease id that never comes
//!   again; leases that end at any time, renewals, attempts, and the rescue of
//!   arrivals that have none left.
//! * A chunk: rows that nobody sees, the advance that takes the row's lock and
//!   raises where the lease or the checkpoint does not match, COMMIT; several
//!   chunks filled at once and committed in the file's order; two processors that
//!   cut the same file into other chunks.
//! * The lost answer: the backend lives on without its client, and commits late,
//!   never, or not until it is ended. The reading back that resolves it.
//! * Processors that stop for any time, are killed, give back, fail, or stop for
//!   ever inside a short transaction; the reaper and
//!   `idle_in_transaction_session_timeout`.
//! * A database that crashes and forgets asynchronous commits, back to the last
//!   durable one; and a standby that takes over and lacks durable ones too, so
//!   that a fence comes a second time.
//! * A replay at any time, from the start or not, by force where it is loading.
//!
//! # What is left out, and why nothing is missed by it
//!
//! * **One arrival.** No transaction of a processor touches two, and the order in
//!   which a replay locks several is a matter of deadlocks, which end as an error.
//! * **Time.** A lease may end at any moment, so clocks, `lease_until` and the
//!   reaper's rounds cannot be wrong here; a processor may pause between any two
//!   steps, so a pause is no step. More orders are explored than can happen.
//! * **A statement and its COMMIT are one step** where nobody can come between:
//!   claim, renewal, giving back, replay. The row is locked from the one to the
//!   other, so for everyone else both happen at the COMMIT; what remains is a
//!   client that stops in between and keeps the lock: [`Action::Stall`]. One that
//!   never hears its claim's answer is a claim, then a kill.
//! * **COMMIT and its answer are one step** where the answer comes: what its
//!   processor does with it comes later anyway. Where it does not come, the
//!   backend is an orphan of its own, whose COMMIT may be under way or lost.
//! * **Before its advance a chunk is not there** for anybody: it is only counted,
//!   and a connection lost then leaves nothing behind.
//! * **Rejects** share the rows' transaction and are removed with them. A record
//!   stands for both.
//! * **`superseded`** removes rows as a start over does, and `fail` rests as
//!   attempts that are used up do.
//! * **The old primary** of a failover is gone, and its backends with it. A
//!   cluster with two primaries keeps no promise of anybody's.
//! * **A table that cannot tell an arrival's rows** refuses a start over before
//!   any of this.
//!
//! Each world is bounded: so many claims, kills, losses and crashes ([`Faults`]).
//! Within the bound every state is visited. Fences and lease ids grow, so without
//! a bound there is no end; the walls that fall, fall within three claims and two
//! faults.
//!
//! # What must hold
//!
//! In every state: each record at most once; a loaded arrival has all its
//! records; the checkpoint says exactly which rows are there; only the claim that
//! stands moves its arrival; what has all its records is not failed; a start over
//! that was ordered is done before the arrival is loaded; a processor that knows
//! where it is, is right. And that every waiting arrival can still be loaded,
//! which stateright cannot ask as it is: see `liveness.rs` for what is asked
//! instead, in every state too.
//!
//! # When it is red
//!
//! The test prints the fewest steps that lead there, the first ones first; see
//! [`counterexample`].

mod actions;
mod counterexample;
mod database;
mod liveness;
mod mutations;
mod processor;
pub mod properties;
mod setup;
mod steps;
mod world;

use stateright::{Model, Property};

pub use actions::Action;
pub use counterexample::counterexample;
pub use database::{Arrival, Committed, Database, Durability, Loss, MOST_RECORDS, Past, State};
pub use mutations::{Mutation, Mutations};
pub use processor::{Lease, Phase, Processor};
pub use setup::{Faults, Setup};
pub use world::{Event, Halfway, MOST_PROCESSORS, Orphan, Work, World};

/// The protocol in a world of a stated size.
#[derive(Clone, Debug)]
pub struct Protocol {
    setup: Setup,
}

impl Protocol {
    /// All that can happen in this world.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self { setup }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.setup.faults)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.possible(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.step(&mut next, action)?;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::properties()
    }
}

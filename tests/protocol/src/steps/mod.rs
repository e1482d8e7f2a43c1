//! What each action does. A step returns nothing where it cannot happen.

mod chunk;
mod lease;
mod startover;
mod trouble;

pub(crate) use self::chunk::{advance, commit, fill, move_checkpoint, read_back};
pub(crate) use self::lease::{claim, fail, give_back, is_the_owner, lease_ends, renew, rescue};
pub(crate) use self::startover::{commit_start_over, finish_replay, replay, reset, start_over};
pub(crate) use self::trouble::{
    end_idle, kill, lose, lose_answer, lose_connection, orphan_commits, orphan_ends, reap,
    reap_orphan, stall,
};

use crate::Protocol;
use crate::database::{Arrival, Committed, Durability, Forgettable, State};
use crate::mutations::Mutation;
use crate::processor::{Lease, Phase, Processor};
use crate::world::{Event, Work, World};

/// Goes on only if it is so.
fn only_if(condition: bool) -> Option<()> {
    condition.then_some(())
}

/// Takes one of what may still go wrong.
fn take(left: &mut u8) -> Option<()> {
    *left = left.checked_sub(1)?;
    Some(())
}

/// The `WHERE` of every fenced statement: the lease stands.
fn stands(protocol: &Protocol, arrival: &Arrival, lease: Lease) -> bool {
    arrival.state == State::Loading && held(protocol, arrival, lease)
}

fn held(protocol: &Protocol, arrival: &Arrival, lease: Lease) -> bool {
    let same_fence = arrival.fence == lease.fence
        || protocol.without(Mutation::NoFence)
        || protocol.without(Mutation::NoFenceInTheLease);
    let same_id = arrival.lease == lease.id
        || protocol.without(Mutation::NoFence)
        || protocol.without(Mutation::NoLeaseId);
    same_fence && same_id
}

/// Whether a statement that writes or locks the arrival's row need not wait for
/// another transaction than the processor's own.
fn row_is_free(protocol: &Protocol, world: &World, own: Option<usize>) -> bool {
    let holds = |processor: &Processor| match processor.phase {
        Phase::Restarting { .. } => true,
        Phase::Advanced { matched, .. } => matched,
        Phase::Loading { filled } => filled > 0 && protocol.without(Mutation::RowLockedFirst),
        _ => false,
    };
    let left_holding = world.orphans.iter().any(|orphan| match orphan.work {
        Work::Chunk { matched, .. } => matched,
        Work::Restart { .. } | Work::Fill | Work::Short => true,
        Work::Removal { .. } => false,
    });
    let mut others = world.processors.iter().enumerate();
    !left_holding && !others.any(|(p, processor)| own != Some(p) && holds(processor))
}

fn commit_now(world: &mut World, durability: Durability, change: impl FnOnce(&mut Committed)) {
    let forgettable = Forgettable {
        by_crash: world.left.crashes > 0,
        by_failover: world.left.failovers > 0,
    };
    world.database.commit(durability, forgettable, change);
}

/// `pg_terminate_backend` for all that carry this lease's name. A COMMIT that
/// arrives just before is an [`OrphanCommits`](crate::Action::OrphanCommits).
fn end_own_backends(world: &mut World, lease: Lease) {
    world.orphans.retain(|orphan| orphan.lease != lease.id);
}

/// The processor has nothing any more.
fn drop_out(world: &mut World, p: usize, event: Event) {
    world.processors[p] = Processor::default();
    world.event = event;
}

/// Says so when another claim than this one stands, by what nobody can mistake.
fn mind_strangers(world: &mut World, lease: Lease) {
    if world.database.now.arrival.lease != lease.id {
        world.event = Event::MovedByStranger;
    }
}

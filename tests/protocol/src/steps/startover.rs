//! A replay is ordered by a person; what it orders is done by the next claim.

use super::{
    commit_now, drop_out, end_own_backends, mind_strangers, only_if, row_is_free, stands, take,
};
use crate::Protocol;
use crate::database::{Durability, MOST_RECORDS, State};
use crate::mutations::Mutation;
use crate::processor::{Lease, Phase, Processor};
use crate::world::{Event, Halfway, Work, World};

/// Waiting again, from the start or from where it is. The fence rises, so one
/// that loads it by force loses it.
pub(crate) fn replay(protocol: &Protocol, world: &mut World, from_start: bool) -> Option<()> {
    only_if(world.halfway.is_none())?;
    if from_start && protocol.without(Mutation::ReplayDeletesFirst) {
        take(&mut world.left.replays)?;
        // DELETE sees what is committed now.
        world.halfway = Some(Halfway::Removed(world.database.now.arrival.checkpoint));
        return Some(());
    }
    only_if(row_is_free(protocol, world, None))?;
    only_if(from_start || world.database.now.arrival.state != State::Loaded)?;
    take(&mut world.left.replays)?;
    queue(world, |now| now.arrival.restart |= from_start);
    Some(())
}

/// [`Mutation::ReplayDeletesFirst`]: the arrival's row comes last.
pub(crate) fn finish_replay(protocol: &Protocol, world: &mut World) -> Option<()> {
    let Some(Halfway::Removed(seen)) = world.halfway else {
        return None;
    };
    only_if(row_is_free(protocol, world, None))?;
    world.halfway = None;
    queue(world, |now| {
        for record in 0..usize::from(seen) {
            now.table[record] = now.table[record].saturating_sub(1);
        }
        now.arrival.checkpoint = 0;
    });
    Some(())
}

fn queue(world: &mut World, order: impl FnOnce(&mut crate::database::Committed)) {
    commit_now(world, Durability::Durable, |now| {
        now.arrival.state = State::Waiting;
        now.arrival.fence += 1;
        now.arrival.barren = 0;
        now.arrival.ended = false;
        order(now);
    });
}

/// The rows go before the arrival's row is touched, so that its lease can be renewed
/// meanwhile. Its own claim has raised the fence: no other chunk can commit since, and
/// what DELETE sees now is all there is.
pub(crate) fn start_over(_: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor { phase, lease, .. } = world.processors[p];
    only_if(phase == Phase::Ordered)?;
    end_own_backends(world, lease);
    only_if(rows_are_free(world, p))?;
    world.processors[p].phase = Phase::Removing {
        seen: world.database.now.table,
    };
    Some(())
}

/// DELETE waits for whoever else deletes the same rows.
fn rows_are_free(world: &World, own: usize) -> bool {
    let holds = |seen: [u8; MOST_RECORDS]| seen != [0; MOST_RECORDS];
    let left_holding = world.orphans.iter().any(|orphan| match orphan.work {
        Work::Removal { seen } | Work::Restart { seen } => holds(seen),
        Work::Chunk { .. } | Work::Fill | Work::Short => false,
    });
    let mut others = world.processors.iter().enumerate();
    !left_holding
        && !others.any(|(p, processor)| match processor.phase {
            Phase::Removing { seen } | Phase::Restarting { seen } => p != own && holds(seen),
            _ => false,
        })
}

/// The last statement: the lease is compared, the fence rises, the checkpoint is 0.
pub(crate) fn reset(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor { phase, lease, .. } = world.processors[p];
    let Phase::Removing { seen } = phase else {
        return None;
    };
    only_if(row_is_free(protocol, world, None))?;
    let unfenced = protocol.without(Mutation::StartOverUnfenced);
    if unfenced || stands(protocol, &world.database.now.arrival, lease) {
        world.processors[p].phase = Phase::Restarting { seen };
    } else {
        drop_out(world, p, Event::Fenced);
    }
    Some(())
}

pub(crate) fn commit_start_over(_: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor {
        phase, mut lease, ..
    } = world.processors[p];
    let Phase::Restarting { seen } = phase else {
        return None;
    };
    commit_restart(world, lease, seen);
    lease.fence += 1;
    world.processors[p] = Processor {
        phase: Phase::Loading { filled: 0 },
        lease,
        at: 0,
    };
    Some(())
}

/// What the COMMIT of a start over makes true, whoever waits for its answer.
pub(super) fn commit_restart(world: &mut World, lease: Lease, seen: [u8; MOST_RECORDS]) {
    world.event = Event::StartedOver;
    mind_strangers(world, lease);
    commit_now(world, Durability::Durable, |now| {
        now.arrival.fence += 1;
        now.arrival.restart = false;
        now.arrival.checkpoint = 0;
        for (rows, seen) in now.table.iter_mut().zip(seen) {
            *rows = rows.saturating_sub(seen);
        }
    });
}

//! A replay is ordered by a person; what it orders is done by the next claim.

use super::{commit_now, drop_out, only_if, row_is_free, stands, take};
use crate::Protocol;
use crate::database::{Durability, MOST_RECORDS, State};
use crate::mutations::Mutation;
use crate::processor::{Phase, Processor};
use crate::world::{Event, Halfway, World};

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

/// The arrival's row first: from here on no other transaction moves it, and all
/// rows that were committed for it are seen and removed.
pub(crate) fn start_over(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    only_if(world.processors[p].phase == Phase::Ordered)?;
    only_if(row_is_free(protocol, world, None))?;
    if stands(
        protocol,
        &world.database.now.arrival,
        world.processors[p].lease,
    ) {
        world.processors[p].phase = Phase::Restarting;
    } else {
        drop_out(world, p, Event::Fenced);
    }
    Some(())
}

pub(crate) fn commit_start_over(_: &Protocol, world: &mut World, p: usize) -> Option<()> {
    only_if(world.processors[p].phase == Phase::Restarting)?;
    commit_restart(world);
    let Processor { mut lease, .. } = world.processors[p];
    lease.fence += 1;
    world.processors[p] = Processor {
        phase: Phase::Loading { filled: 0 },
        lease,
        at: 0,
    };
    Some(())
}

/// What the COMMIT of a start over makes true, whoever waits for its answer.
pub(super) fn commit_restart(world: &mut World) {
    commit_now(world, Durability::Durable, |now| {
        now.arrival.fence += 1;
        now.arrival.restart = false;
        now.arrival.checkpoint = 0;
        now.table = [0; MOST_RECORDS];
    });
    world.event = Event::StartedOver;
}

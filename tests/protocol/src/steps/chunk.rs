//! A chunk: filled, advanced, committed; or in doubt, and read back.

use super::{
    commit_now, drop_out, end_own_backends, held, mind_strangers, only_if, row_is_free, stands,
};
use crate::Protocol;
use crate::database::{Durability, State};
use crate::mutations::Mutation;
use crate::processor::{Doubt, Lease, Phase, Processor, doubt};
use crate::world::{Event, World};

/// Rows, and how far they move the checkpoint.
pub(super) struct Chunk {
    pub(super) lease: Lease,
    pub(super) from: u8,
    pub(super) to: u8,
    pub(super) matched: bool,
}

/// BEGIN and COPY. Nobody sees the rows and nobody waits for them, so whether
/// they come early or late makes no difference to anyone else.
pub(crate) fn fill(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor { phase, lease, at } = world.processors[p];
    let Phase::Loading { filled } = phase else {
        return None;
    };
    only_if(filled < protocol.setup.connections)?;
    only_if(at + filled * protocol.setup.cuts[p] < protocol.setup.records)?;
    if protocol.without(Mutation::RowLockedFirst) {
        only_if(row_is_free(protocol, world, None))?;
        if !stands(protocol, &world.database.now.arrival, lease) {
            drop_out(world, p, Event::Fenced);
            return Some(());
        }
    }
    world.processors[p].phase = Phase::Loading { filled: filled + 1 };
    Some(())
}

/// The last statement before COMMIT, once the row is free. It raises where the
/// lease does not stand or the checkpoint is not where the chunk begins; then
/// the chunk and those behind it are rolled back.
pub(crate) fn advance(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor { phase, lease, at } = world.processors[p];
    let Phase::Loading { filled } = phase else {
        return None;
    };
    only_if(filled > 0)?;
    if protocol.without(Mutation::CheckpointApart) {
        return rows_alone(protocol, world, p);
    }
    only_if(row_is_free(protocol, world, Some(p)))?;
    let arrival = &world.database.now.arrival;
    let begins_here =
        arrival.checkpoint == at || protocol.without(Mutation::AdvanceIgnoresCheckpoint);
    let matched = begins_here && stands(protocol, arrival, lease);
    world.processors[p].phase = if matched || protocol.without(Mutation::AdvanceDoesNotRaise) {
        Phase::Advanced { filled, matched }
    } else {
        Phase::Doubt { tried: true }
    };
    Some(())
}

/// COMMIT, and its answer.
pub(crate) fn commit(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor { phase, lease, at } = world.processors[p];
    let Phase::Advanced { filled, matched } = phase else {
        return None;
    };
    let to = end_of_chunk(protocol, p, at);
    let chunk = Chunk {
        lease,
        from: at,
        to,
        matched,
    };
    commit_chunk(protocol, world, &chunk);
    reach(protocol, world, p, to, filled - 1);
    Some(())
}

/// What the COMMIT of a chunk makes true, whoever waits for its answer.
pub(super) fn commit_chunk(protocol: &Protocol, world: &mut World, chunk: &Chunk) {
    if chunk.matched {
        mind_strangers(world, chunk.lease);
    }
    let last = chunk.to == protocol.setup.records;
    let durability = if last {
        Durability::Durable
    } else {
        Durability::Asynchronous
    };
    commit_now(world, durability, |now| {
        for record in chunk.from..chunk.to {
            now.table[usize::from(record)] += 1;
        }
        if chunk.matched {
            move_to(&mut now.arrival, chunk.to, last);
        }
    });
}

fn move_to(arrival: &mut crate::database::Arrival, to: u8, last: bool) {
    arrival.checkpoint = to;
    arrival.barren = 0;
    if last {
        arrival.state = State::Loaded;
        arrival.ended = false;
    }
}

/// The processor knows that the chunk is committed.
fn reach(protocol: &Protocol, world: &mut World, p: usize, to: u8, filled: u8) {
    if to == protocol.setup.records {
        world.processors[p] = Processor::default();
    } else {
        world.processors[p].at = to;
        world.processors[p].phase = Phase::Loading { filled };
    }
}

pub(super) fn end_of_chunk(protocol: &Protocol, p: usize, from: u8) -> u8 {
    protocol.setup.records.min(from + protocol.setup.cuts[p])
}

/// Asks what became of the chunk. The old backend is ended first: its COMMIT may
/// be under way, and a client that is gone ends it late. Then the row is waited
/// for: a backend that is told to end may commit before it does.
pub(crate) fn read_back(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor { phase, lease, at } = world.processors[p];
    let Phase::Doubt { tried } = phase else {
        return None;
    };
    let again = Phase::Loading { filled: 0 };
    if protocol.without(Mutation::RetryBlindly) {
        world.processors[p].phase = again;
        return Some(());
    }
    if !protocol.without(Mutation::ReadBackPlainly) {
        if !protocol.without(Mutation::ReadBackWithoutEnding) {
            end_own_backends(world, lease);
        }
        only_if(row_is_free(protocol, world, Some(p)))?;
    }
    let row = &world.database.now.arrival;
    let to = end_of_chunk(protocol, p, at);
    let last = tried && to == protocol.setup.records;
    match doubt(held(protocol, row, lease), row, at, to, last) {
        Doubt::Committed if tried => {
            reach(protocol, world, p, to, 0);
            world.event = Event::LearnedCommitted;
        }
        Doubt::NotCommitted => {
            world.processors[p].phase = again;
            world.event = Event::LearnedNotCommitted;
        }
        Doubt::Committed | Doubt::Behind => {
            world.processors[p].phase = Phase::LettingGo;
            world.event = Event::Behind;
        }
        Doubt::Fenced => drop_out(world, p, Event::Fenced),
    }
    Some(())
}

/// [`Mutation::CheckpointApart`]: the first transaction.
fn rows_alone(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor { lease, at, .. } = world.processors[p];
    let rows = Chunk {
        lease,
        from: at,
        to: end_of_chunk(protocol, p, at),
        matched: false,
    };
    commit_chunk(protocol, world, &rows);
    world.processors[p].phase = Phase::RowsCommitted;
    Some(())
}

/// [`Mutation::CheckpointApart`]: the second transaction.
pub(crate) fn move_checkpoint(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor { phase, lease, at } = world.processors[p];
    only_if(phase == Phase::RowsCommitted && row_is_free(protocol, world, None))?;
    let arrival = world.database.now.arrival;
    if arrival.checkpoint != at || !stands(protocol, &arrival, lease) {
        drop_out(world, p, Event::Fenced);
        return Some(());
    }
    let to = end_of_chunk(protocol, p, at);
    let last = to == protocol.setup.records;
    commit_now(world, Durability::Durable, |now| {
        move_to(&mut now.arrival, to, last);
    });
    reach(protocol, world, p, to, 0);
    Some(())
}

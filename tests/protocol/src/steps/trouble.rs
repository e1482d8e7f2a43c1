//! What goes wrong, and what cleans up after it.

use super::chunk::{Chunk, commit_chunk, end_of_chunk};
use super::startover::commit_restart;
use super::{only_if, row_is_free, take};
use crate::Protocol;
use crate::database::{Loss, State};
use crate::mutations::Mutation;
use crate::processor::{Lease, Phase, Processor};
use crate::world::{Event, Orphan, Work, World};

/// Before its last statement nothing of a transaction can commit: rolled back sooner or
/// later. A start over is tried again.
pub(crate) fn lose_connection(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let phase = match world.processors[p].phase {
        Phase::Loading { filled } if filled > 0 => Phase::Doubt { tried: false },
        Phase::Removing { .. } => Phase::Ordered,
        _ => return None,
    };
    take(&mut world.left.losses)?;
    abandon(protocol, world, p);
    world.processors[p].phase = phase;
    Some(())
}

/// COMMIT may be on its way, or done, or lost: the orphan decides.
pub(crate) fn lose_answer(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let phase = match world.processors[p].phase {
        Phase::Advanced { .. } => Phase::Doubt { tried: true },
        Phase::Restarting { .. } => Phase::LettingGo,
        _ => return None,
    };
    take(&mut world.left.losses)?;
    abandon(protocol, world, p);
    world.processors[p].phase = phase;
    Some(())
}

/// Its place is free for another processor.
pub(crate) fn kill(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    only_if(!world.processors[p].is_idle())?;
    take(&mut world.left.kills)?;
    abandon(protocol, world, p);
    world.processors[p] = Processor::default();
    Some(())
}

/// Its transaction changes nothing any more, and holds the row.
pub(crate) fn stall(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    only_if(!world.processors[p].has_backend())?;
    only_if(row_is_free(protocol, world, None))?;
    take(&mut world.left.stalls)?;
    world.processors[p] = Processor::default();
    world.leave(Orphan {
        lease: 0,
        fence: 0,
        work: Work::Short,
    });
    Some(())
}

/// Leaves to the database what the processor had open.
fn abandon(protocol: &Protocol, world: &mut World, p: usize) {
    let Processor { phase, lease, at } = world.processors[p];
    let work = match phase {
        Phase::Advanced { matched, .. } => Work::Chunk {
            from: at,
            to: end_of_chunk(protocol, p, at),
            matched,
        },
        Phase::Removing { seen } => Work::Removal { seen },
        Phase::Restarting { seen } => Work::Restart { seen },
        Phase::Loading { filled } if filled > 0 && protocol.without(Mutation::RowLockedFirst) => {
            Work::Fill
        }
        _ => return,
    };
    world.leave(Orphan {
        lease: lease.id,
        fence: lease.fence,
        work,
    });
}

pub(crate) fn orphan_commits(protocol: &Protocol, world: &mut World, i: usize) -> Option<()> {
    let Orphan { lease, fence, work } = *world.orphans.get(i)?;
    match work {
        Work::Chunk { from, to, matched } => {
            let chunk = Chunk {
                lease: Lease { fence, id: lease },
                from,
                to,
                matched,
            };
            commit_chunk(protocol, world, &chunk);
        }
        Work::Restart { seen } => commit_restart(world, Lease { fence, id: lease }, seen),
        Work::Removal { .. } | Work::Fill | Work::Short => return None,
    }
    world.orphans.remove(i);
    Some(())
}

/// A short transaction's client is stopped and not gone: its connection stands.
pub(crate) fn orphan_ends(world: &mut World, i: usize) -> Option<()> {
    only_if(world.orphans.get(i)?.work != Work::Short)?;
    world.orphans.remove(i);
    Some(())
}

pub(crate) fn end_idle(protocol: &Protocol, world: &mut World, i: usize) -> Option<()> {
    only_if(world.orphans.get(i)?.work == Work::Short)?;
    only_if(!protocol.without(Mutation::IdleForEver))?;
    world.orphans.remove(i);
    Some(())
}

/// Ends the backends of a processor whose lease is over. It notices when it goes
/// on, and cannot tell this from a connection that broke.
pub(crate) fn reap(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor { phase, lease, .. } = world.processors[p];
    only_if(may_reap(protocol, world, lease.id))?;
    world.processors[p].phase = match phase {
        Phase::Advanced { .. } => Phase::Doubt { tried: true },
        Phase::Loading { filled } if filled > 0 => Phase::Doubt { tried: false },
        Phase::Removing { .. } => Phase::Ordered,
        Phase::Restarting { .. } => Phase::LettingGo,
        _ => return None,
    };
    world.event = Event::Reaped;
    Some(())
}

pub(crate) fn reap_orphan(protocol: &Protocol, world: &mut World, i: usize) -> Option<()> {
    let lease = world.orphans.get(i)?.lease;
    only_if(lease != 0 && may_reap(protocol, world, lease))?;
    world.orphans.remove(i);
    world.event = Event::Reaped;
    Some(())
}

fn may_reap(protocol: &Protocol, world: &World, lease: u8) -> bool {
    let arrival = &world.database.now.arrival;
    let runs = arrival.state == State::Loading && !arrival.ended && arrival.lease == lease;
    !runs && !protocol.without(Mutation::NoReaper)
}

/// All backends are gone, and with them what was not committed.
pub(crate) fn lose(world: &mut World, loss: Loss, to: usize) -> Option<()> {
    take(match loss {
        Loss::Crash => &mut world.left.crashes,
        Loss::Failover => &mut world.left.failovers,
    })?;
    world.database.forget(to);
    world.orphans.clear();
    world.halfway = None;
    for processor in &mut world.processors {
        processor.phase = match processor.phase {
            Phase::Advanced { .. } => Phase::Doubt { tried: true },
            Phase::Loading { filled } if filled > 0 => Phase::Doubt { tried: false },
            Phase::Removing { .. } => Phase::Ordered,
            Phase::Restarting { .. } => Phase::LettingGo,
            other => other,
        };
    }
    Some(())
}

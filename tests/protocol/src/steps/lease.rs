//! Claim, renewal, expiry, giving back, failing, rescue.

use super::{
    commit_now, drop_out, end_own_backends, mind_strangers, only_if, row_is_free, stands, take,
};
use crate::Protocol;
use crate::database::{Arrival, Durability, State};
use crate::mutations::Mutation;
use crate::processor::{Lease, Phase, Processor};
use crate::world::{Event, Halfway, World};

/// One statement and its COMMIT. Nobody else can change the row in between, so
/// they count as one; a claim whose processor never hears of it is a claim
/// followed by a kill.
pub(crate) fn claim(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    only_if(world.processors[p].is_idle())?;
    // SKIP LOCKED: a row that another holds is not there for a claim.
    only_if(row_is_free(protocol, world, None))?;
    let arrival = world.database.now.arrival;
    only_if(match arrival.state {
        State::Waiting => true,
        State::Loading => arrival.ended && arrival.barren < protocol.setup.max_attempts,
        _ => false,
    })?;
    take(&mut world.left.claims)?;
    world.drawn += 1;
    let lease = Lease {
        fence: arrival.fence + 1,
        id: world.drawn,
    };
    commit_now(world, Durability::Durable, |now| {
        now.arrival = Arrival {
            state: State::Loading,
            fence: lease.fence,
            lease: lease.id,
            ended: false,
            barren: arrival.barren + 1,
            ..arrival
        };
    });
    let phase = if arrival.restart {
        Phase::Ordered
    } else {
        Phase::Loading { filled: 0 }
    };
    world.processors[p] = Processor {
        phase,
        lease,
        at: arrival.checkpoint,
    };
    Some(())
}

/// Its commit may be forgotten, which is no more than a lease that ends early.
pub(crate) fn renew(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    let Processor { phase, lease, .. } = world.processors[p];
    only_if(!matches!(phase, Phase::Idle | Phase::LettingGo))?;
    // It waits even for its own processor's transaction.
    only_if(row_is_free(protocol, world, None))?;
    if stands(protocol, &world.database.now.arrival, lease) {
        only_if(world.database.now.arrival.ended)?;
        world.database.now.arrival.ended = false;
    } else {
        drop_out(world, p, Event::Fenced);
    }
    Some(())
}

/// Time passes: no commit, and nothing that a crash forgets.
pub(crate) fn lease_ends(world: &mut World) -> Option<()> {
    let arrival = &mut world.database.now.arrival;
    only_if(arrival.state == State::Loading && !arrival.ended)?;
    arrival.ended = true;
    Some(())
}

/// Told to stop, or told by the database that it is behind. What it has open is
/// rolled back first.
pub(crate) fn give_back(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    match world.processors[p].phase {
        Phase::LettingGo => {}
        Phase::Ordered | Phase::Removing { .. } | Phase::Loading { .. } | Phase::Doubt { .. } => {
            take(&mut world.left.stops)?;
        }
        _ => return None,
    }
    let not_reset = !protocol.without(Mutation::FenceOfTheLease);
    let_go(protocol, world, p, |arrival| Arrival {
        state: State::Waiting,
        ended: false,
        barren: arrival.barren.saturating_sub(1),
        fence: if not_reset { arrival.fence } else { 0 },
        ..arrival
    })
}

/// A load that failed: it waits for the next attempt, if there is one.
pub(crate) fn fail(protocol: &Protocol, world: &mut World, p: usize) -> Option<()> {
    match world.processors[p].phase {
        Phase::Ordered | Phase::Removing { .. } | Phase::Loading { .. } => {
            take(&mut world.left.failures)?;
        }
        _ => return None,
    }
    let max_attempts = protocol.setup.max_attempts;
    let_go(protocol, world, p, |arrival| Arrival {
        state: if arrival.barren >= max_attempts {
            State::Failed
        } else {
            State::Waiting
        },
        ended: false,
        ..arrival
    })
}

fn let_go(
    protocol: &Protocol,
    world: &mut World,
    p: usize,
    change: impl FnOnce(Arrival) -> Arrival,
) -> Option<()> {
    let lease = world.processors[p].lease;
    end_own_backends(world, lease);
    only_if(row_is_free(protocol, world, Some(p)))?;
    if !stands(protocol, &world.database.now.arrival, lease) {
        drop_out(world, p, Event::Fenced);
        return Some(());
    }
    drop_out(world, p, Event::Nothing);
    mind_strangers(world, lease);
    commit_now(world, Durability::Durable, |now| {
        now.arrival = change(now.arrival);
    });
    Some(())
}

/// An arrival whose last attempts all ended without a word has failed. With its
/// guard it looks at the locked row; without, at what it read before.
pub(crate) fn rescue(protocol: &Protocol, world: &mut World) -> Option<()> {
    let arrival = world.database.now.arrival;
    let is_exhausted = arrival.state == State::Loading
        && arrival.ended
        && arrival.barren >= protocol.setup.max_attempts;
    if protocol.without(Mutation::RescueWithoutGuard) && world.halfway.is_none() {
        only_if(is_exhausted)?;
        world.halfway = Some(Halfway::Rescuing);
        return Some(());
    }
    only_if(row_is_free(protocol, world, None))?;
    only_if(is_exhausted || world.halfway == Some(Halfway::Rescuing))?;
    world.halfway = None;
    commit_now(world, Durability::Durable, |now| {
        now.arrival.state = State::Failed;
        now.arrival.ended = false;
    });
    world.event = Event::Rescued;
    Some(())
}

/// Whether the claim that this processor made is the one that stands. No wall of
/// the protocol, so no mutation touches it.
pub(crate) fn is_the_owner(world: &World, p: usize) -> bool {
    let Processor { phase, lease, .. } = world.processors[p];
    let arrival = &world.database.now.arrival;
    phase != Phase::Idle
        && arrival.state == State::Loading
        && (arrival.fence, arrival.lease) == (lease.fence, lease.id)
}

//! *Every waiting arrival can still be loaded*, as something to check in each
//! reachable state: from there, a few who are known to be well bring it to
//! `loaded` by steps of the model, whatever all the others have stopped in.
//!
//! stateright's `eventually` is of no use here: it looks at the ends of paths, and
//! leases that end and are renewed go round in cycles; and where everybody may
//! stop for ever, nothing eventually happens. A search backwards from all loaded
//! ends would do; but it would also accept a way that only the stopped processor
//! itself can go, as it might wake up. A schedule that names who helps says more,
//! needs no graph of its own, and a state without it comes with its trace.

use crate::Protocol;
use crate::actions::Action;
use crate::database::State;
use crate::processor::Phase;
use crate::setup::Faults;
use crate::steps::is_the_owner;
use crate::world::{MOST_PROCESSORS, Work, World};

/// A processor that none of the explored steps knows.
const FRESH: usize = MOST_PROCESSORS - 1;

/// More than any way to `loaded` has.
const STEPS: usize = 64;

/// Nothing more goes wrong; claims and replays are there.
const CALM: Faults = Faults {
    claims: 4,
    replays: 2,
    kills: 0,
    losses: 0,
    stops: 0,
    failures: 0,
    stalls: 0,
    crashes: 0,
    failovers: 0,
};

/// Who else moves besides the one processor, and the clock.
#[derive(Clone, Copy)]
struct Help {
    /// The reaper of any other processor.
    reaper: bool,
}

/// All processors stop for ever, one comes, and the reaper runs.
pub(crate) fn a_fresh_processor_and_the_reaper_suffice(protocol: &Protocol, world: &World) -> bool {
    comes_to_loaded(protocol, world, FRESH, Help { reaper: true })
}

/// All processors stop for ever and one comes: while nobody stopped behind his
/// last statement, or over rows that he removes, nothing has to be ended for it.
pub(crate) fn a_fresh_processor_suffices(protocol: &Protocol, world: &World) -> bool {
    let behind_last_statement = |phase| match phase {
        Phase::Advanced { .. } | Phase::Restarting { .. } => true,
        // Another start over waits for its rows.
        Phase::Removing { seen } => seen.iter().any(|rows| *rows > 0),
        _ => false,
    };
    let mut processors = world.processors.iter();
    processors.any(|processor| behind_last_statement(processor.phase))
        || world.orphans.iter().any(|orphan| orphan.work != Work::Fill)
        || comes_to_loaded(protocol, world, FRESH, Help { reaper: false })
}

/// A processor whose lease stands needs nobody, whatever its connections did; but its own
/// reaper where an earlier one left a start over behind that holds the rows.
pub(crate) fn an_owner_suffices(protocol: &Protocol, world: &World) -> bool {
    (0..protocol.setup.processors)
        .filter(|p| is_the_owner(world, *p))
        .all(|p| {
            let reaper = another_removes(world, p);
            comes_to_loaded(protocol, world, p, Help { reaper })
        })
}

fn another_removes(world: &World, p: usize) -> bool {
    let mut others = world.processors.iter().enumerate();
    let mut orphans = world.orphans.iter();
    others.any(|(q, other)| q != p && matches!(other.phase, Phase::Removing { .. }))
        || orphans.any(|orphan| matches!(orphan.work, Work::Removal { .. }))
}

fn comes_to_loaded(protocol: &Protocol, world: &World, p: usize, help: Help) -> bool {
    let mut world = World {
        left: CALM,
        ..world.clone()
    };
    world.database.past.clear();
    for _ in 0..STEPS {
        if world.database.now.arrival.state == State::Loaded {
            return true;
        }
        let action = next(protocol, &world, p, help);
        if protocol.step(&mut world, action).is_none() {
            return false;
        }
    }
    false
}

/// What the helpers do next; where it is impossible, they are stuck.
fn next(protocol: &Protocol, world: &World, p: usize, help: Help) -> Action {
    if let Some(action) = clean_up(protocol, world, p, help) {
        return action;
    }
    let arrival = &world.database.now.arrival;
    match world.processors[p].phase {
        Phase::Idle if arrival.state == State::Failed => Action::Replay { from_start: false },
        Phase::Idle if arrival.state == State::Loading && !arrival.ended => Action::LeaseEnds,
        Phase::Idle
            if arrival.state == State::Loading && arrival.barren >= protocol.setup.max_attempts =>
        {
            Action::Rescue
        }
        Phase::Idle => Action::Claim(p),
        Phase::Ordered => Action::StartOver(p),
        Phase::Removing { .. } => Action::Reset(p),
        Phase::Restarting { .. } => Action::CommitStartOver(p),
        Phase::Loading { filled: 0 } => Action::Fill(p),
        Phase::Loading { .. } => Action::Advance(p),
        Phase::Advanced { .. } => Action::Commit(p),
        Phase::Doubt { .. } => Action::ReadBack(p),
        Phase::LettingGo => Action::GiveBack(p),
        Phase::RowsCommitted => Action::MoveCheckpoint(p),
    }
}

fn clean_up(protocol: &Protocol, world: &World, p: usize, help: Help) -> Option<Action> {
    let can = |action: &Action| protocol.step(&mut world.clone(), *action).is_some();
    let idle = (0..world.orphans.len()).map(Action::EndIdle);
    if let Some(action) = idle.into_iter().find(can) {
        return Some(action);
    }
    if !help.reaper {
        return None;
    }
    let orphans = (0..world.orphans.len()).map(Action::ReapOrphan);
    let stopped = (0..protocol.setup.processors)
        .filter(|other| *other != p)
        .map(Action::Reap);
    orphans.chain(stopped).find(can)
}

//! What must hold in every state, and what must be seen in some.

use stateright::Property;

use crate::Protocol;
use crate::database::State;
use crate::liveness;
use crate::processor::Phase;
use crate::steps::is_the_owner;
use crate::world::{Event, World};

/// Nothing is doubled.
pub const AT_MOST_ONCE: &str = "each record is in the table at most once";
/// Nothing is lost, and nothing is called loaded too early.
pub const COMPLETE: &str = "a loaded arrival has all its records";
/// Rows and checkpoint share their transactions, whatever is forgotten.
pub const CHECKPOINT: &str = "the checkpoint says exactly which rows are there";
/// By the lease id, which nobody can mistake: what a zombie says about an arrival counts for nothing,
/// even where it would do no harm to the rows.
pub const ONE_OWNER: &str = "only the claim that stands moves its arrival";
/// A finishing owner is not overruled by one who thinks that it ended.
pub const STAYS_LOADED: &str = "what has all its records is loaded, or ordered to start over";
/// Rows that a replay was to take out are not taken for new ones.
pub const STARTED_OVER_FIRST: &str = "a loaded arrival has no start over left to do";
/// What a processor was told about its last chunk stays true.
pub const NO_DOUBT: &str = "the checkpoint is never ahead of a processor that is not in doubt";
/// Whatever the others stopped in for ever.
pub const CAN_BE_LOADED: &str = "a fresh processor and the reaper can load it";
/// A COPY that hangs stands in nobody's way, reaper or not.
pub const CAN_BE_TAKEN_OVER: &str =
    "a fresh processor alone can load it, unless one stopped behind its last statement";
/// A lost connection costs a processor a round trip, and no lease.
pub const OWNER_GOES_ON: &str = "a processor whose lease stands can load it alone";

/// All that must hold.
pub const ALWAYS: [&str; 10] = [
    AT_MOST_ONCE,
    COMPLETE,
    CHECKPOINT,
    ONE_OWNER,
    STAYS_LOADED,
    STARTED_OVER_FIRST,
    NO_DOUBT,
    CAN_BE_LOADED,
    CAN_BE_TAKEN_OVER,
    OWNER_GOES_ON,
];

// What a world should show, or it proves little.

pub const LOADED: &str = "an arrival is loaded";
pub const FENCED: &str = "a zombie is fenced";
pub const LEARNED_COMMITTED: &str = "a lost answer turns out to be committed";
pub const LEARNED_NOT_COMMITTED: &str = "a lost answer turns out not to be committed";
pub const BEHIND: &str = "a processor is ahead of a database that forgot";
pub const STARTED_OVER: &str = "a replay took the rows out";
pub const RESCUED: &str = "an arrival ran out of attempts";
pub const REAPED: &str = "the reaper ended a backend";
pub const OVERTAKEN: &str = "two processors believe that they own it";

pub(crate) fn properties() -> Vec<Property<Protocol>> {
    vec![
        Property::always(AT_MOST_ONCE, |_, world: &World| {
            world.database.now.table.iter().all(|times| *times <= 1)
        }),
        Property::always(COMPLETE, |protocol: &Protocol, world: &World| {
            let now = &world.database.now;
            let records = usize::from(protocol.setup.records);
            now.arrival.state != State::Loaded
                || now.table[..records].iter().all(|times| *times >= 1)
        }),
        Property::always(CHECKPOINT, |_, world: &World| {
            let now = &world.database.now;
            let reach = usize::from(now.arrival.checkpoint);
            let mut table = now.table.iter().enumerate();
            table.all(|(record, times)| (*times > 0) == (record < reach))
        }),
        Property::always(ONE_OWNER, |_, world: &World| {
            world.event != Event::MovedByStranger
        }),
        Property::always(STAYS_LOADED, |protocol: &Protocol, world: &World| {
            let arrival = &world.database.now.arrival;
            arrival.checkpoint < protocol.setup.records
                || arrival.state == State::Loaded
                || arrival.restart
        }),
        Property::always(STARTED_OVER_FIRST, |_, world: &World| {
            let arrival = &world.database.now.arrival;
            arrival.state != State::Loaded || !arrival.restart
        }),
        Property::always(NO_DOUBT, |_, world: &World| {
            let is_ahead = |p: usize| {
                matches!(world.processors[p].phase, Phase::Loading { .. })
                    && is_the_owner(world, p)
                    && world.database.now.arrival.checkpoint > world.processors[p].at
            };
            !(0..world.processors.len()).any(is_ahead)
        }),
        Property::always(
            CAN_BE_LOADED,
            liveness::a_fresh_processor_and_the_reaper_suffice,
        ),
        Property::always(CAN_BE_TAKEN_OVER, liveness::a_fresh_processor_suffices),
        Property::always(OWNER_GOES_ON, liveness::an_owner_suffices),
        Property::sometimes(LOADED, |_, world: &World| {
            world.database.now.arrival.state == State::Loaded
        }),
        Property::sometimes(FENCED, |_, world: &World| world.event == Event::Fenced),
        Property::sometimes(LEARNED_COMMITTED, |_, world: &World| {
            world.event == Event::LearnedCommitted
        }),
        Property::sometimes(LEARNED_NOT_COMMITTED, |_, world: &World| {
            world.event == Event::LearnedNotCommitted
        }),
        Property::sometimes(BEHIND, |_, world: &World| world.event == Event::Behind),
        Property::sometimes(STARTED_OVER, |_, world: &World| {
            world.event == Event::StartedOver
        }),
        Property::sometimes(RESCUED, |_, world: &World| world.event == Event::Rescued),
        Property::sometimes(REAPED, |_, world: &World| world.event == Event::Reaped),
        Property::sometimes(OVERTAKEN, |_, world: &World| {
            let processors = world.processors.iter();
            processors.filter(|processor| !processor.is_idle()).count() > 1
        }),
    ]
}

//! Each wall taken out: what falls, and that it stood on this wall.

use arrivage_protocol::Mutation::{self, *};
use arrivage_protocol::properties::{
    ALWAYS, AT_MOST_ONCE, CAN_BE_LOADED, CAN_BE_TAKEN_OVER, CHECKPOINT, COMPLETE, NO_DOUBT,
    ONE_OWNER, OWNER_GOES_ON, STARTED_OVER_FIRST, STAYS_LOADED,
};
use arrivage_protocol::{Faults, Setup, counterexample};

/// Without all of these walls the property falls; with any one of them back, in
/// the same world, it holds.
struct Case {
    without: &'static [Mutation],
    world: fn() -> Setup,
    falls: &'static str,
}

const fn case(without: &'static [Mutation], world: fn() -> Setup, falls: &'static str) -> Case {
    Case {
        without,
        world,
        falls,
    }
}

const CASES: &[Case] = &[
    // Who may move an arrival. The rows alone would be saved by the checkpoint,
    // which is the second line: without both they double.
    case(&[NoFence], takeovers, ONE_OWNER),
    case(
        &[NoFence, AdvanceIgnoresCheckpoint],
        takeovers,
        AT_MOST_ONCE,
    ),
    case(&[NoLeaseId], a_failover, ONE_OWNER),
    case(
        &[NoLeaseId, AdvanceIgnoresCheckpoint],
        a_failover,
        AT_MOST_ONCE,
    ),
    case(&[FenceOfTheLease, NoLeaseId], takeovers, ONE_OWNER),
    // It would take rows that the start over had removed for rows of its own.
    case(
        &[NoFenceInTheLease],
        a_forgotten_start_over,
        STARTED_OVER_FIRST,
    ),
    case(&[RescueWithoutGuard], takeovers, STAYS_LOADED),
    // Rows and checkpoint.
    case(&[AdvanceDoesNotRaise], takeovers, AT_MOST_ONCE),
    case(&[AdvanceDoesNotRaise], takeovers, CHECKPOINT),
    case(&[AdvanceIgnoresCheckpoint], a_crash, COMPLETE),
    case(&[CheckpointApart], takeovers, AT_MOST_ONCE),
    case(&[ReplayDeletesFirst], a_replay, AT_MOST_ONCE),
    case(&[StartOverUnfenced], a_replay, ONE_OWNER),
    // The lost answer.
    case(&[RetryBlindly], takeovers, NO_DOUBT),
    case(
        &[RetryBlindly, AdvanceIgnoresCheckpoint],
        takeovers,
        AT_MOST_ONCE,
    ),
    case(&[ReadBackPlainly], takeovers, NO_DOUBT),
    case(
        &[ReadBackPlainly, AdvanceIgnoresCheckpoint],
        takeovers,
        AT_MOST_ONCE,
    ),
    case(&[ReadBackWithoutEnding], takeovers, OWNER_GOES_ON),
    // Who stands in whose way.
    case(&[RowLockedFirst], takeovers, CAN_BE_TAKEN_OVER),
    case(&[NoReaper], takeovers, CAN_BE_LOADED),
    case(&[IdleForEver], a_stall, CAN_BE_LOADED),
];

fn takeovers() -> Setup {
    with(Faults {
        claims: 3,
        kills: 1,
        losses: 1,
        stops: 1,
        failures: 1,
        ..Faults::default()
    })
}

fn a_crash() -> Setup {
    with(Faults {
        claims: 2,
        crashes: 1,
        ..Faults::default()
    })
}

fn a_failover() -> Setup {
    with(Faults {
        claims: 2,
        failovers: 1,
        ..Faults::default()
    })
}

fn a_replay() -> Setup {
    with(Faults {
        claims: 2,
        replays: 1,
        ..Faults::default()
    })
}

fn a_forgotten_start_over() -> Setup {
    with(Faults {
        claims: 2,
        replays: 1,
        failovers: 1,
        ..Faults::default()
    })
}

fn a_stall() -> Setup {
    with(Faults {
        claims: 2,
        stalls: 1,
        ..Faults::default()
    })
}

fn with(faults: Faults) -> Setup {
    Setup {
        faults,
        ..Setup::calm()
    }
}

#[test]
fn what_falls_without_a_wall_stands_with_it() {
    for case in CASES {
        let without = case.without;
        let steps = counterexample(&(case.world)().mutated(without), case.falls);
        let steps = steps.unwrap_or_else(|| panic!("{without:?}: {} all the same", case.falls));
        println!("{without:?}: not so: {}\n    {steps:?}", case.falls);
        for wall in without {
            let others: Vec<Mutation> = without.iter().copied().filter(|w| w != wall).collect();
            let steps = counterexample(&(case.world)().mutated(&others), case.falls);
            assert_eq!(
                steps, None,
                "{wall:?} is back, and still not: {}",
                case.falls
            );
        }
    }
}

#[test]
fn every_wall_is_taken_out_once() {
    for wall in Mutation::ALL {
        let is_there = CASES.iter().any(|case| case.without.contains(&wall));
        assert!(is_there, "{wall:?}");
    }
}

#[test]
fn every_property_can_fall() {
    for property in ALWAYS {
        assert!(
            CASES.iter().any(|case| case.falls == property),
            "{property}"
        );
    }
}

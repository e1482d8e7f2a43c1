//! The protocol as it is: every state of some worlds, each of which lets other
//! things go wrong.

use arrivage_protocol::properties::{
    ALWAYS, BEHIND, FENCED, LEARNED_COMMITTED, LEARNED_NOT_COMMITTED, LOADED, OVERTAKEN, REAPED,
    RESCUED, STARTED_OVER,
};
use arrivage_protocol::{Faults, Protocol, Setup, counterexample};
use stateright::{Checker, Model};

/// Every world shows at least this.
const USUAL: [&str; 5] = [
    LOADED,
    FENCED,
    OVERTAKEN,
    LEARNED_COMMITTED,
    LEARNED_NOT_COMMITTED,
];

/// Visits all of the world. It must be no small one, and show what it is for.
fn check(setup: Setup, at_least: usize, shows: &[&str]) {
    let checker = Protocol::new(setup.clone()).checker().spawn_bfs().join();
    let discoveries = checker.discoveries();
    for name in ALWAYS {
        if discoveries.contains_key(name) {
            let steps = counterexample(&setup, name);
            panic!("not so: {name}: {steps:?}");
        }
    }
    for name in USUAL.iter().chain(shows) {
        assert!(discoveries.contains_key(name), "never seen: {name}");
    }
    let states = checker.unique_state_count();
    assert!(states >= at_least, "only {states} states");
}

#[test]
fn an_arrival_goes_from_one_processor_to_the_next() {
    let setup = Setup {
        faults: Faults {
            claims: 4,
            kills: 2,
            losses: 2,
            stops: 1,
            failures: 1,
            stalls: 1,
            ..Faults::default()
        },
        ..Setup::calm()
    };
    check(setup, 250_000, &[RESCUED, REAPED]);
}

#[test]
fn three_processors_that_cut_a_file_differently() {
    let setup = Setup {
        processors: 3,
        cuts: [1, 2, 1, 1],
        faults: Faults {
            claims: 4,
            kills: 1,
            losses: 1,
            ..Faults::default()
        },
        ..Setup::calm()
    };
    check(setup, 100_000, &[RESCUED, REAPED]);
}

#[test]
fn chunks_of_one_file_on_two_connections() {
    let setup = Setup {
        records: 4,
        connections: 2,
        faults: Faults {
            claims: 3,
            kills: 1,
            losses: 1,
            crashes: 1,
            ..Faults::default()
        },
        ..Setup::calm()
    };
    check(setup, 50_000, &[BEHIND, RESCUED, REAPED]);
}

#[test]
fn a_database_that_forgets() {
    let setup = Setup {
        processors: 3,
        faults: Faults {
            claims: 3,
            losses: 1,
            crashes: 1,
            failovers: 1,
            ..Faults::default()
        },
        ..Setup::calm()
    };
    check(setup, 500_000, &[BEHIND, RESCUED, REAPED]);
}

#[test]
fn a_person_orders_replays() {
    let setup = Setup {
        cuts: [1, 2, 1, 1],
        faults: Faults {
            claims: 3,
            kills: 1,
            losses: 1,
            replays: 2,
            ..Faults::default()
        },
        ..Setup::calm()
    };
    check(setup, 200_000, &[STARTED_OVER, RESCUED, REAPED]);
}

#[test]
fn everything_once() {
    let setup = Setup {
        records: 2,
        faults: Faults {
            claims: 3,
            kills: 1,
            losses: 1,
            stops: 1,
            failures: 1,
            stalls: 0,
            crashes: 1,
            failovers: 0,
            replays: 1,
        },
        ..Setup::calm()
    };
    check(setup, 150_000, &[BEHIND, STARTED_OVER, RESCUED, REAPED]);
}

#[test]
fn a_replay_and_a_failover() {
    let setup = Setup {
        records: 2,
        faults: Faults {
            claims: 3,
            kills: 1,
            losses: 1,
            failovers: 1,
            replays: 1,
            ..Faults::default()
        },
        ..Setup::calm()
    };
    check(setup, 300_000, &[BEHIND, STARTED_OVER, RESCUED, REAPED]);
}

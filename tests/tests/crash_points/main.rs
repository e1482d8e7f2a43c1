//! At every named place of the program (crate `arrivage-fault`) a process is killed, stopped past its
//! lease, or cut off from its database; and every record stands once, the ledger knows what happened,
//! and nothing counts as a failure that is none.
//!
//! The places of the queue are in `arrivals/queue_points.rs`, beside the queue.
#![cfg(debug_assertions)]

mod endings;
mod loads;
mod registering;
mod replays;
mod starts;
mod strike;
mod together;
mod zombies;

use std::collections::HashSet;

use arrivage_fault::Point;

/// Where the queue's own test is.
const QUEUE: [Point; 3] = [
    Point::QueueReceived,
    Point::QueueBeforeDelete,
    Point::QueueDeleted,
];

#[test]
fn no_place_is_left_out() {
    let places = [
        &loads::PLACES.map(|(point, _)| point)[..],
        &endings::PLACES,
        &replays::PLACES,
        &registering::PLACES,
        &registering::MIGRATION,
        &QUEUE,
        // Struck together with the loss of a COMMIT's answer.
        &[Point::StandingBegun],
        &starts::PLACES,
    ];
    let struck: HashSet<Point> = places.concat().into_iter().collect();
    let left_out: Vec<_> = Point::ALL
        .iter()
        .filter(|point| !struck.contains(point))
        .collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}

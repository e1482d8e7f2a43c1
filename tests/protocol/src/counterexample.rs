//! The shortest way to a state that should not be.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use crate::actions::Action;
use crate::{Protocol, Setup};

/// The fewest steps after which the property does not hold, if there are any.
///
/// The first way that a search comes upon is not the shortest: it looks at
/// hundreds of states between two looks at what it found.
#[must_use]
pub fn counterexample(setup: &Setup, property: &'static str) -> Option<Vec<Action>> {
    let mut shortest = search(setup, property, usize::MAX)?;
    while let Some(shorter) = search(setup, property, shortest.len()) {
        shortest = shorter;
    }
    Some(shortest)
}

/// A way of fewer steps than these.
fn search(setup: &Setup, property: &'static str, steps: usize) -> Option<Vec<Action>> {
    let checker = Protocol::new(setup.clone())
        .checker()
        .finish_when(HasDiscoveries::AllOf(BTreeSet::from([property])))
        // The initial state counts as a step of the search, and its last ones are
        // not looked at.
        .target_max_depth(steps.saturating_add(1))
        .spawn_bfs()
        .join();
    checker
        .discovery(property)
        .map(stateright::Path::into_actions)
}

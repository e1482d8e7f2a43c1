//! `docs/faults.md` as a test: every test that it names is there, and every fault has one.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;

use xtask::place::workspace;

/// The lines of the catalogue.
const WANTED: RangeInclusive<u32> = 1..=87;

/// Of each row that begins with a number, the tests in it: `path::name`.
fn named() -> BTreeMap<u32, Vec<(String, String)>> {
    let page = fs::read_to_string(workspace().join("docs/faults.md")).expect("the page");
    let mut named = BTreeMap::new();
    for line in page.lines() {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let number = cells.next().and_then(|cell| cell.parse().ok());
        let Some(number) = number else { continue };
        let quoted = line.split('`').skip(1).step_by(2);
        let tests = quoted.filter_map(|words| {
            let (path, name) = words.split_once(".rs::")?;
            Some((format!("{path}.rs"), name.to_owned()))
        });
        named.insert(number, tests.collect());
    }
    named
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let mut missing = Vec::new();
    for (number, tests) in named() {
        for (path, name) in tests {
            let text = fs::read_to_string(workspace().join(&path)).unwrap_or_default();
            // A case of a conformance suite is generic over what it is run on.
            let found = ["(", "<"].map(|next| text.contains(&format!("fn {name}{next}")));
            if !found.contains(&true) {
                missing.push(format!("{number}: {path}::{name}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_fault_has_a_test() {
    let named = named();
    let without: Vec<u32> = WANTED
        .filter(|number| named.get(number).is_none_or(Vec::is_empty))
        .collect();
    assert_eq!(without, Vec::<u32>::new());
}

/// Fault 21: moments are the database's, so that a wrong clock of a machine moves no lease.
#[test]
fn the_ledger_never_asks_the_clock_of_its_machine() {
    let mut asks = Vec::new();
    let mut folders = vec![workspace().join("crates/ledger/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("text");
            let clocks = ["Utc::now", "Local::now", "SystemTime::now"];
            if clocks.iter().any(|clock| text.contains(clock)) {
                asks.push(path);
            }
        }
    }
    assert!(asks.is_empty(), "{asks:?}");
}

use std::collections::{BTreeMap, BTreeSet};

use arrivage_model::{ETag, Location};
use proptest::prelude::*;

use super::*;

const PIPELINE: &str = "orders";

fn listed(key: &str, tag: &str, latest_counts: bool) -> Listed {
    Listed {
        object: Object {
            location: Location::s3("drop", key),
            etag: ETag::parse(tag).expect("a tag"),
            version_id: None,
            size: None,
            last_modified: None,
            sequencer: None,
        },
        taker: Taker::Pipeline {
            name: PIPELINE.to_owned(),
            latest_counts,
        },
    }
}

/// Loaded ones rest in the order of their ids.
fn content(id: i64, key: &str, tag: &str, state: State) -> Content {
    Content {
        key: key.to_owned(),
        etag: ETag::parse(tag).expect("a tag"),
        pipeline: PIPELINE.to_owned(),
        id: ArrivalId(id),
        state,
        finished_at: DateTime::from_timestamp(id, 0),
    }
}

/// What is met, a word and a key each, in pages of this size.
fn merged(objects: &[Listed], contents: &[Content], page: usize) -> Vec<String> {
    let mut objects = objects.chunks(page).peekable();
    let mut contents = contents.chunks(page).peekable();
    let mut merge = Merge::new(Some(ArrivalId(1000)));
    let mut met = Vec::new();
    loop {
        match merge.step() {
            Step::WantObjects => {
                let next = objects.next().unwrap_or_default().to_vec();
                let is_last = objects.peek().is_none();
                merge.push_objects(next, is_last).expect("sorted");
            }
            Step::WantContents => {
                let next = contents.next().unwrap_or_default().to_vec();
                merge.push_contents(next, contents.peek().is_none());
            }
            Step::Over => return met,
            Step::Met(Met::Settled) => {}
            Step::Met(Met::Known) => met.push("known".to_owned()),
            Step::Met(Met::Missing(it)) => met.push(format!("missing {}", it.object.location.key)),
            Step::Met(Met::Changed(it)) => met.push(format!("changed {}", it.object.location.key)),
            Step::Met(Met::Aside(it)) => met.push(format!("aside {}", it.object.location.key)),
            Step::Met(Met::Vanished(it)) => met.push(format!("vanished {} {}", it.key, it.id)),
        }
    }
}

#[test]
fn keys_are_told_apart() {
    use State::{Dismissed, Failed, Loaded, Superseded, Unloaded, Waiting};
    let check = |objects: &[Listed], contents: &[Content], expect: &[&str]| {
        for page in 1..4 {
            assert_eq!(merged(objects, contents, page), expect, "pages of {page}");
        }
    };
    let a = || listed("a", "1", false);
    check(&[], &[], &[]);
    check(&[a()], &[], &["missing a"]);
    check(&[a()], &[content(1, "a", "1", Waiting)], &["known"]);
    check(&[a()], &[content(1, "a", "2", Loaded)], &["changed a"]);
    check(
        &[a()],
        &[content(1, "a", "1", Failed), content(2, "a", "2", Loaded)],
        &["known"],
    );
    for (state, expect) in [
        (Waiting, &["vanished b 1"][..]),
        (State::Loading, &["vanished b 1"]),
        (Loaded, &["vanished b 1"]),
        (Failed, &["vanished b 1"]),
        (Superseded, &[]),
        (Dismissed, &[]),
        (Unloaded, &[]),
    ] {
        check(&[], &[content(1, "b", "1", state)], expect);
    }
    // One object, however many contents it had.
    check(
        &[a(), listed("c", "1", false)],
        &[
            content(1, "b", "1", Superseded),
            content(7, "b", "2", Loaded),
            content(3, "b", "3", Loaded),
        ],
        &["missing a", "vanished b 7", "missing c"],
    );
    // Registered while the listing went on: that it lacks them says nothing.
    check(&[], &[content(1001, "b", "1", Waiting)], &[]);
}

#[test]
fn an_older_content_that_stands_there_again_counts_where_the_latest_does() {
    let contents = [
        content(1, "a", "1", State::Loaded),
        content(2, "a", "2", State::Loaded),
    ];
    let check = |tag: &str, latest_counts: bool, expect: &str| {
        assert_eq!(
            merged(&[listed("a", tag, latest_counts)], &contents, 1),
            [expect]
        );
    };
    check("1", true, "changed a");
    check("2", true, "known");
    check("1", false, "known");
}

#[test]
fn the_arrival_of_another_pipeline_is_not_this_ones() {
    let mut other = content(1, "a", "1", State::Loaded);
    other.pipeline = "other".to_owned();
    assert_eq!(
        merged(&[listed("a", "1", false)], &[other], 1),
        ["missing a"]
    );
    let mut nobodys = listed("a", "1", false);
    nobodys.taker = Taker::Nobody;
    let waiting = content(1, "a", "1", State::Waiting);
    assert_eq!(merged(&[nobodys], &[waiting], 1), ["aside a"]);
}

#[test]
fn keys_that_do_not_ascend_are_noticed_within_a_page_and_across() {
    let key = |key: &str| listed(key, "1", false);
    let mut merge = Merge::new(None);
    assert_eq!(
        merge.push_objects(vec![key("b"), key("a")], true),
        Err(Unsorted)
    );
    let mut merge = Merge::new(None);
    assert_eq!(merge.push_objects(vec![key("b")], false), Ok(()));
    assert_eq!(merge.push_objects(vec![key("b")], true), Err(Unsorted));
}

#[test]
fn a_million_keys_are_held_a_page_at_a_time() {
    const KEYS: usize = 1_000_000;
    const PAGE: usize = 1000;
    let key = |nth: usize| format!("{nth:07}");
    let (mut objects, mut contents, mut most) = (0, 0, 0);
    let (mut known, mut missing, mut vanished) = (0, 0, 0);
    let mut merge = Merge::new(Some(ArrivalId(i64::MAX)));
    loop {
        most = most.max(merge.objects.page.len() + merge.contents.page.len());
        match merge.step() {
            // The store lacks every hundredth, the ledger every thousandth and first.
            Step::WantObjects => {
                let page = (objects..objects + PAGE).filter(|nth| nth % 100 != 0);
                let page = page.map(|nth| listed(&key(nth), "1", false)).collect();
                objects += PAGE;
                let pushed = merge.push_objects(page, objects == KEYS);
                pushed.expect("sorted");
            }
            Step::WantContents => {
                let page = (contents..contents + PAGE).filter(|nth| nth % 1000 != 1);
                let id = |nth: usize| i64::try_from(nth).expect("small");
                let page = page.map(|nth| content(id(nth), &key(nth), "1", State::Loaded));
                contents += PAGE;
                merge.push_contents(page.collect(), contents == KEYS);
            }
            Step::Met(Met::Known) => known += 1,
            Step::Met(Met::Missing(_)) => missing += 1,
            Step::Met(Met::Vanished(_)) => vanished += 1,
            Step::Met(other) => panic!("{other:?}"),
            Step::Over => break,
        }
    }
    assert_eq!((known, missing, vanished), (989_000, 1000, 10_000));
    assert!(most <= 2 * PAGE, "{most} held");
}

const STATES: [State; 4] = [
    State::Waiting,
    State::Loaded,
    State::Superseded,
    State::Failed,
];

proptest! {
    #[test]
    fn the_merge_says_what_a_comparison_of_sets_says(
        objects in prop::collection::btree_map("[ab/.]{1,3}", "[12]", 0..12),
        contents in prop::collection::btree_map(("[ab/.]{1,3}", "[12]"), 0_usize..4, 0..16),
        page in 1_usize..5,
    ) {
        let listing: Vec<Listed> =
            objects.iter().map(|(key, tag)| listed(key, tag, false)).collect();
        let ledger: Vec<Content> = (1..)
            .zip(&contents)
            .map(|(id, ((key, tag), state))| content(id, key, tag, STATES[*state]))
            .collect();

        let keys: BTreeSet<&str> = contents.keys().map(|(key, _)| key.as_str()).collect();
        let mut expect = BTreeMap::new();
        let mut known = 0;
        for (key, tag) in &objects {
            if contents.contains_key(&(key.clone(), tag.clone())) {
                known += 1;
            } else if keys.contains(key.as_str()) {
                expect.insert(key.clone(), format!("changed {key}"));
            } else {
                expect.insert(key.clone(), format!("missing {key}"));
            }
        }
        for content in &ledger {
            let is_open = content.state != State::Superseded;
            if is_open && !objects.contains_key(&content.key) {
                let line = format!("vanished {} {}", content.key, content.id);
                expect.insert(content.key.clone(), line);
            }
        }
        let mut met = merged(&listing, &ledger, page);
        let before = met.len();
        met.retain(|line| line != "known");
        prop_assert_eq!(before - met.len(), known);
        prop_assert_eq!(met, expect.into_values().collect::<Vec<_>>());
    }
}

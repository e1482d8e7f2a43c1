//! Which of two contents of a key may load after the other.

use arrivage_ledger::{LedgerError, Registered, Registration, Scope};
use arrivage_model::{ArrivalId, Checkpoint, Object, Order, State};
use chrono::{DateTime, Utc};

use super::world::{failure, found, object};
use super::{Database, World};

/// A content of the object `a`, written so many seconds into a day.
fn content(etag: &str, seconds: Option<i64>, sequencer: Option<&str>) -> Registration {
    let written = |seconds| DateTime::<Utc>::from_timestamp(1_790_000_000 + seconds, 0);
    Registration {
        object: Object {
            last_modified: seconds.and_then(written),
            sequencer: sequencer.map(str::to_owned),
            ..object("a", etag)
        },
        ..found("a")
    }
}

impl<D: Database> World<D> {
    async fn claim_one(&self, id: ArrivalId) -> arrivage_ledger::Claim {
        let scope = Scope::One {
            id,
            taking_over: false,
        };
        self.try_claim("owner", scope).await.expect("claimable")
    }
}

pub(crate) async fn newer_is_what_was_written_later<D: Database>() {
    // The first content, the second one, and which of them is the newer.
    let table = [
        ((Some(1), None), (Some(2), None), 1),
        ((Some(2), None), (Some(1), None), 0),
        // Written in the same second: the sequencer tells, padded on the right.
        ((Some(1), Some("0A2")), (Some(1), Some("0a1F")), 0),
        ((Some(1), Some("0a1F")), (Some(1), Some("0A2")), 1),
        ((Some(1), Some("0a")), (Some(1), Some("0A00")), 1),
        ((Some(2), Some("01")), (Some(1), Some("02")), 0),
        // Nothing else is known: what was registered later.
        ((None, Some("ff")), (Some(1), None), 1),
        ((None, None), (None, None), 1),
    ];
    for (first, second, newer) in table {
        let world = World::<D>::new().await;
        let first_id = world.notify(content("e1", first.0, first.1)).await.id();
        let second_id = world.notify(content("e2", second.0, second.1)).await.id();
        let ids = [first_id, second_id];
        let newest = world.claim_one(ids[newer]).await;
        assert!(!newest.overtaken, "{first:?} {second:?}");
        let older = world.claim_one(ids[1 - newer]).await;
        assert!(older.overtaken, "{first:?} {second:?}");
    }
}

pub(crate) async fn an_older_content_commits_nothing_after_a_newer_one_is_loading<D: Database>() {
    let world = World::<D>::new().await;
    let mut orders = world.destination().await;
    orders.order = Order::Newest;
    let old = world.notify(content("e1", Some(1), None)).await.id();
    let claim = world.claim("slow").await;
    assert!(!claim.overtaken);
    let start = Checkpoint::default();
    let at = world.load(&claim.lease, &orders, &start, &[1]).await;
    let at = at.expect("nothing newer is known");
    let new = world.notify(content("e2", Some(2), None)).await.id();
    let at = world.load(&claim.lease, &orders, &at, &[2]).await;
    let at = at.expect("a newer one only waits");

    let newer = world.claim_one(new).await;
    let late = world.load(&claim.lease, &orders, &at, &[3]).await;
    assert!(matches!(late, Err(LedgerError::Overtaken)), "{late:?}");
    assert_eq!(world.numbers("orders").await, [1, 2]);
    orders.order = Order::Any;
    let at = world.load(&claim.lease, &orders, &at, &[4]).await;
    at.expect("any order is as good");

    let why = failure("a newer one came");
    let superseded = world
        .ledger
        .supersede(&claim.lease, Some(&orders.table), &why);
    superseded.await.expect("is answered");
    assert_eq!(world.arrival(old).await.state, State::Superseded);
    let loaded = world.load(&newer.lease, &orders, &start, &[5]).await;
    loaded.expect("the newest loads");
    assert_eq!(world.numbers("orders").await, [5]);
}

pub(crate) async fn a_content_that_comes_again_is_the_newest<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let first = world.notify(content("e1", Some(1), None)).await.id();
    world.load_whole(first, &orders, &[1]).await;
    let second = world.notify(content("e2", Some(2), None)).await.id();
    world.load_whole(second, &orders, &[2]).await;
    // Clocks may say that the other one is as new, or newer.
    let now = content("e1", Some(2), None).object;
    let anew = world.ledger.load_anew(first, &now).await;
    anew.expect("is answered");
    assert!(!world.claim_one(first).await.overtaken);
}

pub(crate) async fn a_new_message_makes_a_waiting_content_as_new_as_it_says<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let first = world.notify(content("e1", Some(1), None)).await.id();
    let second = world.notify(content("e2", Some(2), None)).await.id();
    world.load_whole(second, &orders, &[2]).await;
    let again = content("e1", Some(3), None);
    world.notify(again.clone()).await;
    assert!(!world.claim_one(first).await.overtaken);
    // The same message once more says nothing new.
    let late = Registration {
        object: content("e1", Some(9), None).object,
        ..again
    };
    world.notify(late).await;
    let seen = world.arrival(first).await.last_modified;
    assert_eq!(seen, content("e1", Some(3), None).object.last_modified);
}

pub(crate) async fn a_newer_content_that_is_half_loaded_holds_its_place<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let old = world.notify(content("e1", Some(1), None)).await.id();
    let new = world.notify(content("e2", Some(2), None)).await.id();
    let claim = world.claim_one(new).await;
    let start = Checkpoint::default();
    let at = world.load(&claim.lease, &orders, &start, &[1]).await;
    at.expect("loads");
    let why = failure("the table is locked");
    let given = world.ledger.give_back(
        &claim.lease,
        std::time::Duration::from_secs(3600),
        Some(&why),
    );
    given.await.expect("is answered");
    let claim = world.claim_one(old).await;
    assert!(claim.overtaken);
    // Unless the store says that it is the one which stands there now.
    world.ledger.newest(&claim.lease).await.expect("holds it");
    world.expire(old).await;
    assert!(!world.claim_one(old).await.overtaken);
    let stale = world.ledger.newest(&claim.lease).await;
    assert!(matches!(stale, Err(LedgerError::Fenced)), "{stale:?}");
}

pub(crate) async fn a_loaded_content_that_another_half_replaced_is_told_apart<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let first = world.notify(content("e1", Some(1), None)).await.id();
    world.load_whole(first, &orders, &[1]).await;
    let second = world.notify(content("e2", Some(2), None)).await.id();
    let claim = world.claim_one(second).await;
    let start = Checkpoint::default();
    let at = world.load(&claim.lease, &orders, &start, &[2]).await;
    at.expect("loads");
    let why = failure("overwritten");
    let superseded = world
        .ledger
        .supersede(&claim.lease, Some(&orders.table), &why);
    superseded.await.expect("is answered");
    let again = world.notify(content("e1", Some(3), None)).await;
    assert_eq!(again, Registered::LoadedBefore(first));
}

pub(crate) async fn what_stands_there_is_the_newest_where_no_time_is_known<D: Database>() {
    let world = World::<D>::new().await;
    let first = world.notify(content("e1", None, None)).await.id();
    let second = world.notify(content("e2", None, None)).await.id();
    let orders = world.destination().await;
    world.load_whole(second, &orders, &[2]).await;
    let claim = world.claim_one(first).await;
    assert!(claim.overtaken);
    world.ledger.newest(&claim.lease).await.expect("holds it");
    world.expire(first).await;
    assert!(!world.claim_one(first).await.overtaken);
}

use std::time::Duration;

use arrivage_ledger::{
    Destination, FoundBy, Pruned, Registered, Registration, Replay, Scope, Unloaded, Unreadable,
    removed_rejects,
};
use arrivage_model::{ArrivalId, Checkpoint, State};
use chrono::{DateTime, Utc};

use super::world::{LEASE, advance, found, last, numbers_from, reject};
use super::{Database, World};

const DAY: Duration = Duration::from_secs(86_400);

/// More than there is.
const ALL: usize = 100;

fn pruned(arrivals: u64, rejects: u64) -> Pruned {
    Pruned {
        arrivals,
        rejects,
        notifications: 0,
    }
}

impl<D: Database> World<D> {
    /// What goes, if a day is kept.
    async fn prune(&self, most: usize) -> Pruned {
        let pruned = self.ledger.prune(DAY, most).await;
        pruned.expect("prunes")
    }

    /// Claims the arrival, and loads one row and two rejects as its last chunk.
    async fn load_with_rejects(&self, id: ArrivalId, destination: &Destination) {
        let scope = Scope::One {
            id,
            taking_over: false,
        };
        let claim = self.try_claim("loader", scope).await.expect("claimable");
        let mut lease = claim.lease;
        let mut from = claim.checkpoint;
        if claim.restart {
            let restarting = self.ledger.restart(&lease, &destination.table, LEASE);
            lease = restarting.await.expect("restarts");
            from = Checkpoint::default();
        }
        let chunk = self.ledger.begin(&lease, destination).await;
        let mut chunk = chunk.expect("begins");
        let rows = numbers_from(from.records, &[7]);
        chunk.load(&rows, 0..1).await.expect("loads");
        let rejects = [reject(from.records + 2), reject(from.records + 3)];
        chunk.reject(&rejects).await.expect("rejects");
        let last = last(advance(&from, 1, 2));
        chunk.commit(&last).await.expect("commits");
    }

    /// A new arrival that was loaded with two rejects so long ago.
    async fn loaded_before(&self, key: &str, destination: &Destination, seconds: i64) -> ArrivalId {
        let id = self.register(key).await;
        self.load_with_rejects(id, destination).await;
        self.rests_since(id, seconds).await;
        id
    }

    async fn rests_since(&self, id: ArrivalId, seconds: i64) {
        let assignment = format!("finished_at = {}", D::moment(-seconds));
        self.set(id, &assignment).await;
    }

    async fn rejects(&self, id: ArrivalId) -> usize {
        let rejects = self.ledger.rejects(id, 0, ALL).await;
        rejects.expect("is answered").len()
    }

    async fn pruned_at(&self, id: ArrivalId) -> Option<DateTime<Utc>> {
        self.ledger.pruned_at(id).await.expect("is answered")
    }

    /// What is said of rejects that are not there any more.
    async fn says(&self, id: ArrivalId, listed: usize) -> Option<String> {
        let pruned_at = self.pruned_at(id).await;
        removed_rejects(&self.arrival(id).await, pruned_at, listed)
    }

    /// What the checkpoint keeps of how the file was read, and what it was read with.
    async fn kept(&self, id: ArrivalId) -> String {
        let table = self.table("arrival");
        let sql = format!("SELECT checkpoint_state, reading FROM {table} WHERE id = {id}");
        self.database.sql(&sql).await.trim().to_owned()
    }
}

const TWO_DAYS: i64 = 2 * 86_400;
const AN_HOUR: i64 = 3600;

pub(crate) async fn of_an_old_arrival_the_rejects_go_and_its_identity_stays<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let old = world.loaded_before("old", &orders, TWO_DAYS).await;
    let young = world.loaded_before("young", &orders, AN_HOUR).await;
    let before = world.arrival(old).await;
    assert_eq!(world.kept(old).await, "after 3|as declared");

    assert_eq!(world.prune(ALL).await, pruned(1, 2));
    assert_eq!(world.rejects(old).await, 0);
    assert_eq!(world.kept(old).await, "|");
    let after = world.arrival(old).await;
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert!(world.pruned_at(old).await > before.finished_at);
    let says = world.says(old, 0).await.expect("they were");
    assert!(says.starts_with("its 2 rejects were removed on "), "{says}");

    assert_eq!(world.rejects(young).await, 2);
    assert_eq!(world.kept(young).await, "after 3|as declared");
    assert_eq!(world.pruned_at(young).await, None);
    assert!(world.prune(ALL).await.is_empty(), "it is done");

    // Announced again, found again, adopted: it is known, and not loaded again.
    let again = Registration {
        found_by: FoundBy::Listing,
        ..found("old")
    };
    for registration in [found("old"), again.clone()] {
        let known = world.notify(registration).await;
        assert_eq!(known, Registered::Known(old, State::Loaded));
    }
    let adopted = world.ledger.adopt(&[again]).await.expect("answers");
    assert_eq!(adopted, [Registered::Known(old, State::Loaded)]);
    assert_eq!(world.arrival(old).await.duplicate_notifications, 1);
    assert!(world.try_claim("owner", Scope::Any).await.is_none());
    assert_eq!(world.numbers("orders").await, [7, 7]);
}

pub(crate) async fn what_may_go_on_keeps_its_checkpoint_and_what_does_not_rest_keeps_all<
    D: Database,
>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let whole = "after 3|as declared";
    let table = [
        (State::Waiting, 2, whole),
        (State::Loading, 2, whole),
        (State::Loaded, 0, "|"),
        (State::Failed, 2, whole),
        (State::Superseded, 0, whole),
        (State::Dismissed, 0, whole),
        (State::Unloaded, 2, whole),
    ];
    let mut ids = Vec::new();
    for (state, ..) in table {
        let key = state.as_str();
        let id = world.loaded_before(key, &orders, TWO_DAYS).await;
        let lease = D::moment(AN_HOUR);
        world
            .set(id, &format!("state = '{state}', lease_until = {lease}"))
            .await;
        ids.push(id);
    }
    assert_eq!(world.prune(ALL).await, pruned(3, 6));
    for (id, (state, rejects, kept)) in ids.into_iter().zip(table) {
        assert_eq!(world.rejects(id).await, rejects, "{state}");
        assert_eq!(world.kept(id).await, kept, "{state}");
        let is_pruned = world.pruned_at(id).await.is_some();
        assert_eq!(is_pruned, rejects == 0, "{state}");
    }
}

pub(crate) async fn no_more_are_pruned_at_once_than_asked_for_oldest_first<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let mut ids = Vec::new();
    for (key, seconds) in [("c", 3), ("a", 5), ("d", 2), ("b", 4), ("e", 1)] {
        let id = world.loaded_before(key, &orders, TWO_DAYS + seconds).await;
        ids.push((key, id));
    }
    ids.sort_unstable();
    let done = async || {
        let mut done = String::new();
        for (key, id) in &ids {
            if world.pruned_at(*id).await.is_some() {
                done += key;
            }
        }
        done
    };
    for expect in ["ab", "abcd"] {
        assert_eq!(world.prune(2).await, pruned(2, 4));
        assert_eq!(done().await, expect);
    }
    assert_eq!(world.prune(2).await, pruned(1, 2));
    assert!(world.prune(2).await.is_empty());

    // Of those with very many rejects, fewer.
    for (_, id) in &ids {
        let many = "records_rejected = 6000, pruned_at = NULL";
        world.set(*id, many).await;
    }
    assert_eq!(world.prune(ALL).await, pruned(1, 0));
}

pub(crate) async fn what_was_pruned_and_starts_over_keeps_its_new_rejects<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.loaded_before("a", &orders, TWO_DAYS).await;
    assert_eq!(world.prune(ALL).await, pruned(1, 2));
    let replay = world.ledger.replay(&[id], Replay::FromStart).await;
    replay.expect("is answered");
    world.load_with_rejects(id, &orders).await;

    assert!(world.prune(ALL).await.is_empty(), "it rests since now");
    let loaded = world.arrival(id).await;
    assert_eq!(loaded.state, State::Loaded);
    assert_eq!((loaded.records_loaded, loaded.records_rejected), (1, 2));
    assert_eq!(world.says(id, 2).await, None);
    assert_eq!(world.rejects(id).await, 2);
    assert_eq!(world.numbers("orders").await, [7]);
    world.rests_since(id, TWO_DAYS).await;
    assert_eq!(world.prune(ALL).await, pruned(1, 2));
}

pub(crate) async fn what_was_pruned_and_goes_on_is_pruned_again<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let chunk = world.ledger.begin(&claim.lease, &orders).await;
    let mut chunk = chunk.expect("begins");
    chunk.reject(&[reject(1)]).await.expect("rejects");
    let half = advance(&claim.checkpoint, 0, 1);
    chunk.commit(&half).await.expect("commits");
    world.ledger.cancel(&[id]).await.expect("cancels");
    world.rests_since(id, TWO_DAYS).await;
    assert_eq!(world.prune(ALL).await, pruned(1, 1));

    let replay = world.ledger.replay(&[id], Replay::Continue).await;
    replay.expect("is answered");
    let claim = world.claim("owner").await;
    assert_eq!(claim.checkpoint, half.to);
    assert_eq!(claim.reading.as_deref(), Some("as declared"));
    let back = world.ledger.give_back(&claim.lease, Duration::ZERO, None);
    back.await.expect("gives it back");
    world.load_with_rejects(id, &orders).await;
    let loaded = world.arrival(id).await;
    assert_eq!((loaded.records_rejected, world.rejects(id).await), (3, 2));
    let says = world.says(id, 2).await.expect("one was removed");
    assert!(says.starts_with("its rejects from before were"), "{says}");
    assert!(world.prune(ALL).await.is_empty(), "it rests since now");

    world
        .set(id, &format!("pruned_at = {}", D::moment(-2 * TWO_DAYS)))
        .await;
    world.rests_since(id, TWO_DAYS).await;
    assert_eq!(world.prune(ALL).await, pruned(1, 2));
    assert!(world.prune(ALL).await.is_empty());
}

pub(crate) async fn what_was_pruned_can_be_unloaded<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.loaded_before("a", &orders, TWO_DAYS).await;
    assert_eq!(world.prune(ALL).await, pruned(1, 2));
    let unloaded = world.ledger.unload(id, &orders.table).await;
    let done = Unloaded::Done {
        rows: 1,
        of: 1,
        rejects: 0,
    };
    assert_eq!(unloaded.expect("is answered"), done);
    assert!(world.numbers("orders").await.is_empty());
    assert_eq!(world.pruned_at(id).await, None);
}

pub(crate) async fn two_that_prune_at_once_take_nothing_twice<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    for nth in 0..30 {
        let key = format!("{nth}");
        world.loaded_before(&key, &orders, TWO_DAYS).await;
    }
    let young = world.loaded_before("young", &orders, AN_HOUR).await;
    let prune = async || {
        let ledger = world.database.ledger();
        let mut all = Pruned::default();
        loop {
            let pruned = ledger.prune(DAY, 4).await.expect("prunes");
            if pruned.is_empty() {
                return all;
            }
            all += pruned;
        }
    };
    let (mut all, other) = tokio::join!(prune(), prune());
    all += other;
    // One may have found the last of them held by the other.
    all += prune().await;
    assert_eq!(all, pruned(30, 60));
    assert_eq!(world.count("reject").await, 2);
    assert_eq!(world.rejects(young).await, 2);
}

pub(crate) async fn old_unreadable_notifications_go_too<D: Database>() {
    let world = World::<D>::new().await;
    let notification = |body: &str| Unreadable {
        source: "queue".to_owned(),
        body: body.to_owned(),
        reason: "no JSON".to_owned(),
    };
    let bodies = ["a", "b", "c", "young"].map(notification);
    world.ledger.keep_unreadable(&bodies).await.expect("keeps");
    let table = world.table("unreadable_notification");
    let past = D::moment(-TWO_DAYS);
    world
        .database
        .sql(&format!(
            "UPDATE {table} SET received_at = {past} WHERE body <> 'young'"
        ))
        .await;
    for expect in [2, 1, 0] {
        assert_eq!(world.prune(2).await.notifications, expect);
    }
    let left = format!("SELECT body FROM {}", world.table("unreadable"));
    assert_eq!(world.database.sql(&left).await.trim(), "young");
}

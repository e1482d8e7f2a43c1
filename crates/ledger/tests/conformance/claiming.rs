use std::time::Duration;

use arrivage_ledger::{Declared, Paused, Registration, Scope};
use arrivage_model::{ArrivalId, Checkpoint, ErrorCode, State};

use super::scoping::one;
use super::world::{LEASE, failure, found};
use super::{Database, World};

pub(crate) async fn nothing_is_claimed_when_nothing_waits<D: Database>() {
    let world = World::<D>::new().await;
    let claim = async |pipelines: &[&str]| {
        let pipelines: Vec<String> = pipelines.iter().map(|&name| name.to_owned()).collect();
        let claim = world
            .ledger
            .claim(&pipelines, &Scope::Any, "owner", LEASE)
            .await;
        claim
            .expect("is answered")
            .claim
            .map(|claim| claim.arrival.id)
    };
    assert_eq!(claim(&["orders"]).await, None);
    let id = world.register("a").await;
    assert_eq!(claim(&[]).await, None);
    assert_eq!(claim(&["other", "undeclared"]).await, None);
    assert_eq!(claim(&["other", "orders"]).await, Some(id));
    assert_eq!(claim(&["orders"]).await, None, "it is loading");
}

pub(crate) async fn a_claim_raises_the_fence_and_counts_an_attempt<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    let claim = world.claim("pod-1").await;
    assert_eq!((claim.lease.arrival, claim.lease.fence.0), (id, 1));
    assert!(claim.is_fresh() && !claim.restart);
    assert_eq!((claim.barren, claim.reading), (1, None));

    let row = world.arrival(id).await;
    for arrival in [&claim.arrival, &row] {
        assert_eq!(arrival.state, State::Loading);
        assert_eq!((arrival.attempts, arrival.fence), (1, 1));
        assert_eq!(arrival.owner.as_deref(), Some("pod-1"));
        let started = arrival.started_at.expect("started");
        let length = arrival.lease_until.expect("leased") - started;
        assert!((length.num_seconds() - 3600).abs() <= 1, "{length}");
    }
}

pub(crate) async fn expired_arrivals_come_first_then_the_due_ones_oldest_first<D: Database>() {
    let world = World::<D>::new().await;
    let [late, early, same, expired, longer_expired] = {
        let mut ids = [ArrivalId(0); 5];
        for (nth, id) in ids.iter_mut().enumerate() {
            *id = world.register(&format!("key-{nth}")).await;
        }
        ids
    };
    for (id, due) in [(late, -10), (early, -30), (same, -10)] {
        world.set(id, &format!("due_at = {}", D::moment(due))).await;
    }
    for (id, since) in [(expired, -5), (longer_expired, -9)] {
        world.try_claim("lost", one(id)).await.expect("claimable");
        world
            .set(id, &format!("lease_until = {}", D::moment(since)))
            .await;
    }
    // Due at the same moment to the last digit: then the older arrival comes first.
    let arrival = world.table("arrival");
    let due = format!("due_at = (SELECT due_at FROM {arrival} WHERE id = {late})");
    world.set(same, &due).await;

    for expect in [longer_expired, expired, early, late, same] {
        assert_eq!(world.claim("owner").await.arrival.id, expect);
    }
}

pub(crate) async fn the_oldest_of_all_pipelines_comes_first<D: Database>() {
    let world = World::<D>::new().await;
    let both = ["orders".to_owned(), "other".to_owned()];
    let mut expect = Vec::new();
    for (pipeline, due) in [
        ("other", -40),
        ("orders", -20),
        ("other", -10),
        ("orders", -30),
    ] {
        let registration = Registration {
            pipeline: pipeline.to_owned(),
            ..found(&due.to_string())
        };
        let id = world.notify(registration).await.id();
        world.set(id, &format!("due_at = {}", D::moment(due))).await;
        expect.push((due, id));
    }
    expect.sort();
    for (_, expect) in expect {
        let claim = world.ledger.claim(&both, &Scope::Any, "owner", LEASE).await;
        let claim = claim.expect("is answered").claim.expect("claimable");
        assert_eq!(claim.arrival.id, expect);
    }
}

pub(crate) async fn what_is_due_later_is_not_claimed<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    world
        .ledger
        .give_back(&claim.lease, LEASE, None)
        .await
        .expect("gives back");
    for scope in [Scope::Any, Scope::Owner, Scope::Among(vec![id])] {
        assert!(
            world.try_claim("owner", scope.clone()).await.is_none(),
            "{scope:?}"
        );
    }
    world.set(id, &format!("due_at = {}", D::moment(-1))).await;
    assert_eq!(world.claim("owner").await.arrival.id, id);
}

pub(crate) async fn a_paused_pipeline_is_skipped_until_it_is_resumed<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    world
        .notify(Registration {
            pipeline: "other".to_owned(),
            ..found("b")
        })
        .await;
    let both = ["orders".to_owned(), "other".to_owned()];
    world
        .ledger
        .pause("orders", "the table is missing")
        .await
        .expect("pauses");
    let paused = world.ledger.paused(&both).await.expect("lists");
    assert_eq!(
        paused,
        [Paused {
            pipeline: "orders".to_owned(),
            reason: "the table is missing".to_owned(),
            by_person: false
        }]
    );
    assert!(
        world
            .ledger
            .paused(&both[1..])
            .await
            .expect("lists")
            .is_empty()
    );

    for scope in [Scope::Any, Scope::Owner, Scope::Among(vec![id]), one(id)] {
        assert!(
            world.try_claim("owner", scope.clone()).await.is_none(),
            "{scope:?}"
        );
    }
    let claim = world
        .ledger
        .claim(&both, &Scope::Any, "owner", LEASE)
        .await
        .expect("is answered");
    assert_eq!(
        claim
            .claim
            .expect("the other pipeline goes on")
            .arrival
            .pipeline,
        "other"
    );

    world.ledger.resume("orders").await.expect("resumes");
    assert!(world.ledger.paused(&both).await.expect("lists").is_empty());
    assert_eq!(world.claim("owner").await.arrival.id, id);
}

pub(crate) async fn an_expired_lease_goes_to_another_with_a_higher_fence<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let first = world.claim("lost").await;
    let to = world
        .load(&first.lease, &orders, &first.checkpoint, &[1, 2])
        .await
        .expect("loads");
    assert!(
        world.try_claim("heir", Scope::Any).await.is_none(),
        "the lease stands"
    );
    world.expire(id).await;
    let second = world.claim("heir").await;
    assert_eq!(second.lease.fence.0, first.lease.fence.0 + 1);
    assert_ne!(second.lease.id, first.lease.id);
    assert_eq!(second.checkpoint, to, "it goes on where the rows end");
    assert_eq!(second.reading.as_deref(), Some("as declared"));
    assert!(!second.is_fresh());
    assert_eq!(
        (second.arrival.attempts, second.arrival.owner.as_deref()),
        (2, Some("heir"))
    );
    assert_eq!(second.arrival.records_loaded, 2);
}

pub(crate) async fn an_expired_arrival_without_attempts_left_fails_in_the_claim<D: Database>() {
    let world = World::<D>::new().await;
    let poison = world.register("poison").await;
    let sound = world.register("sound").await;
    for attempt in 1..=3 {
        let claim = world
            .try_claim("victim", one(poison))
            .await
            .expect("attempts are left");
        assert_eq!(claim.barren, attempt);
        world.expire(poison).await;
    }
    let claimed = world.claimed("next", Scope::Any).await;
    let next = claimed.claim.expect("the others go on");
    assert_eq!(next.arrival.id, sound);
    let arrival = world.arrival(poison).await;
    let told: Vec<(ArrivalId, Option<&str>)> = claimed
        .used_up
        .iter()
        .map(|arrival| (arrival.id, arrival.error.as_deref()))
        .collect();
    assert_eq!(
        told,
        [(poison, arrival.error.as_deref())],
        "who claims is told"
    );
    assert_eq!((arrival.state, arrival.attempts), (State::Failed, 3));
    assert_eq!(
        arrival.error_code.as_deref(),
        Some(ErrorCode::AttemptsUsedUp.as_str())
    );
    let error = arrival.error.expect("it says how the last claim ended");
    assert_eq!(
        error,
        "its last 3 attempts ended without progress, the last one without a word: the lease of \
         victim ran out"
    );
    assert!(arrival.finished_at.is_some() && arrival.lease_until.is_none());
    let again = world.claimed("next", Scope::Any).await;
    assert!(again.claim.is_none() && again.used_up.is_empty());
}

pub(crate) async fn an_arrival_without_attempts_left_fails_also_where_nothing_else_waits<
    D: Database,
>() {
    let world = World::<D>::new().await;
    let declared = Declared {
        name: "orders".to_owned(),
        max_attempts: 1,
    };
    world.ledger.declare(&[declared]).await.expect("declares");
    let poison = world.register("poison").await;
    let claim = world.claim("victim").await;
    let why = failure("the disk was slow");
    let given_back = world
        .ledger
        .give_back(&claim.lease, Duration::ZERO, Some(&why));
    given_back.await.expect("gives back");
    world.claim("victim").await;
    world.expire(poison).await;
    let claimed = world.claimed("next", Scope::Any).await;
    assert!(claimed.claim.is_none());
    let error = claimed.used_up[0].error.as_deref();
    assert_eq!(
        error,
        Some(
            "its last attempt ended without a word: the lease of victim ran out; before that: \
             the disk was slow"
        )
    );
}

pub(crate) async fn nothing_fails_while_its_pipeline_is_paused<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    for _ in 1..=3 {
        world.claim("victim").await;
        world.expire(id).await;
    }
    let pause = world.ledger.pause("orders", "the table is missing").await;
    pause.expect("pauses");
    for scope in [Scope::Any, Scope::Owner, Scope::Among(vec![id]), one(id)] {
        let claimed = world.claimed("next", scope).await;
        assert!(claimed.claim.is_none() && claimed.used_up.is_empty());
    }
    assert_eq!(world.arrival(id).await.state, State::Loading);
    world.ledger.resume("orders").await.expect("resumes");
    let claimed = world.claimed("next", Scope::Any).await;
    assert_eq!(claimed.used_up.len(), 1);
    assert_eq!(world.arrival(id).await.state, State::Failed);
}

pub(crate) async fn progress_brings_the_attempts_back<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let mut checkpoint = Checkpoint::default();
    for attempt in 1..=5 {
        let claim = world.claim("spot").await;
        assert_eq!(
            claim.barren, 1,
            "claim {attempt} follows one that moved the checkpoint"
        );
        let next = world
            .load(&claim.lease, &orders, &checkpoint, &[attempt])
            .await;
        checkpoint = next.expect("loads");
        world.expire(id).await;
    }
    assert_eq!(world.claim("spot").await.arrival.attempts, 6);

    // What gives back after progress keeps its attempts; so does what gives back without any.
    world.expire(id).await;
    let claim = world.claim("spot").await;
    assert_eq!(claim.barren, 2);
    world
        .ledger
        .give_back(&claim.lease, Duration::ZERO, None)
        .await
        .expect("gives back");
    assert_eq!(world.claim("spot").await.barren, 2);
}

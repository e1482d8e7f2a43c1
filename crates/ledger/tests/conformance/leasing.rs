use std::time::Duration;

use arrivage_ledger::{LedgerError, Replay, Scope};
use arrivage_model::{Checkpoint, ErrorCode, Failure, Lease, LeaseId, State, Table};

use super::awaiting::awaited;
use super::world::{LEASE, advance, failure, last};
use super::{Database, World};

pub(crate) async fn a_renewed_lease_does_not_expire<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    world.expire(id).await;
    world
        .ledger
        .renew(&claim.lease, LEASE)
        .await
        .expect("nobody took it yet");
    assert!(world.try_claim("other", Scope::Any).await.is_none());
    let arrival = world.arrival(id).await;
    assert!(arrival.lease_until > arrival.started_at);
    assert_eq!(
        (arrival.attempts, arrival.fence),
        (1, 1),
        "a renewal is no claim"
    );
}

pub(crate) async fn a_lease_that_another_took_is_not_renewed<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    let claim = world.claim("lost").await;
    world.expire(id).await;
    let heir = world.claim("heir").await;
    let until = world.arrival(id).await.lease_until;
    let other_id = Lease {
        id: LeaseId::draw(),
        ..heir.lease
    };
    for lease in [claim.lease, other_id] {
        let renewed = world.ledger.renew(&lease, 2 * LEASE).await;
        assert!(matches!(renewed, Err(LedgerError::Fenced)), "{renewed:?}");
    }
    assert_eq!(world.arrival(id).await.lease_until, until);
    world
        .ledger
        .give_back(&heir.lease, Duration::ZERO, None)
        .await
        .expect("gives back");
    let renewed = world.ledger.renew(&heir.lease, LEASE).await;
    assert!(
        matches!(renewed, Err(LedgerError::Fenced)),
        "it was let go: {renewed:?}"
    );
}

pub(crate) async fn what_is_given_back_is_free_at_once_and_counts_nothing<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    for round in 1..=5 {
        let claim = world.claim("owner").await;
        assert_eq!((claim.barren, claim.arrival.attempts), (1, round));
        world
            .ledger
            .give_back(&claim.lease, Duration::ZERO, None)
            .await
            .expect("gives back");
        let arrival = world.arrival(id).await;
        assert_eq!((arrival.state, arrival.lease_until), (State::Waiting, None));
        assert_eq!((arrival.error, arrival.finished_at), (None, None));
    }
}

pub(crate) async fn what_is_given_back_with_a_delay_keeps_its_reason<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let why = failure("the store is busy");
    world
        .ledger
        .give_back(&claim.lease, LEASE, Some(&why))
        .await
        .expect("gives back");
    let arrival = world.arrival(id).await;
    assert_eq!(arrival.error.as_deref(), Some("the store is busy"));
    let wait = arrival.due_at.expect("due") - arrival.started_at.expect("started");
    assert!((3595..3660).contains(&wait.num_seconds()), "{wait}");
}

pub(crate) async fn a_failing_arrival_is_retried_until_its_attempts_are_used_up<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    let why = Failure {
        code: None,
        message: "a broken block".to_owned(),
    };
    for attempt in 1..=2 {
        let claim = world.claim("owner").await;
        let state = world
            .ledger
            .retry_later(&claim.lease, Duration::ZERO, &why)
            .await;
        assert_eq!(
            state.expect("is answered"),
            State::Waiting,
            "attempt {attempt}"
        );
        let arrival = world.arrival(id).await;
        assert_eq!(arrival.error.as_deref(), Some("a broken block"));
        assert_eq!((arrival.lease_until, arrival.finished_at), (None, None));
    }
    let claim = world.claim("owner").await;
    let state = world
        .ledger
        .retry_later(&claim.lease, Duration::ZERO, &why)
        .await;
    assert_eq!(state.expect("is answered"), State::Failed);
    let arrival = world.arrival(id).await;
    assert_eq!((arrival.state, arrival.attempts), (State::Failed, 3));
    assert_eq!(
        arrival.error_code.as_deref(),
        Some(ErrorCode::AttemptsUsedUp.as_str())
    );
    assert!(arrival.error.expect("a reason").contains("a broken block"));
    assert!(arrival.finished_at.is_some());
    assert!(world.try_claim("owner", Scope::Any).await.is_none());
}

pub(crate) async fn a_failed_arrival_rests_with_its_reason_and_its_rows<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    world
        .load(&claim.lease, &orders, &claim.checkpoint, &[1])
        .await
        .expect("loads");
    let why = Failure {
        code: Some(ErrorCode::Truncated),
        message: "ends early".to_owned(),
    };
    world.ledger.fail(&claim.lease, &why).await.expect("fails");
    let arrival = world.arrival(id).await;
    assert_eq!((arrival.state, arrival.lease_until), (State::Failed, None));
    assert_eq!(arrival.error_code.as_deref(), Some("truncated"));
    assert_eq!(arrival.error.as_deref(), Some("ends early"));
    assert!(arrival.finished_at.is_some());
    assert_eq!(
        (arrival.records_loaded, world.numbers("orders").await),
        (1, vec![1])
    );
    assert!(world.try_claim("owner", Scope::Any).await.is_none());
}

pub(crate) async fn no_stale_lease_moves_anything<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let lost = world.claim("lost").await.lease;
    world.expire(id).await;
    let held = world.claim("heir").await.lease;
    world
        .load(&held, &orders, &Checkpoint::default(), &[1])
        .await
        .expect("loads");
    let before = format!("{:?}", world.arrival(id).await);

    let same_fence = Lease {
        id: LeaseId::draw(),
        ..held
    };
    let same_id = Lease {
        fence: lost.fence,
        ..held
    };
    for lease in [lost, same_fence, same_id] {
        every_word_is_fenced(&world, &lease, &orders.table).await;
    }
    assert_eq!(format!("{:?}", world.arrival(id).await), before);
    assert_eq!(world.numbers("orders").await, [1]);

    // A person takes it from its processor, which learns it at its next word.
    let replayed = world.ledger.replay(&[id], Replay::ContinueByForce).await;
    replayed.expect("is answered");
    every_word_is_fenced(&world, &held, &orders.table).await;
    assert_eq!(world.arrival(id).await.state, State::Waiting);
}

pub(crate) async fn what_is_loaded_stays_loaded_whatever_its_lease_says_next<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let chunk = world.ledger.begin(&claim.lease, &orders).await;
    let chunk = chunk.expect("begins");
    let step = last(advance(&claim.checkpoint, 0, 0));
    chunk.commit(&step).await.expect("commits");
    let before = format!("{:?}", world.arrival(id).await);
    every_word_is_fenced(&world, &claim.lease, &orders.table).await;
    assert_eq!(format!("{:?}", world.arrival(id).await), before);
}

/// Says everything that the holder of a lease may say, and is refused.
async fn every_word_is_fenced<D: Database>(world: &World<D>, lease: &Lease, table: &Table) {
    let (ledger, why) = (&world.ledger, failure("stale"));
    let retried = ledger.retry_later(lease, Duration::ZERO, &why).await;
    let answers = [
        ("renew", ledger.renew(lease, LEASE).await),
        (
            "give_back",
            ledger.give_back(lease, Duration::ZERO, None).await,
        ),
        ("retry_later", retried.map(|_| ())),
        (
            "hold",
            ledger.hold(lease, &awaited(LEASE)).await.map(|_| ()),
        ),
        ("fail", ledger.fail(lease, &why).await),
        (
            "supersede",
            ledger.supersede(lease, Some(table), &why).await,
        ),
        (
            "restart",
            ledger.restart(lease, table, LEASE).await.map(|_| ()),
        ),
    ];
    for (word, answer) in answers {
        let fenced = matches!(answer, Err(LedgerError::Fenced));
        assert!(fenced, "{word}: {answer:?}");
    }
}

pub(crate) async fn reaping_without_expired_leases_ends_nothing<D: Database>() {
    let world = World::<D>::new().await;
    world.register("a").await;
    let claim = world.claim("owner").await;
    assert_eq!(world.ledger.reap().await.expect("is answered"), 0);
    world
        .ledger
        .renew(&claim.lease, LEASE)
        .await
        .expect("still held");
}

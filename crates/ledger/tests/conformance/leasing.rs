use std::time::Duration;

use arrivage_ledger::{Destination, LedgerError, Replay, Scope};
use arrivage_model::{Checkpoint, ErrorCode, Failure, Fence, Lease, LeaseId, State};

use super::world::{LEASE, advance, failure, last, numbers_from, reject};
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
        code: Some(ErrorCode::Corrupt),
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

/// Loads two rows and a reject of a first arrival, and a row of a second.
async fn half_loaded<D: Database>(world: &World<D>, orders: &Destination) -> Lease {
    let (id, other) = (world.register("a").await, world.register("b").await);
    let claim = world.claim("owner").await;
    assert_eq!(claim.arrival.id, id);
    let mut chunk = world
        .ledger
        .begin(&claim.lease, orders)
        .await
        .expect("begins");
    chunk
        .load(&numbers_from(0, &[1, 2]), 0..2)
        .await
        .expect("loads");
    chunk.reject(&[reject(3)]).await.expect("rejects");
    chunk
        .commit(&advance(&Checkpoint::default(), 2, 1))
        .await
        .expect("commits");
    world.load_whole(other, orders, &[7]).await;
    claim.lease
}

pub(crate) async fn a_superseded_arrival_leaves_no_rows_where_the_table_tells_them<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let lease = half_loaded(&world, &orders).await;
    let why = failure("the key was overwritten");
    world
        .ledger
        .supersede(&lease, Some(&orders.table), &why)
        .await
        .expect("supersedes");
    let arrival = world.arrival(lease.arrival).await;
    assert_eq!(
        (arrival.state, arrival.lease_until),
        (State::Superseded, None)
    );
    assert_eq!(arrival.error.as_deref(), Some("the key was overwritten"));
    assert!(arrival.finished_at.is_some());
    assert_eq!((arrival.records_loaded, arrival.records_rejected), (0, 0));
    assert_eq!(
        (arrival.checkpoint_records, arrival.checkpoint_offset),
        (0, 0)
    );
    assert_eq!(arrival.bytes_read, 0);
    assert_eq!(
        world.numbers("orders").await,
        [7],
        "the other arrival's row stays"
    );
    assert_eq!(world.count("reject").await, 0);
}

pub(crate) async fn a_superseded_arrival_keeps_its_rows_where_the_table_cannot_tell_them<D: Database>() {
    let world = World::<D>::new().await;
    world
        .database
        .sql("CREATE TABLE plain (number bigint)")
        .await;
    let plain = world.destination_of("plain").await;
    let lease = half_loaded(&world, &plain).await;
    let why = failure("the key was overwritten");
    world
        .ledger
        .supersede(&lease, Some(&plain.table), &why)
        .await
        .expect("supersedes");
    let arrival = world.arrival(lease.arrival).await;
    assert_eq!(arrival.state, State::Superseded);
    assert_eq!((arrival.records_loaded, arrival.checkpoint_records), (2, 3));
    assert_eq!(world.numbers("plain").await, [1, 2, 7]);
    assert_eq!(world.count("reject").await, 1);
}

pub(crate) async fn a_restart_removes_rows_and_rejects_and_raises_the_fence<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let old = half_loaded(&world, &orders).await;
    let new = world
        .ledger
        .restart(&old, &orders.table)
        .await
        .expect("restarts");
    assert_eq!((new.arrival, new.id), (old.arrival, old.id));
    assert!(new.fence > old.fence);
    let arrival = world.arrival(old.arrival).await;
    assert_eq!(
        (arrival.state, arrival.fence),
        (State::Loading, new.fence.0)
    );
    assert_eq!((arrival.records_loaded, arrival.records_rejected), (0, 0));
    assert_eq!((arrival.checkpoint_records, arrival.bytes_read), (0, 0));
    assert_eq!(
        world.numbers("orders").await,
        [7],
        "the other arrival's row stays"
    );
    assert_eq!(world.count("reject").await, 0);

    let stale = world
        .load(&old, &orders, &Checkpoint::default(), &[1])
        .await;
    assert!(matches!(stale, Err(LedgerError::NotMatched)), "{stale:?}");
    world
        .load(&new, &orders, &Checkpoint::default(), &[1])
        .await
        .expect("loads from the start");
    assert_eq!(world.numbers("orders").await, [1, 7]);
    world.expire(old.arrival).await;
    assert!(
        !world.claim("next").await.restart,
        "the order is carried out"
    );
}

pub(crate) async fn the_standing_tells_fenced_committed_and_behind_apart<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let standing = async |lease: &Lease| {
        let standing = world.ledger.standing(lease).await.expect("is answered");
        (
            standing.held,
            standing.state,
            standing.records,
            standing.offset,
        )
    };
    assert_eq!(
        standing(&claim.lease).await,
        (true, State::Loading, 0, 0),
        "nothing committed"
    );
    let to = world
        .load(&claim.lease, &orders, &Checkpoint::default(), &[1, 2])
        .await;
    let to = to.expect("loads");
    assert_eq!(
        standing(&claim.lease).await,
        (true, State::Loading, 2, 20),
        "committed"
    );
    world
        .set(id, "checkpoint_records = 1, checkpoint_offset = 10")
        .await;
    assert_eq!(
        standing(&claim.lease).await,
        (true, State::Loading, 1, 10),
        "behind"
    );
    world
        .set(id, "checkpoint_records = 2, checkpoint_offset = 20")
        .await;

    // Another lease: fenced, whatever the fence says after a crash.
    let other_id = Lease {
        id: LeaseId::draw(),
        ..claim.lease
    };
    let other_fence = Lease {
        fence: Fence(claim.lease.fence.0 - 1),
        ..claim.lease
    };
    for lease in [other_id, other_fence] {
        assert!(!standing(&lease).await.0);
    }
    // The answer to the last chunk's COMMIT may get lost too.
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &orders)
        .await
        .expect("begins");
    chunk
        .load(&numbers_from(2, &[3]), 0..1)
        .await
        .expect("loads");
    chunk
        .commit(&last(advance(&to, 1, 0)))
        .await
        .expect("commits");
    assert_eq!(standing(&claim.lease).await, (true, State::Loaded, 3, 30));
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
    let why = failure("stale");
    for lease in [lost, same_fence, same_id] {
        let ledger = &world.ledger;
        let answers = [
            ledger.renew(&lease, LEASE).await,
            ledger.give_back(&lease, Duration::ZERO, None).await,
            ledger
                .retry_later(&lease, Duration::ZERO, &why)
                .await
                .map(|_| ()),
            ledger.fail(&lease, &why).await,
            ledger.supersede(&lease, Some(&orders.table), &why).await,
            ledger.restart(&lease, &orders.table).await.map(|_| ()),
        ];
        for (nth, answer) in answers.into_iter().enumerate() {
            assert!(
                matches!(answer, Err(LedgerError::Fenced)),
                "statement {nth}: {answer:?}"
            );
        }
    }
    assert_eq!(format!("{:?}", world.arrival(id).await), before);
    assert_eq!(world.numbers("orders").await, [1]);

    // A person takes it from its processor, which learns it at its next word.
    let replayed = world.ledger.replay(&[id], Replay::ContinueByForce).await;
    replayed.expect("is answered");
    let answer = world.ledger.fail(&held, &why).await;
    assert!(matches!(answer, Err(LedgerError::Fenced)), "{answer:?}");
    assert_eq!(world.arrival(id).await.state, State::Waiting);
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

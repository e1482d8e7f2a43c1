use std::time::Duration;

use arrivage_ledger::{Destination, LedgerError, Replay, Replayed};
use arrivage_model::{Checkpoint, ErrorCode, Failure, Fence, Lease, LeaseId, State};

use super::world::{LEASE, advance, failure, last, numbers_from, reject};
use super::{Database, World};

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

/// Whether it has failed for good, or is tried again by itself.
pub(crate) async fn what_came_otherwise_than_stated_is_loaded_from_its_start<D: Database>() {
    for (code, from_start) in [
        (ErrorCode::Incomplete, true),
        (ErrorCode::TooManyRejects, false),
    ] {
        let why = Failure {
            code: Some(code),
            message: "its CRC64NVME is another".to_owned(),
        };
        let world = World::<D>::new().await;
        let orders = world.destination().await;
        let lease = half_loaded(&world, &orders).await;
        world.ledger.fail(&lease, &why).await.expect("fails");
        let replayed = world
            .ledger
            .replay(&[lease.arrival], Replay::Continue)
            .await;
        assert_eq!(replayed.expect("is answered"), [Replayed::Queued]);
        let claim = world.claim("owner").await;
        assert_eq!(claim.restart, from_start, "{code:?} failed");

        let world = World::<D>::new().await;
        let orders = world.destination().await;
        let lease = half_loaded(&world, &orders).await;
        let later = world.ledger.retry_later(&lease, Duration::ZERO, &why).await;
        assert_eq!(later.expect("is answered"), State::Waiting);
        let claim = world.claim("owner").await;
        assert_eq!(claim.restart, from_start, "{code:?} and again");
    }
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

pub(crate) async fn a_superseded_arrival_keeps_its_rows_where_the_table_cannot_tell_them<
    D: Database,
>() {
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
        .restart(&old, &orders.table, LEASE)
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

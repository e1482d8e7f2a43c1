use arrivage_ledger::LedgerError;
use arrivage_model::{Checkpoint, Lease, LeaseId, State};

use super::world::{advance, failure, last, numbers_from, reject};
use super::{Database, World};

pub(crate) async fn a_chunk_commits_rows_rejects_and_checkpoint_together<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &orders)
        .await
        .expect("begins");
    chunk
        .load(&numbers_from(0, &[11, 12]), 0..2)
        .await
        .expect("loads");
    chunk
        .reject(&[reject(3), reject(4)])
        .await
        .expect("rejects");
    chunk
        .load(&numbers_from(4, &[15]), 0..1)
        .await
        .expect("loads");
    chunk.reject(&[]).await.expect("rejects none");
    let step = advance(&Checkpoint::default(), 3, 2);
    chunk.commit(&step).await.expect("commits");

    let rows = "SELECT number, _arrival_id, _record FROM orders ORDER BY number";
    let expect = format!("11|{id}|1\n12|{id}|2\n15|{id}|5");
    assert_eq!(world.database.sql(rows).await.trim(), expect);
    let rejects = world.ledger.rejects(id, 0, 10).await.expect("lists");
    assert_eq!(
        rejects
            .iter()
            .map(|reject| reject.record)
            .collect::<Vec<_>>(),
        [3, 4]
    );
    let arrival = world.arrival(id).await;
    assert_eq!(arrival.state, State::Loading);
    assert_eq!((arrival.records_loaded, arrival.records_rejected), (3, 2));
    assert_eq!(
        (arrival.checkpoint_records, arrival.checkpoint_offset),
        (5, 50)
    );
    assert_eq!(arrival.bytes_read, 25);
    world.expire(id).await;
    let claim = world.claim("next").await;
    assert_eq!(claim.checkpoint, step.to);
}

pub(crate) async fn a_chunk_that_is_dropped_or_rolled_back_leaves_nothing<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    for roll_back in [true, false] {
        let mut chunk = world
            .ledger
            .begin(&claim.lease, &orders)
            .await
            .expect("begins");
        chunk
            .load(&numbers_from(0, &[1]), 0..1)
            .await
            .expect("loads");
        chunk.reject(&[reject(2)]).await.expect("rejects");
        if roll_back {
            chunk.roll_back().await;
        } else {
            drop(chunk);
        }
    }
    // The connection is as good as new.
    world
        .load(&claim.lease, &orders, &Checkpoint::default(), &[5])
        .await
        .expect("loads");
    assert_eq!(world.numbers("orders").await, [5]);
    assert_eq!(world.count("reject").await, 0);
    assert_eq!(world.arrival(id).await.checkpoint_records, 1);
}

pub(crate) async fn the_last_chunk_says_loaded<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let why = failure("a first try");
    world
        .ledger
        .give_back(&claim.lease, std::time::Duration::ZERO, Some(&why))
        .await
        .expect("ok");
    world.load_whole(id, &orders, &[1, 2]).await;
    let arrival = world.arrival(id).await;
    assert_eq!((arrival.state, arrival.lease_until), (State::Loaded, None));
    assert_eq!((arrival.error, arrival.error_code), (None, None));
    assert!(arrival.finished_at >= arrival.started_at);
    assert_eq!(arrival.owner.as_deref(), Some("loader"));

    // An empty file is loaded too, by a last chunk without rows; and only once, even where
    // the answer to its COMMIT got lost and it is sent again.
    let empty = world.register("empty").await;
    let claim = world.claim("owner").await;
    for again in [false, true] {
        let chunk = world
            .ledger
            .begin(&claim.lease, &orders)
            .await
            .expect("begins");
        let committed = chunk.commit(&last(advance(&claim.checkpoint, 0, 0))).await;
        assert_eq!(
            matches!(committed, Err(LedgerError::NotMatched)),
            again,
            "{committed:?}"
        );
        assert_eq!(committed.is_ok(), !again);
    }
    let arrival = world.arrival(empty).await;
    assert_eq!(
        (arrival.state, arrival.attempts, arrival.records_loaded),
        (State::Loaded, 1, 0)
    );
    assert_eq!(world.numbers("orders").await, [1, 2]);
}

pub(crate) async fn a_stale_fence_is_refused_and_leaves_no_row<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let zombie = world.claim("zombie").await;
    world.expire(id).await;
    let heir = world.claim("heir").await;
    for step in [
        advance(&zombie.checkpoint, 1, 1),
        last(advance(&zombie.checkpoint, 1, 1)),
    ] {
        let mut chunk = world
            .ledger
            .begin(&zombie.lease, &orders)
            .await
            .expect("begins");
        chunk
            .load(&numbers_from(0, &[1]), 0..1)
            .await
            .expect("loads");
        chunk.reject(&[reject(2)]).await.expect("rejects");
        let committed = chunk.commit(&step).await;
        assert!(
            matches!(committed, Err(LedgerError::NotMatched)),
            "{committed:?}"
        );
        assert!(world.numbers("orders").await.is_empty());
        assert_eq!(world.count("reject").await, 0);
    }
    assert!(
        !world
            .ledger
            .standing(&zombie.lease)
            .await
            .expect("is answered")
            .held
    );
    world
        .load(&heir.lease, &orders, &heir.checkpoint, &[1])
        .await
        .expect("the heir loads");
    assert_eq!(world.numbers("orders").await, [1]);
    assert_eq!(world.arrival(id).await.fence, heir.lease.fence.0);
}

pub(crate) async fn a_lease_with_the_right_fence_and_another_id_is_refused<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    world.register("a").await;
    let claim = world.claim("owner").await;
    let twin = Lease {
        id: LeaseId::draw(),
        ..claim.lease
    };
    let loaded = world
        .load(&twin, &orders, &Checkpoint::default(), &[1])
        .await;
    assert!(matches!(loaded, Err(LedgerError::NotMatched)), "{loaded:?}");
    assert!(world.numbers("orders").await.is_empty());
}

pub(crate) async fn a_checkpoint_that_is_elsewhere_refuses_the_chunk<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let start = Checkpoint::default();
    let to = world
        .load(&claim.lease, &orders, &start, &[1, 2])
        .await
        .expect("loads");
    let elsewhere = [
        start,
        Checkpoint {
            records: 3,
            offset: 30,
            ..to.clone()
        },
        Checkpoint {
            offset: 21,
            ..to.clone()
        },
        Checkpoint {
            records: 1,
            ..to.clone()
        },
    ];
    for from in elsewhere {
        let loaded = world.load(&claim.lease, &orders, &from, &[9]).await;
        assert!(
            matches!(loaded, Err(LedgerError::NotMatched)),
            "{from:?}: {loaded:?}"
        );
    }
    world
        .load(&claim.lease, &orders, &to, &[3])
        .await
        .expect("goes on");
    assert_eq!(world.numbers("orders").await, [1, 2, 3]);
    assert_eq!(world.arrival(id).await.records_loaded, 3);
}

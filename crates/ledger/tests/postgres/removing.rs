//! A replay from the start takes rows out, which may take long.

use std::pin::pin;
use std::time::Duration;

use arrivage_ledger::{Claim, Destination, LedgerError, Replay};
use arrivage_testkit::eventually;
use sqlx::{Connection, Executor, PgConnection};

use crate::PostgresDatabase;
use crate::conformance::world::LEASE;
use crate::conformance::{Database as _, World};

/// An arrival with two rows that is claimed to start over.
async fn ordered(world: &World<PostgresDatabase>) -> (Claim, Destination) {
    let orders = world.destination().await;
    let id = world.register("a").await;
    world.load_whole(id, &orders, &[1, 2]).await;
    let ordered = world.ledger.replay(&[id], Replay::FromStart).await;
    ordered.expect("queues");
    let claim = world.claim("owner").await;
    assert!(claim.restart);
    (claim, orders)
}

/// Starts over, and lets `meanwhile` happen while its DELETE waits for a row.
async fn start_over(
    world: &World<PostgresDatabase>,
    claim: &Claim,
    orders: &Destination,
    meanwhile: impl AsyncFnOnce(),
) -> Result<arrivage_model::Lease, LedgerError> {
    let url = world.database.database.url();
    let mut other = PgConnection::connect(url).await.expect("connects");
    let lock = "BEGIN; SELECT number FROM orders FOR UPDATE";
    other.execute(lock).await.expect("locks");
    let waits = async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND query LIKE '%ledger::remove_rows%' AND wait_event_type = 'Lock'";
        (world.database.sql(sql).await.trim() == "1").then_some(())
    };
    let mut restart = pin!(world.ledger.restart(&claim.lease, &orders.table, LEASE));
    tokio::select! {
        early = restart.as_mut() => panic!("a row is locked: {early:?}"),
        () = eventually(Duration::from_secs(4), "the DELETE to wait", waits) => {}
    }
    meanwhile().await;
    other.execute("COMMIT").await.expect("releases the row");
    restart.await
}

#[tokio::test]
async fn a_lease_is_renewed_while_its_rows_are_removed() {
    let world = World::<PostgresDatabase>::new().await;
    let (claim, orders) = ordered(&world).await;
    let renewed = async || {
        let renewed = world.ledger.renew(&claim.lease, LEASE).await;
        renewed.expect("nobody holds the arrival's row");
    };
    let lease = start_over(&world, &claim, &orders, renewed).await;
    assert_eq!(lease.expect("starts over").fence.0, claim.lease.fence.0 + 1);
    assert!(world.numbers("orders").await.is_empty());
}

#[tokio::test]
async fn who_loses_its_lease_while_it_removes_rows_removes_none() {
    let world = World::<PostgresDatabase>::new().await;
    let (claim, orders) = ordered(&world).await;
    let id = claim.arrival.id;
    let taken = async || {
        world.expire(id).await;
        let next = world.claim("next").await;
        assert!(next.restart, "the order stands");
    };
    let lost = start_over(&world, &claim, &orders, taken).await;
    assert!(matches!(lost, Err(LedgerError::Fenced)), "{lost:?}");
    assert_eq!(world.numbers("orders").await, [1, 2]);
    let arrival = world.arrival(id).await;
    assert_eq!((arrival.records_loaded, arrival.checkpoint_records), (2, 2));
}

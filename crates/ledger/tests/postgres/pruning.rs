//! What pruning costs, and that it holds nobody up.

use std::time::Duration;

use arrivage_testkit::eventually;
use sqlx::{Connection, PgConnection};

use super::PostgresDatabase;
use super::conformance::{Database, World};

const DAY: Duration = Duration::from_secs(86_400);

/// So many loaded arrivals, finished at this moment.
async fn insert(world: &World<PostgresDatabase>, key: &str, many: usize, finished_at: &str) {
    let sql = format!(
        "INSERT INTO arrivage.arrival
           (pipeline, store, bucket, key, etag, state, finished_at)
         SELECT 'orders', 's3', 'drop', '{key}-' || n, 'e', 'loaded', {finished_at}
         FROM generate_series(1, {many}) n"
    );
    world.database.sql(&sql).await;
}

#[tokio::test]
async fn pruning_passes_by_what_another_holds_and_waits_for_nobody() {
    let world = World::<PostgresDatabase>::new().await;
    insert(&world, "old", 3, "now() - interval '2 days'").await;
    let mut other = PgConnection::connect(world.database.database.url())
        .await
        .expect("connects");
    sqlx::raw_sql("BEGIN; UPDATE arrivage.arrival SET state = 'waiting' WHERE key = 'old-1'")
        .execute(&mut other)
        .await
        .expect("holds it");
    let pruned = world.ledger.prune(DAY, 10).await.expect("does not wait");
    assert_eq!(pruned.arrivals, 2);
    let held = "SELECT key FROM arrivage.arrival WHERE pruned_at IS NULL";
    assert_eq!(world.database.sql(held).await.trim(), "old-1");
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut other)
        .await
        .expect("lets go");
    other.close().await.expect("ends");
    let pruned = world.ledger.prune(DAY, 10).await.expect("prunes");
    assert_eq!(pruned.arrivals, 1);
}

/// Neither what is too young nor what was pruned before, be there statistics or none.
#[tokio::test]
async fn pruning_reads_only_what_there_is_to_prune() {
    for analyze in ["", "ANALYZE arrivage.arrival"] {
        let world = World::<PostgresDatabase>::new().await;
        world
            .database
            .sql("ALTER TABLE arrivage.arrival SET (autovacuum_enabled = off)")
            .await;
        insert(&world, "young", 20_000, "now()").await;
        insert(&world, "pruned", 20_000, "now() - interval '3 days'").await;
        let done = "UPDATE arrivage.arrival SET pruned_at = now() WHERE key LIKE 'pruned-%'";
        world.database.sql(done).await;
        insert(&world, "old", 30, "now() - interval '2 days'").await;
        world.database.sql(analyze).await;
        let number = async |of: &str| {
            let sql = format!(
                "SELECT {of} FROM pg_stat_user_tables
                 WHERE schemaname = 'arrivage' AND relname = 'arrival'"
            );
            let found = world.database.sql(&sql).await;
            found.trim().parse::<usize>().expect("a number")
        };
        let (read, written) = ("seq_tup_read + idx_tup_fetch", "n_tup_upd");
        let before = (number(read).await, number(written).await);
        let ledger = world.database.ledger();
        for expect in [10, 10, 10, 0] {
            let pruned = ledger.prune(DAY, 10).await.expect("prunes");
            assert_eq!(pruned.arrivals, expect, "{analyze}");
        }
        // A backend reports its counts when it ends, if not before.
        ledger.close().await;
        eventually(Duration::from_secs(20), "the counts", async || {
            (number(written).await >= before.1 + 30).then_some(())
        })
        .await;
        let read = number(read).await - before.0;
        assert!(read < 1000, "{analyze}: {read} rows were read");
    }
}

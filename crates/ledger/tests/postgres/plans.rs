//! What a claim costs does not depend on what lies in the ledger.

use std::time::{Duration, Instant};

use arrivage_testkit::eventually;
use sqlx::{Connection, PgConnection};

use arrivage_ledger::Scope;

use super::PostgresDatabase;
use super::conformance::world::found;
use super::conformance::{Database, World};

const CLAIMS: usize = 200;

#[tokio::test]
async fn claims_never_walk_the_loaded_arrivals_though_an_old_transaction_holds_up_the_vacuum() {
    let world = World::<PostgresDatabase>::new().await;
    let url = world.database.database.url();
    world
        .database
        .sql(
            "INSERT INTO arrivage.arrival
               (pipeline, store, bucket, key, etag, state, finished_at)
             SELECT 'orders', 's3', 'drop', 'old-' || n, 'e', 'loaded', now()
             FROM generate_series(1, 50000) n; ANALYZE arrivage.arrival",
        )
        .await;
    // It sees no row version that dies from here on as dead.
    let mut old = PgConnection::connect(url).await.expect("connects");
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM arrivage.arrival")
        .execute(&mut old)
        .await
        .expect("begins");
    let batch: Vec<_> = (0..CLAIMS)
        .map(|nth| found(&format!("new-{nth:03}")))
        .collect();
    world.ledger.register(&batch).await.expect("registers");
    let read = "SELECT seq_tup_read FROM pg_stat_user_tables
                WHERE schemaname = 'arrivage' AND relname = 'arrival'";
    let done = "SELECT n_tup_upd FROM pg_stat_user_tables
                WHERE schemaname = 'arrivage' AND relname = 'arrival'";
    let number = async |sql: &str| {
        let found = world.database.sql(sql).await;
        found.trim().parse::<usize>().expect("a number")
    };
    let before = number(read).await;

    for nth in 0..CLAIMS {
        let claim = world.claim("processor").await;
        assert_eq!(claim.arrival.key, format!("new-{nth:03}"), "the oldest");
        let delay = Duration::from_secs(3600);
        world
            .ledger
            .give_back(&claim.lease, delay, None)
            .await
            .expect("gives it back");
    }
    // A backend reports its counts when it ends, if not before.
    world.ledger.close().await;
    eventually(Duration::from_secs(20), "the counts", async || {
        (number(done).await >= 2 * CLAIMS).then_some(())
    })
    .await;
    let walked = number(read).await - before;
    assert!(walked < CLAIMS, "{walked} rows were read one after another");
    old.close().await.expect("ends");
}

/// A process looks for work in an empty ledger for days, and then everything comes at once.
#[tokio::test]
async fn what_was_planned_for_an_empty_ledger_serves_a_full_one() {
    let world = World::<PostgresDatabase>::new().await;
    world
        .database
        .sql("ALTER TABLE arrivage.arrival SET (autovacuum_enabled = off)")
        .await;
    for _ in 0..20 {
        assert!(world.try_claim("owner", Scope::Any).await.is_none());
    }
    world
        .database
        .sql(
            "INSERT INTO arrivage.arrival
               (pipeline, store, bucket, key, etag, state, finished_at)
             SELECT 'orders', 's3', 'drop', 'old-' || n, 'e', 'loaded', now()
             FROM generate_series(1, 20000) n;
             INSERT INTO arrivage.arrival (pipeline, store, bucket, key, etag)
             SELECT 'orders', 's3', 'drop', 'new-' || n, 'e' FROM generate_series(1, 20000) n",
        )
        .await;
    // Plans are kept for a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for _ in 0..40 {
        world.claim("owner").await;
    }
    // A backend reports its counts when it ends, if not before.
    world.ledger.close().await;
    let number = async |of: &str| {
        let sql = format!(
            "SELECT {of} FROM pg_stat_user_tables
             WHERE schemaname = 'arrivage' AND relname = 'arrival'"
        );
        let found = world.database.sql(&sql).await;
        found.trim().parse::<usize>().expect("a number")
    };
    eventually(Duration::from_secs(20), "the counts", async || {
        (number("n_tup_upd").await >= 40).then_some(())
    })
    .await;
    let walked = number("seq_tup_read").await;
    assert!(walked < 1000, "{walked} rows were read one after another");
}

/// Claims walk on from where the last one came to, but begin with the oldest now and then.
#[tokio::test]
async fn what_a_walk_has_passed_by_is_claimed_soon() {
    let world = World::<PostgresDatabase>::new().await;
    let many: Vec<_> = (0..3_000).map(|n| found(&format!("k{n}"))).collect();
    let known = world.ledger.register(&many).await.expect("registers");
    world.claim("owner").await;
    let last = known.last().expect("many").id();
    world.set(last, "due_at = now() - interval '1 day'").await;
    let begun = Instant::now();
    for claims in 1.. {
        let claim = world.claim("owner").await;
        if claim.arrival.id == last {
            assert!(claims < 2_990, "nothing else was left");
            assert!(begun.elapsed() < Duration::from_secs(10));
            return;
        }
    }
}

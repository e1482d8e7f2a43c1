//! What only a server with many sessions can show.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arrivage_ledger::{
    ConnectOptions, LedgerError, Pooler, Scope, SharedLedger, TargetRefusal, connect,
};
use arrivage_model::{Checkpoint, ColumnType, Mode, TableName};
use arrivage_testkit::eventually;
use sqlx::{Connection, Executor};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::PostgresDatabase;
use super::conformance::targets::pipeline;
use super::conformance::world::{LEASE, found};
use super::conformance::{Database, World};

/// A ledger with connections of its own and these settings of the session.
fn with_settings(world: &World<PostgresDatabase>, settings: &[&str]) -> SharedLedger {
    let settings: Vec<String> = settings
        .iter()
        .map(|name| format!("options[{name}]=off"))
        .collect();
    let url = world.database.database.url();
    let url = format!("{url}?{}", settings.join("&"));
    connect(&ConnectOptions {
        url,
        pooler: Pooler::None,
        connections: 2,
    })
    .expect("opens")
}

#[tokio::test]
async fn a_claim_takes_one_row_from_fifty_connections_whatever_the_planner_does() {
    let world = World::<PostgresDatabase>::new().await;
    let batch: Vec<_> = (0..200).map(|nth| found(&format!("key-{nth}"))).collect();
    world.ledger.register(&batch).await.expect("registers");
    let off = [
        "enable_hashjoin",
        "enable_mergejoin",
        "enable_hashagg",
        "enable_material",
    ];
    let start = Arc::new(Barrier::new(50));
    let mut claimers = JoinSet::new();
    for nth in 0..50 {
        let ledger = with_settings(&world, if nth % 2 == 0 { &off } else { &[] });
        let start = Arc::clone(&start);
        claimers.spawn(async move {
            ledger.ping().await.expect("connected");
            start.wait().await;
            let pipelines = ["orders".to_owned()];
            let owner = format!("claimer-{nth}");
            let claim = ledger.claim(&pipelines, &Scope::Any, &owner, LEASE).await;
            let claimed = claim
                .expect("is answered")
                .claim
                .map(|claim| claim.arrival.id);
            ledger.close().await;
            claimed
        });
    }
    let claimed = claimers.join_all().await;
    let claimed: std::collections::BTreeSet<_> = claimed.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 50, "each took one, and no two the same");
    let loading = world
        .database
        .sql("SELECT count(*) FROM arrivage.arrival WHERE state = 'loading'");
    assert_eq!(loading.await.trim(), "50", "nobody took more than one");
}

#[tokio::test]
async fn renewals_are_hot_updates() {
    let world = World::<PostgresDatabase>::new().await;
    world.register("a").await;
    let claim = world.claim("processor").await;
    for _ in 0..100 {
        world
            .ledger
            .renew(&claim.lease, LEASE)
            .await
            .expect("renews");
    }
    // A backend reports its counts when it ends, if not before.
    world.ledger.close().await;
    let hot = async || {
        let sql = "SELECT n_tup_hot_upd >= 95 AND n_tup_upd <= 101 FROM pg_stat_user_tables
                   WHERE schemaname = 'arrivage' AND relname = 'arrival' AND n_tup_upd > 100";
        (world.database.sql(sql).await.trim() == "t").then_some(())
    };
    eventually(
        Duration::from_secs(20),
        "nearly every renewal to be HOT",
        hot,
    )
    .await;
}

#[tokio::test]
async fn the_server_itself_refuses_a_stale_advance() {
    let world = World::<PostgresDatabase>::new().await;
    let destination = world.destination().await;
    let id = world.register("a").await;
    let stale = world.claim("first").await;
    world.expire(id).await;
    let current = world.claim("second").await;
    let advance = |fence: i64, lease: String| {
        format!(
            "DO $$ BEGIN PERFORM arrivage.advance({id}, {fence}, '{lease}', 0, 0, 1, 1, 1, NULL,
               1, 0, 'x', false, false);
             EXCEPTION WHEN SQLSTATE 'ZA001' THEN RAISE NOTICE 'refused'; INSERT INTO refused VALUES (1);
             END $$; SELECT count(*) FROM refused"
        )
    };
    world.database.sql("CREATE TABLE refused (n int)").await;
    let stale = advance(stale.lease.fence.0, stale.lease.id.to_string());
    assert!(
        world.database.sql(&stale).await.trim().ends_with('1'),
        "the old lease"
    );
    let guessed = advance(current.lease.fence.0, uuid::Uuid::new_v4().to_string());
    assert!(
        world.database.sql(&guessed).await.trim().ends_with('2'),
        "the fence alone"
    );
    let next = world
        .load(&current.lease, &destination, &Checkpoint::default(), &[7])
        .await;
    assert_eq!(next.expect("the lease stands").records, 1);
}

#[tokio::test]
async fn targets_that_could_not_be_loaded_exactly_once_are_refused_by_name() {
    let world = World::<PostgresDatabase>::new().await;
    let role = format!("narrow_{}", uuid::Uuid::new_v4().simple());
    world
        .database
        .sql(&format!(
            "CREATE UNLOGGED TABLE fast (n int);
             CREATE TABLE parts (n int) PARTITION BY RANGE (n);
             CREATE UNLOGGED TABLE part PARTITION OF parts DEFAULT;
             CREATE TABLE plain (n int);
             CREATE VIEW seen AS SELECT * FROM plain;
             CREATE MATERIALIZED VIEW kept AS SELECT * FROM plain;
             CREATE FOREIGN DATA WRAPPER elsewhere;
             CREATE SERVER there FOREIGN DATA WRAPPER elsewhere;
             CREATE FOREIGN TABLE far (n int) SERVER there;
             CREATE TABLE guarded (n int);
             ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
             CREATE ROLE {role} LOGIN;
             GRANT USAGE ON SCHEMA arrivage TO {role};
             GRANT ALL ON ALL TABLES IN SCHEMA arrivage TO {role};
             GRANT INSERT ON guarded TO {role}"
        ))
        .await;
    let url = world
        .database
        .database
        .url()
        .replace("postgres@", &format!("{role}@"));
    let narrow = connect(&ConnectOptions {
        url,
        pooler: Pooler::None,
        connections: 2,
    });
    let narrow = narrow.expect("opens");
    let check = async |ledger: &SharedLedger, table: &str, expect: &str| {
        let name: TableName = table.parse().expect("a name");
        match ledger.table(&name).await {
            Err(LedgerError::Target(refusal)) => {
                let words = refusal.to_string();
                assert!(
                    words.contains(table) && words.contains(expect),
                    "{table}: {words}"
                );
            }
            other => panic!("{table}: {other:?}"),
        }
    };
    check(&world.ledger, "fast", "SET LOGGED").await;
    check(&world.ledger, "parts", "unlogged").await;
    check(&world.ledger, "seen", "view").await;
    check(&world.ledger, "kept", "materialized view").await;
    check(&world.ledger, "far", "foreign").await;
    check(&world.ledger, "nowhere", "create_table").await;
    check(&narrow, "guarded", "row-level security").await;
    check(&narrow, "plain", "GRANT INSERT").await;
    narrow.close().await;
    let owner = world
        .ledger
        .table(&"guarded".parse().expect("a name"))
        .await;
    assert!(
        owner.is_ok(),
        "row-level security does not hold for the table's owner"
    );
    world
        .database
        .sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
    assert_eq!(
        TargetRefusal::Missing("x".parse().expect("a name"))
            .to_string()
            .lines()
            .count(),
        1
    );
}

#[tokio::test]
async fn the_reaper_ends_the_backend_of_an_expired_lease_and_no_other() {
    let world = World::<PostgresDatabase>::new().await;
    let destination = world.destination().await;
    let id = world.register("a").await;
    world.register("b").await;
    let stopped = world.claim("stopped").await;
    let alive = world.claim("alive").await;
    let held = world
        .ledger
        .begin(&stopped.lease, &destination)
        .await
        .expect("begins");
    let working = world
        .ledger
        .begin(&alive.lease, &destination)
        .await
        .expect("begins");
    assert_eq!(
        world.ledger.reap().await.expect("looks"),
        0,
        "both leases stand"
    );
    world.expire(id).await;
    assert_eq!(world.ledger.reap().await.expect("looks"), 1);
    let advance = super::conformance::world::advance(&Checkpoint::default(), 0, 0);
    let late = held.commit(&advance).await;
    assert!(late.is_err(), "its backend is gone");
    working.commit(&advance).await.expect("the other's is not");
}

#[tokio::test]
async fn a_client_that_stops_inside_a_renewal_does_not_keep_the_arrival() {
    let world = World::<PostgresDatabase>::new().await;
    let id = world.register("a").await;
    let claim = world.claim("stopped").await;
    world.expire(id).await;
    let renewal_is = async |how: &str| {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND query LIKE '%ledger::renew%' AND pid <> pg_backend_pid() AND {how}"
        );
        (world.database.sql(&sql).await.trim() == "1").then_some(())
    };
    // Its statement waits for the row, so that it cannot come to its COMMIT.
    let url = world.database.database.url();
    let mut other = sqlx::PgConnection::connect(url).await.expect("connects");
    let lock = "BEGIN; UPDATE arrivage.arrival SET size = size";
    other.execute(lock).await.expect("locks");
    let mut renewal = pin!(world.ledger.renew(&claim.lease, LEASE));
    let waits = async || renewal_is("wait_event_type = 'Lock'").await;
    tokio::select! {
        early = renewal.as_mut() => panic!("the row is locked: {early:?}"),
        () = eventually(Duration::from_secs(20), "the renewal to wait", waits) => {}
    }
    // From here on nobody polls it: it is done in the server, and stopped here.
    other.execute("COMMIT").await.expect("releases the row");
    let stopped = async || renewal_is("state = 'idle in transaction'").await;
    eventually(Duration::from_secs(5), "the renewal to stop", stopped).await;
    let now = world.try_claim("too early", Scope::Any).await;
    assert!(now.is_none(), "the stopped one holds the row");
    let next = async || {
        world.ledger.reap().await.expect("looks");
        world.try_claim("next", Scope::Any).await
    };
    let next = eventually(Duration::from_secs(30), "another to claim it", next).await;
    assert_eq!(next.arrival.id, id);
    let late = renewal.await.expect_err("its transaction is gone");
    assert!(late.is_passing(), "{late:?}: no failure of anybody");
}

#[tokio::test]
async fn a_default_of_repeatable_read_changes_nothing() {
    let world = World::<PostgresDatabase>::new().await;
    let name = world.database.database.name();
    let settings = [
        "default_transaction_isolation = 'repeatable read'",
        "synchronous_commit = off",
    ];
    for setting in settings {
        world
            .database
            .sql(&format!("ALTER DATABASE \"{name}\" SET {setting}"))
            .await;
    }
    let url = world.database.database.url().to_owned();
    let ledger = connect(&ConnectOptions {
        url,
        pooler: Pooler::None,
        connections: 4,
    });
    let ledger = ledger.expect("opens");
    let world = World {
        database: world.database,
        ledger,
    };
    let destination = world.destination().await;
    let id = world.register("a").await;
    world.load_whole(id, &destination, &[1, 2, 3]).await;
    assert_eq!(world.numbers("orders").await, [1, 2, 3]);
}

/// What the server says that it executed under a name, of one load.
async fn named_statements(pooler: Pooler) -> Vec<String> {
    let cluster = arrivage_testkit::Postgres::cluster()
        .await
        .expect("a cluster");
    let database = cluster.database().await.expect("a database");
    let world = World::over(PostgresDatabase { database });
    let name = world.database.database.name();
    // Of the migrator's statements, which are named, none is left behind.
    world.ledger.migrate().await.expect("migrates");
    world.ledger.close().await;
    world
        .database
        .sql(&format!(
            "ALTER DATABASE \"{name}\" SET log_min_duration_statement = 0"
        ))
        .await;
    let ledger = connect(&ConnectOptions {
        url: world.database.database.url().to_owned(),
        pooler,
        connections: 2,
    });
    let ledger = ledger.expect("opens");
    let world = World {
        database: world.database,
        ledger,
    };
    world.ledger.migrate().await.expect("is up to date");
    world.declare().await;
    let destination = world.destination().await;
    let id = world.register("a").await;
    world.load_whole(id, &destination, &[1, 2]).await;
    assert_eq!(world.numbers("orders").await, [1, 2]);
    let log = cluster.log();
    let logged = log.lines().filter(|line| line.contains("execute ")).count();
    assert!(logged > 5, "statements are logged");
    let named = log.lines().filter(|line| line.contains("execute sqlx"));
    named.map(str::to_owned).collect()
}

#[tokio::test]
async fn no_statement_is_named_where_a_transaction_pooler_stands_between() {
    let named = named_statements(Pooler::Transaction).await;
    assert!(named.is_empty(), "{named:?}");
}

#[tokio::test]
async fn the_statements_of_every_load_are_planned_once_for_each_connection() {
    let named = named_statements(Pooler::None).await;
    for statement in ["register", "table", "columns", "claim", "advance"] {
        let marker = format!("-- ledger::{statement}");
        let found = named.iter().any(|line| line.ends_with(&marker));
        assert!(found, "{statement}: {named:?}");
    }
}

/// Processes of the version before go on while a newer one migrates.
#[tokio::test]
async fn a_migration_breaks_no_statement_that_is_kept() {
    let world = World::<PostgresDatabase>::new().await;
    let ledger = with_settings(&world, &[]);
    let world = World {
        ledger,
        database: world.database,
    };
    let destination = world.destination().await;
    let load = async |round: i64| {
        for nth in 0..10 {
            let id = world.register(&format!("{round}-{nth}")).await;
            world
                .load_whole(id, &destination, &[10 * round + nth])
                .await;
        }
    };
    load(0).await;
    world
        .database
        .sql(
            "ALTER TABLE arrivage.arrival ADD COLUMN added text NOT NULL DEFAULT 'new';
             ALTER TABLE arrivage.pipeline ADD COLUMN added text;
             ALTER TABLE orders ADD COLUMN added text",
        )
        .await;
    load(1).await;
    assert_eq!(world.numbers("orders").await, (0..20).collect::<Vec<_>>());
}

/// Each session has looked for the table before, and remembers that it was not there.
#[tokio::test]
async fn a_table_that_another_makes_meanwhile_is_taken_as_it_is() {
    let world = World::<PostgresDatabase>::new().await;
    let columns = [("number", Some(ColumnType::BigInt), false)];
    let made = |name: &str| pipeline(name, Mode::Append, &columns);
    let (old, new) = (made("old"), made("new"));
    let ledger = with_settings(&world, &[]);
    for _ in 0..3 {
        let both = tokio::join!(ledger.create_table(&old), ledger.create_table(&old));
        assert!(matches!(both, (Ok(()), Ok(()))), "{both:?}");
        let both = tokio::join!(ledger.table(&new.table), ledger.table(&new.table));
        assert!(matches!(both, (Err(_), Err(_))), "{both:?}");
    }

    let database = &world.database.database;
    let mut other = sqlx::PgConnection::connect(database.url())
        .await
        .expect("connects");
    let turn = r#"BEGIN; SELECT pg_advisory_xact_lock(hashtext('arrivage "new"'))"#;
    other.execute(turn).await.expect("its turn");
    let mut create = pin!(ledger.create_table(&new));
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    tokio::select! {
        made = &mut create => panic!("it did not wait: {made:?}"),
        () = eventually(Duration::from_secs(60), "the one that waits", async || {
            (database.sql(waits).await.ok()?.trim() == "1").then_some(())
        }) => {}
    }
    let make = "CREATE TABLE new (number bigint, _arrival_id bigint, _record bigint); COMMIT";
    other.execute(make).await.expect("makes it");
    create.await.expect("it is there");
}

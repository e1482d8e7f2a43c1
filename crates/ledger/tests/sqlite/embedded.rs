//! What holds in SQLite alone.

use arrivage_ledger::{LedgerError, Scope, SqliteLedger, TargetRefusal};
use arrivage_model::{Checkpoint, ColumnType, LeaseId, State};

use crate::SqliteFile;
use crate::conformance::world::{advance, column, last, reject, rows_from};
use crate::conformance::{Database, World};

type SqliteWorld = World<SqliteFile>;

/// What becomes of one row in a chunk, as `Debug` shows it, and what stands then.
async fn load_one(world: &SqliteWorld, table: &str, cell: &str) -> String {
    let mut destination = world.destination_of(table).await;
    destination.columns = vec![column("number", ColumnType::Text)];
    world.register(&LeaseId::draw().to_string()).await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &destination)
        .await
        .expect("begins");
    let loaded = chunk.load(&rows_from(0, &[[Some(cell)]]), 0..1).await;
    if matches!(loaded, Ok(()) | Err(LedgerError::Row { .. })) {
        chunk
            .commit(&last(advance(&Checkpoint::default(), 1, 0)))
            .await
            .expect("commits");
    }
    match loaded {
        Err(LedgerError::Row { sqlstate, .. }) => sqlstate,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_constraint_that_swallows_rows_refuses_them_here() {
    let world = SqliteWorld::new().await;
    for (table, rule) in [
        ("ignoring", "IGNORE"),
        ("replacing", "REPLACE"),
        ("ending", "ROLLBACK"),
    ] {
        let create = format!("CREATE TABLE {table} (number TEXT UNIQUE ON CONFLICT {rule})");
        world.database.sql(&create).await;
        assert_eq!(load_one(&world, table, "7").await, "Ok(())");
        assert_eq!(load_one(&world, table, "7").await, "23505", "{rule}");
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(world.database.sql(&count).await, "1\n");
    }
}

#[tokio::test]
async fn a_strict_table_and_a_trigger_refuse_single_rows() {
    let world = SqliteWorld::new().await;
    let create = "CREATE TABLE typed (number INTEGER) STRICT;
                  CREATE TABLE watched (number TEXT);
                  CREATE TRIGGER watch BEFORE INSERT ON watched WHEN new.number = 'bad'
                  BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    world.database.sql(create).await;
    assert_eq!(load_one(&world, "typed", "7").await, "Ok(())");
    assert_eq!(load_one(&world, "typed", "x").await, "42804");
    assert_eq!(load_one(&world, "watched", "good").await, "Ok(())");
    assert_eq!(load_one(&world, "watched", "bad").await, "P0001");
}

#[tokio::test]
async fn what_ends_the_transaction_by_itself_leaves_nothing_and_harms_no_other() {
    let world = SqliteWorld::new().await;
    let create = "CREATE TABLE orders (number BIGINT);
                  CREATE TRIGGER ending BEFORE INSERT ON orders WHEN new.number = 13
                  BEGIN SELECT RAISE(ROLLBACK, 'never 13'); END";
    world.database.sql(create).await;
    let orders = world.destination_of("orders").await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &orders)
        .await
        .expect("begins");
    chunk
        .load(&rows_from(0, &[[Some("1")]]), 0..1)
        .await
        .expect("loads");
    match chunk.load(&rows_from(1, &[[Some("13")]]), 0..1).await {
        Err(LedgerError::Target(TargetRefusal::Columns { message, .. })) => {
            assert!(message.contains("never 13"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    // What came next would commit by itself, outside of any transaction.
    assert!(
        chunk
            .load(&rows_from(2, &[[Some("3")]]), 0..1)
            .await
            .is_err()
    );
    assert!(chunk.reject(&[reject(2)]).await.is_err());
    assert!(
        chunk
            .commit(&advance(&Checkpoint::default(), 2, 1))
            .await
            .is_err()
    );
    assert!(world.numbers("orders").await.is_empty());
    assert_eq!(
        (
            world.count("reject").await,
            world.arrival(id).await.checkpoint_records
        ),
        (0, 0)
    );

    let start = Checkpoint::default();
    world
        .load(&claim.lease, &orders, &start, &[5])
        .await
        .expect("the next chunk loads");
    assert_eq!(world.numbers("orders").await, [5]);
}

#[tokio::test]
async fn virtual_tables_and_schemas_are_refused_by_name() {
    let world = SqliteWorld::new().await;
    let create = "CREATE VIRTUAL TABLE words USING fts5 (word)";
    world.database.sql(create).await;
    let check = async |name: &str, expect: &str| {
        let looked = world.ledger.table(&name.parse().expect("a name")).await;
        let error = looked.expect_err(name);
        assert!(matches!(error, LedgerError::Target(_)), "{name}: {error:?}");
        assert!(error.to_string().contains(expect), "{name}: {error}");
    };
    check("words", "is a virtual table").await;
    check("words_data", "is a part of a virtual table").await;
    check("main.words", "SQLite has no schemas").await;
    // A column's type is what SQLite keeps: its INTEGER has 64 bits, its names any case.
    world
        .database
        .sql("CREATE TABLE Mixed (Id INTEGER PRIMARY KEY, _RECORD INTEGER)")
        .await;
    let table = world
        .ledger
        .table(&"mixed".parse().expect("a name"))
        .await
        .expect("loadable");
    assert_eq!(
        (table.name.name.as_str(), table.has_record),
        ("Mixed", true)
    );
    assert_eq!(table.columns[0].kind, Ok(ColumnType::BigInt));
    assert!(!table.columns[0].required && !table.parallel);
}

#[tokio::test]
async fn what_no_waiting_mends_is_refused() {
    let refused = |url: &str| match SqliteLedger::open(url, 2) {
        Err(LedgerError::Refused(error)) => error.to_string(),
        other => panic!("{url}: {:?}", other.err()),
    };
    assert!(refused("sqlite::memory:").contains("needs a file"));
    assert!(refused("sqlite:///no/such/directory/a.db").contains("/no/such/directory"));
    refused("sqlite://a.db?mode=sideways");

    let file = SqliteFile::create().await;
    file.ledger().migrate().await.expect("migrates");
    let encoded = file
        .path()
        .replace('%', "%25")
        .replace(' ', "%20")
        .replace('?', "%3F");
    let check = async |url: &str| {
        let ledger = SqliteLedger::open(url, 2).expect("opens");
        let ledger: &dyn arrivage_ledger::Ledger = &ledger;
        let ping = ledger.ping().await;
        assert!(
            matches!(ping, Err(LedgerError::Refused(_))),
            "{url}: {ping:?}"
        );
    };
    check(&format!("sqlite://{encoded}?mode=ro")).await;
    std::fs::write(
        file.path() + "x",
        "no database, but long enough to be looked at; ".repeat(30),
    )
    .expect("writes");
    check(&(file.path() + "x")).await;
}

#[tokio::test]
async fn readers_wait_for_no_writer() {
    let world = SqliteWorld::new().await;
    assert_eq!(world.database.sql("PRAGMA journal_mode").await, "wal\n");
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &orders)
        .await
        .expect("begins");
    chunk
        .load(&rows_from(0, &[[Some("1")]]), 0..1)
        .await
        .expect("loads");
    assert_eq!(world.arrival(id).await.state, State::Loading);
    assert_eq!(
        world.ledger.backlog().await.expect("is answered")[0].loading,
        1
    );
    assert!(
        world.try_claim("other", Scope::Any).await.is_none(),
        "an idle poll only reads"
    );
    assert!(world.numbers("orders").await.is_empty());
    chunk
        .commit(&advance(&Checkpoint::default(), 1, 0))
        .await
        .expect("commits");
    assert_eq!(world.numbers("orders").await, [1]);
}

#[tokio::test]
async fn the_backlog_never_walks_the_loaded_arrivals() {
    let world = SqliteWorld::new().await;
    let plan = world
        .database
        .sql("EXPLAIN QUERY PLAN SELECT * FROM arrivage_backlog")
        .await;
    assert!(
        plan.contains("arrivage_arrival_waiting (pipeline=? AND due_at<?)"),
        "{plan}"
    );
    assert!(
        plan.contains("arrivage_arrival_history (state=?)"),
        "{plan}"
    );
    assert!(!plan.contains("SCAN a"), "{plan}");
}

/// Processes of the version before go on while a newer one migrates. (A view that gets a column
/// would end theirs: a kept `SELECT *` of SQLite has as many as it was prepared with.)
#[tokio::test]
async fn a_migration_breaks_no_statement_that_is_kept() {
    let world = SqliteWorld::new().await;
    let orders = world.destination().await;
    let load = async |key: &str, number: i64| {
        let id = world.register(key).await;
        world.load_whole(id, &orders, &[number]).await;
        assert_eq!(world.arrival(id).await.key, key);
    };
    load("a", 1).await;
    world
        .database
        .sql(
            "ALTER TABLE arrivage_arrival ADD COLUMN added TEXT NOT NULL DEFAULT 'new';
             ALTER TABLE arrivage_pipeline ADD COLUMN added TEXT;
             ALTER TABLE orders ADD COLUMN added TEXT",
        )
        .await;
    load("b", 2).await;
    assert_eq!(world.numbers("orders").await, [1, 2]);
}

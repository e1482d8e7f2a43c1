use arrivage_ledger::{Destination, LedgerError, TargetRefusal};
use arrivage_model::{Checkpoint, ColumnType, Mode, Order};

use super::world::{advance, column, last, reject, rows_from};
use super::{Database, World};

pub(crate) async fn a_refused_row_is_named_by_its_sqlstate_and_the_rest_goes_on<D: Database>() {
    let world = World::<D>::new().await;
    world
        .database
        .sql(
            "CREATE TABLE shop (id bigint PRIMARY KEY); INSERT INTO shop VALUES (1);
             CREATE TABLE strict (id bigint UNIQUE, name text NOT NULL, price bigint CHECK (price > 0),
               shop bigint REFERENCES shop (id), _arrival_id bigint, _record bigint)",
        )
        .await;
    let destination = strict(&world).await;
    world.register("a").await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &destination)
        .await
        .expect("begins");
    let sound = |id| [Some(id), Some("n"), Some("1"), Some("1")];
    chunk
        .load(&rows_from(0, &[sound("1"), sound("2")]), 0..2)
        .await
        .expect("loads");

    let secret = "4711-secret";
    let refused = [
        ("23505", [Some("1"), Some(secret), Some("1"), None]),
        ("23502", [Some("3"), None, Some("1"), None]),
        ("23514", [Some("3"), Some(secret), Some("0"), None]),
        ("23503", [Some("3"), Some(secret), Some("1"), Some("9")]),
    ];
    for (record, (expect, bad)) in (2..).zip(refused) {
        // The sound row before it goes too: after an error nothing of the call is there.
        let rows = rows_from(record, &[sound("5"), bad]);
        match chunk.load(&rows, 0..2).await {
            Err(LedgerError::Row { sqlstate, message }) => {
                assert_eq!(sqlstate, expect, "{message}");
                assert!(!message.contains(secret), "{message}");
            }
            other => panic!("{expect}: {other:?}"),
        }
        chunk
            .reject(&[reject(record + 1)])
            .await
            .expect("the transaction goes on");
    }
    chunk
        .load(&rows_from(6, &[sound("5")]), 0..1)
        .await
        .expect("loads");
    chunk
        .commit(&last(advance(&Checkpoint::default(), 3, 4)))
        .await
        .expect("commits");
    assert_eq!(
        world
            .database
            .sql("SELECT id FROM strict ORDER BY id")
            .await
            .trim(),
        "1\n2\n5"
    );
    assert_eq!(world.count("reject").await, 4);
}

pub(crate) async fn a_reference_that_is_checked_late_is_refused_in_its_chunk<D: Database>() {
    let world = World::<D>::new().await;
    world
        .database
        .sql(
            "CREATE TABLE shop (id bigint PRIMARY KEY); INSERT INTO shop VALUES (1);
             CREATE TABLE strict (id bigint, name text, price bigint, shop bigint,
               FOREIGN KEY (shop) REFERENCES shop (id) DEFERRABLE INITIALLY DEFERRED)",
        )
        .await;
    let destination = strict(&world).await;
    world.register("a").await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &destination)
        .await
        .expect("begins");
    let row = |id, shop| [Some(id), None, None, Some(shop)];
    chunk
        .load(&rows_from(0, &[row("1", "1")]), 0..1)
        .await
        .expect("loads");
    match chunk.load(&rows_from(1, &[row("2", "9")]), 0..1).await {
        Err(LedgerError::Row { sqlstate, .. }) => assert_eq!(sqlstate, "23503"),
        other => panic!("{other:?}"),
    }
    chunk
        .load(&rows_from(2, &[row("3", "1")]), 0..1)
        .await
        .expect("loads");
    chunk
        .commit(&advance(&Checkpoint::default(), 2, 1))
        .await
        .expect("commits");
    assert_eq!(
        world
            .database
            .sql("SELECT id FROM strict ORDER BY id")
            .await
            .trim(),
        "1\n3"
    );
}

async fn strict<D: Database>(world: &World<D>) -> Destination {
    Destination {
        table: world
            .ledger
            .table(&"strict".parse().expect("a name"))
            .await
            .expect("loadable"),
        columns: vec![
            column("id", ColumnType::BigInt),
            column("name", ColumnType::Text),
            column("price", ColumnType::BigInt),
            column("shop", ColumnType::BigInt),
        ],
        order: Order::Any,
        atomic: false,
        mode: Mode::Append,
    }
}

/// What a chunk that loads one row comes to.
async fn attempt<D: Database>(world: &World<D>, destination: &Destination) -> LedgerError {
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let outcome = async {
        let mut chunk = world.ledger.begin(&claim.lease, destination).await?;
        chunk.load(&rows_from(0, &[[Some("1")]]), 0..1).await?;
        chunk.commit(&advance(&Checkpoint::default(), 1, 0)).await
    };
    let error = outcome.await.expect_err("the target refuses");
    assert_eq!(world.arrival(id).await.checkpoint_records, 0);
    world
        .ledger
        .give_back(&claim.lease, std::time::Duration::ZERO, None)
        .await
        .expect("gives back");
    error
}

pub(crate) async fn a_table_or_column_that_went_missing_is_the_targets_fault<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    world
        .database
        .sql("ALTER TABLE orders RENAME COLUMN number TO no")
        .await;
    match attempt(&world, &orders).await {
        LedgerError::Target(TargetRefusal::Columns { table, message }) => {
            assert_eq!(table.name, "orders");
            assert!(message.contains("number"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    world.database.sql("DROP TABLE orders").await;
    match attempt(&world, &orders).await {
        LedgerError::Target(TargetRefusal::Missing(table)) => assert_eq!(table.name, "orders"),
        other => panic!("{other:?}"),
    }
    world
        .database
        .sql("CREATE TABLE orders (number bigint, _arrival_id bigint, _record bigint)")
        .await;
    world.claim("the arrival stands as before").await;
}

pub(crate) async fn an_upsert_without_a_unique_key_is_refused_by_name<D: Database>() {
    let world = World::<D>::new().await;
    let append = world.destination().await;
    let upsert = Destination {
        order: Order::Any,
        atomic: false,
        mode: Mode::Upsert {
            key: vec!["number".to_owned()],
        },
        ..append
    };
    match attempt(&world, &upsert).await {
        LedgerError::Target(TargetRefusal::NoUniqueKey { table, key }) => {
            assert_eq!((table.name.as_str(), key.as_str()), ("orders", "number"));
        }
        other => panic!("{other:?}"),
    }
    world
        .database
        .sql("CREATE UNIQUE INDEX orders_number ON orders (number)")
        .await;
    let claim = world.claim("owner").await;
    world
        .load(&claim.lease, &upsert, &Checkpoint::default(), &[1])
        .await
        .expect("loads");
}

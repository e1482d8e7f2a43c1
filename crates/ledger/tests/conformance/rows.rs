use arrivage_ledger::{Destination, Registration};
use arrivage_model::{Checkpoint, ColumnType, Mode, Order, State};

use super::world::{LEASE, advance, column, found, last, numbers_from, object, rows_from};
use super::{Database, World};

pub(crate) async fn only_the_rows_of_the_range_are_loaded<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &orders)
        .await
        .expect("begins");
    let rows = numbers_from(0, &[1, 2, 3, 4, 5]);
    for range in [1..3, 0..0, 4..5] {
        chunk.load(&rows, range).await.expect("loads");
    }
    chunk
        .commit(&advance(&Checkpoint::default(), 5, 0))
        .await
        .expect("commits");
    let rows = "SELECT number, _arrival_id, _record FROM orders ORDER BY number";
    let expect = format!("2|{id}|2\n3|{id}|3\n5|{id}|5");
    assert_eq!(world.database.sql(rows).await.trim(), expect);
}

pub(crate) async fn ten_thousand_rows_arrive_in_one_chunk<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    world.register("a").await;
    let claim = world.claim("owner").await;
    let numbers: Vec<i64> = (0..10_007).map(|n| n - 5000).collect();
    world
        .load(&claim.lease, &orders, &Checkpoint::default(), &numbers)
        .await
        .expect("loads");
    let check = "SELECT count(*), sum(number), min(_record), max(_record), \
                 count(DISTINCT number - _record) FROM orders";
    assert_eq!(
        world.database.sql(check).await.trim(),
        "10007|30021|1|10007|1"
    );
}

pub(crate) async fn the_last_record_of_a_key_wins<D: Database>() {
    let world = World::<D>::new().await;
    let create = "CREATE TABLE prices (shop bigint, item text, price text, _arrival_id bigint, \
                  _record bigint, PRIMARY KEY (item, shop))";
    world.database.sql(create).await;
    let destination = Destination {
        table: world
            .ledger
            .table(&"prices".parse().expect("a name"))
            .await
            .expect("loadable"),
        columns: vec![
            column("shop", ColumnType::BigInt),
            column("item", ColumnType::Text),
            column("price", ColumnType::Text),
        ],
        order: Order::Any,
        atomic: false,
        mode: Mode::Upsert {
            key: vec!["shop".to_owned(), "item".to_owned()],
        },
    };
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &destination)
        .await
        .expect("begins");
    let row = |shop, item, price| [Some(shop), Some(item), price];
    let first = rows_from(
        0,
        &[
            row("1", "tea", Some("old")),
            row("2", "tea", Some("other shop")),
            row("1", "tea", Some("newer")),
            row("1", "rice", None),
        ],
    );
    chunk.load(&first, 0..4).await.expect("loads");
    let second = rows_from(4, &[row("1", "tea", Some("newest")), row("2", "tea", None)]);
    chunk.load(&second, 0..2).await.expect("loads");
    chunk
        .commit(&last(advance(&Checkpoint::default(), 6, 0)))
        .await
        .expect("commits");
    let rows = "SELECT shop, item, price, _arrival_id, _record FROM prices ORDER BY shop, item";
    let expect = format!("1|rice||{id}|4\n1|tea|newest|{id}|5\n2|tea||{id}|6");
    assert_eq!(world.database.sql(rows).await.trim(), expect);

    // A later content replaces rows of the first, lineage and all.
    let later = Registration {
        object: object("a", "e2"),
        ..found("a")
    };
    let later = world.notify(later).await.id();
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &destination)
        .await
        .expect("begins");
    let rows = rows_from(0, &[row("1", "rice", Some("at last"))]);
    chunk.load(&rows, 0..1).await.expect("loads");
    chunk
        .commit(&last(advance(&Checkpoint::default(), 1, 0)))
        .await
        .expect("commits");
    let rows = "SELECT shop, item, price, _arrival_id, _record FROM prices ORDER BY shop, item";
    let expect = format!("1|rice|at last|{later}|1\n1|tea|newest|{id}|5\n2|tea||{id}|6");
    assert_eq!(world.database.sql(rows).await.trim(), expect);
}

pub(crate) async fn a_table_without_lineage_columns_is_loaded<D: Database>() {
    let world = World::<D>::new().await;
    world
        .database
        .sql("CREATE TABLE plain (number bigint)")
        .await;
    let plain = world.destination_of("plain").await;
    world.register("a").await;
    let claim = world.claim("owner").await;
    world
        .load(&claim.lease, &plain, &Checkpoint::default(), &[1, 2])
        .await
        .expect("loads");
    assert_eq!(world.numbers("plain").await, [1, 2]);
    world
        .database
        .sql("CREATE TABLE half (number bigint, _record bigint)")
        .await;
    let half = world.destination_of("half").await;
    world.register("b").await;
    let claim = world.claim("owner").await;
    world
        .load(&claim.lease, &half, &Checkpoint::default(), &[1, 2])
        .await
        .expect("loads");
    assert_eq!(
        world
            .database
            .sql("SELECT sum(_record) FROM half")
            .await
            .trim(),
        "3"
    );
}

pub(crate) async fn values_arrive_exactly<D: Database>() {
    let world = World::<D>::new().await;
    let typed = [
        (ColumnType::SmallInt, "-32768", "v", "-32768"),
        (ColumnType::Integer, "2147483647", "v", "2147483647"),
        (
            ColumnType::BigInt,
            "-9223372036854775808",
            "v",
            "-9223372036854775808",
        ),
        (
            ColumnType::Numeric(Some((38, 10))),
            "1234567890123456789012345678.0123456789",
            "v",
            "1234567890123456789012345678.0123456789",
        ),
        (ColumnType::Numeric(Some((5, 2))), "-0.10", "v", "-0.10"),
        (
            ColumnType::DoublePrecision,
            "0.1",
            "CASE WHEN v = 0.1 THEN 'same' END",
            "same",
        ),
        (
            ColumnType::Real,
            "-1.5e9",
            "CASE WHEN v = -1.5e9 THEN 'same' END",
            "same",
        ),
        (
            ColumnType::Boolean,
            "t",
            "CASE WHEN v THEN 'true' ELSE 'false' END",
            "true",
        ),
        (
            ColumnType::Boolean,
            "f",
            "CASE WHEN v THEN 'true' ELSE 'false' END",
            "false",
        ),
        (ColumnType::Text, "007", "v", "007"),
        (ColumnType::Text, "", "length(v)", "0"),
        (ColumnType::Text, "NULL", "length(v)", "4"),
        (ColumnType::Text, "\\N", "v", "\\N"),
        (
            ColumnType::Text,
            "tab\there, \"quote\" 'and' \\back\\ \u{1F4E6}",
            "v",
            "tab\there, \"quote\" 'and' \\back\\ \u{1F4E6}",
        ),
        (ColumnType::Varchar(Some(3)), "é1\u{301}", "v", "é1\u{301}"),
        (ColumnType::Date, "2026-02-28", "v", "2026-02-28"),
        (ColumnType::Time, "23:59:59.999999", "v", "23:59:59.999999"),
        (
            ColumnType::Timestamp,
            "2026-02-28 23:59:59.5",
            "v",
            "2026-02-28 23:59:59.5",
        ),
        (
            ColumnType::Uuid,
            "6f1ed002-ab5d-4c6c-8a0b-3c7f4e9a1b2d",
            "v",
            "6f1ed002-ab5d-4c6c-8a0b-3c7f4e9a1b2d",
        ),
        (
            ColumnType::Json,
            "{\"a\": 9007199254740993}",
            "v",
            "{\"a\": 9007199254740993}",
        ),
        (ColumnType::Bytea, "\\x00ff5c27", "length(v)", "4"),
        (ColumnType::Bytea, "\\x", "length(v)", "0"),
    ];
    for (nth, (kind, text, look, expect)) in typed.into_iter().enumerate() {
        let table = format!("typed_{nth}");
        let pipeline = super::targets::pipeline(&table, Mode::Append, &[("v", Some(kind), false)]);
        world
            .ledger
            .create_table(&pipeline)
            .await
            .expect("makes the table");
        let mut destination = world.destination_of(&table).await;
        destination.columns = vec![column("v", kind)];
        let id = world.register(&table).await;
        let claim = world.claim("owner").await;
        let mut chunk = world
            .ledger
            .begin(&claim.lease, &destination)
            .await
            .expect("begins");
        chunk
            .load(&rows_from(0, &[[Some(text)], [None]]), 0..2)
            .await
            .expect("loads");
        chunk
            .commit(&last(advance(&Checkpoint::default(), 2, 0)))
            .await
            .expect("commits");
        let look = format!("SELECT {look} FROM {table} WHERE v IS NOT NULL");
        assert_eq!(
            world.database.sql(&look).await.trim_end_matches('\n'),
            expect,
            "{kind} {text}"
        );
        let nulls = format!("SELECT count(*) FROM {table} WHERE v IS NULL");
        assert_eq!(world.database.sql(&nulls).await.trim(), "1", "{kind}");
        assert_eq!(world.arrival(id).await.state, State::Loaded);
    }
}

pub(crate) async fn names_and_values_are_never_sql<D: Database>() {
    let world = World::<D>::new().await;
    let create = "CREATE TABLE \"we\"\"ird; DROP TABLE t\" (\"a\"\"b\" text, \"select\" text, \
                  \"É $1 ?1\" text, _arrival_id bigint, _record bigint)";
    world.database.sql(create).await;
    let names = ["a\"b", "select", "É $1 ?1"];
    let name = "we\"ird; DROP TABLE t".parse().expect("a name");
    let table = world.ledger.table(&name).await.expect("loadable");
    let columns: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(columns, names);
    let destination = Destination {
        table,
        columns: names.map(|name| column(name, ColumnType::Text)).into(),
        order: Order::Any,
        atomic: false,
        mode: Mode::Append,
    };
    world.register("a").await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &destination)
        .await
        .expect("begins");
    let row = [Some("'); DROP TABLE t; --"), Some("$1"), Some("\\.")];
    chunk
        .load(&rows_from(0, &[row]), 0..1)
        .await
        .expect("loads");
    chunk
        .commit(&advance(&Checkpoint::default(), 1, 0))
        .await
        .expect("commits");
    let rows = "SELECT \"a\"\"b\", \"select\", \"É $1 ?1\" FROM \"we\"\"ird; DROP TABLE t\"";
    assert_eq!(
        world.database.sql(rows).await.trim(),
        "'); DROP TABLE t; --|$1|\\."
    );
    world
        .ledger
        .restart(&claim.lease, &destination.table, LEASE)
        .await
        .expect("restarts");
    assert_eq!(world.database.sql(rows).await.trim(), "");
}

use arrivage_ledger::{LedgerError, SharedLedger, TargetRefusal};
use arrivage_model::{
    Checkpoint, Column, ColumnType, Format, JsonLines, Limits, Mode, Order, Pipeline, RejectBudget,
    Table, TableName,
};

use super::{Database, World};

/// A pipeline that declares columns by name, type and whether they are required.
pub(crate) fn pipeline(
    table: &str,
    mode: Mode,
    columns: &[(&str, Option<ColumnType>, bool)],
) -> Pipeline {
    let column = |&(name, kind, required): &(&str, Option<ColumnType>, bool)| Column {
        name: name.to_owned(),
        kind,
        from: None,
        format: None,
        decimal: '.',
        required,
        default: None,
    };
    Pipeline {
        name: "orders".to_owned(),
        patterns: Vec::new(),
        ignored_names: Vec::new(),
        table: table.parse().expect("a table's name"),
        mode,
        order: Order::Any,
        atomic: false,
        create_table: true,
        max_attempts: 3,
        format: Format::JsonLines(JsonLines {}),
        limits: Limits::default(),
        columns: columns.iter().map(column).collect(),
        rejects: RejectBudget {
            max_rows: 1000,
            max_ratio: None,
        },
        sidecar: None,
    }
}

async fn look<D: Database>(world: &World<D>, table: &str) -> Result<Table, LedgerError> {
    world
        .ledger
        .table(&table.parse().expect("a table's name"))
        .await
}

fn names(table: &Table) -> Vec<&str> {
    table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect()
}

pub(crate) async fn a_table_is_seen_as_the_catalogue_has_it<D: Database>() {
    let world = World::<D>::new().await;
    world
        .database
        .sql(
            "CREATE TABLE full_house (id bigint NOT NULL, name varchar(20), \
             amount numeric(12,2) NOT NULL DEFAULT 0, paid boolean, at timestamptz, \
             _arrival_id bigint, twice bigint GENERATED ALWAYS AS (id * 2) STORED, \
             _record bigint, raw bytea, odd \"char\")",
        )
        .await;
    let table = look(&world, "full_house").await.expect("loadable");
    assert_eq!(
        names(&table),
        ["id", "name", "amount", "paid", "at", "raw", "odd"]
    );
    let kinds: Vec<_> = table
        .columns
        .iter()
        .take(6)
        .map(|column| column.kind.clone())
        .collect();
    let expect = [
        ColumnType::BigInt,
        ColumnType::Varchar(Some(20)),
        ColumnType::Numeric(Some((12, 2))),
        ColumnType::Boolean,
        ColumnType::TimestampTz,
        ColumnType::Bytea,
    ];
    assert_eq!(kinds, expect.map(Ok));
    let required: Vec<_> = table.columns.iter().map(|column| column.required).collect();
    assert_eq!(required, [true, false, false, false, false, false, false]);
    assert!(table.has_arrival_id && table.has_record);
    assert_eq!(table.name.name, "full_house");

    world
        .database
        .sql("CREATE TABLE plain (number bigint)")
        .await;
    let table = look(&world, "plain").await.expect("loadable");
    assert!(!table.has_arrival_id && !table.has_record);
}

pub(crate) async fn what_is_no_table_is_refused_by_name<D: Database>() {
    let world = World::<D>::new().await;
    match look(&world, "nowhere").await {
        Err(LedgerError::Target(refusal @ TargetRefusal::Missing(_))) => {
            assert!(refusal.to_string().contains("create_table"), "{refusal}");
        }
        other => panic!("{other:?}"),
    }
    world
        .database
        .sql("CREATE TABLE t (number bigint); CREATE VIEW v AS SELECT * FROM t")
        .await;
    match look(&world, "v").await {
        Err(LedgerError::Target(TargetRefusal::NotATable(name, kind))) => {
            assert_eq!((name.name.as_str(), kind), ("v", "view"));
        }
        other => panic!("{other:?}"),
    }
    let missing = look(&world, "no_such_schema.t").await;
    assert!(
        matches!(missing, Err(LedgerError::Target(_))),
        "{missing:?}"
    );
}

pub(crate) async fn a_table_is_made_from_the_declared_columns<D: Database>() {
    let world = World::<D>::new().await;
    let columns = [
        ("id", Some(ColumnType::BigInt), false),
        ("na\"me", Some(ColumnType::Text), true),
        ("amount", Some(ColumnType::Numeric(Some((12, 2)))), false),
    ];
    let key = vec!["id".to_owned()];
    let made = pipeline("made here", Mode::Upsert { key }, &columns);
    world
        .ledger
        .create_table(&made)
        .await
        .expect("makes the table");
    let table = look(&world, "made here").await.expect("loadable");
    assert_eq!(names(&table), ["id", "na\"me", "amount"]);
    assert!(table.has_arrival_id && table.has_record);
    assert!(table.columns[1].required && !table.columns[2].required);
    assert!(!table.parallel, "its key is unique");

    let mut destination = world.destination_of("made here").await;
    destination.mode = made.mode.clone();
    destination.columns = vec![
        super::world::column("id", ColumnType::BigInt),
        super::world::column("na\"me", ColumnType::Text),
    ];
    world.register("a").await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &destination)
        .await
        .expect("begins");
    let rows = [[Some("1"), Some("old")], [Some("1"), Some("new")]];
    chunk
        .load(&super::world::rows_from(0, &rows), 0..2)
        .await
        .expect("loads");
    let step = super::world::advance(&Checkpoint::default(), 2, 0);
    chunk.commit(&step).await.expect("commits");
    let rows = "SELECT id, \"na\"\"me\", _record FROM \"made here\"";
    assert_eq!(world.database.sql(rows).await.trim(), "1|new|2");
}

pub(crate) async fn a_table_that_is_there_is_not_made_again<D: Database>() {
    let world = World::<D>::new().await;
    world
        .database
        .sql("CREATE TABLE orders (number bigint)")
        .await;
    let other = pipeline(
        "orders",
        Mode::Append,
        &[("other", Some(ColumnType::Text), false)],
    );
    world
        .ledger
        .create_table(&other)
        .await
        .expect("leaves it as it is");
    assert_eq!(
        names(&look(&world, "orders").await.expect("loadable")),
        ["number"]
    );

    let new = pipeline(
        "new",
        Mode::Append,
        &[("number", Some(ColumnType::BigInt), false)],
    );
    let (one, another) = (world.database.ledger(), world.database.ledger());
    let (first, second) = tokio::join!(one.create_table(&new), another.create_table(&new));
    first.expect("two may make it at once");
    second.expect("two may make it at once");
    assert_eq!(
        names(&look(&world, "new").await.expect("loadable")),
        ["number"]
    );
}

pub(crate) async fn a_table_is_not_made_from_an_incomplete_declaration<D: Database>() {
    let world = World::<D>::new().await;
    let text = Some(ColumnType::Text);
    let upsert = Mode::Upsert {
        key: vec!["id".to_owned()],
    };
    let incomplete = [
        ("none", pipeline("none", Mode::Append, &[])),
        (
            "untyped",
            pipeline("untyped", Mode::Append, &[("a", None, false)]),
        ),
        (
            "keyless",
            pipeline("keyless", upsert, &[("a", text, false)]),
        ),
    ];
    for (table, pipeline) in incomplete {
        let made = world.ledger.create_table(&pipeline).await;
        let declined = matches!(
            made,
            Err(LedgerError::Target(TargetRefusal::Declaration(_)))
        );
        assert!(declined, "{table}: {made:?}");
        let missing = look(&world, table).await;
        let expect: TableName = table.parse().expect("a name");
        match missing {
            Err(LedgerError::Target(TargetRefusal::Missing(name))) => assert_eq!(name, expect),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn an_upsert_is_admitted_only_where_an_index_serves_its_key<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await.table;
    let upsert = Mode::Upsert {
        key: vec!["number".to_owned()],
    };
    let admits = async |mode: &Mode| {
        let pipeline = pipeline("orders", mode.clone(), &[]);
        world.ledger.admits(&pipeline, &orders).await
    };
    admits(&Mode::Append).await.expect("it needs no index");
    for useless in [
        "",
        "CREATE INDEX plain ON orders (number)",
        "CREATE UNIQUE INDEX of_two ON orders (number, _record)",
        "CREATE UNIQUE INDEX of_some ON orders (number) WHERE number > 0",
        "CREATE UNIQUE INDEX of_another ON orders (abs(number))",
    ] {
        world.database.sql(useless).await;
        match admits(&upsert).await {
            Err(LedgerError::Target(TargetRefusal::NoUniqueKey { table, key })) => {
                assert_eq!((table.name.as_str(), key.as_str()), ("orders", "number"));
            }
            other => panic!("{useless}: {other:?}"),
        }
    }
    let index = "CREATE UNIQUE INDEX of_number ON orders (number)";
    world.database.sql(index).await;
    admits(&upsert).await.expect("it is served");
    assert!(world.numbers("orders").await.is_empty(), "it only asks");
}

pub(crate) async fn many_may_make_a_table_at_once<D: Database>() {
    let world = World::<D>::new().await;
    let ledgers: Vec<SharedLedger> = (0..4).map(|_| world.database.ledger()).collect();
    let meet = tokio::sync::Barrier::new(ledgers.len());
    for round in 0..8 {
        let name = format!("made_{round}");
        let columns = [("id", Some(ColumnType::BigInt), false)];
        let made = pipeline(&name, Mode::Append, &columns);
        let make = async |ledger: &SharedLedger| {
            // It knows from before that there is no such table.
            let missing = ledger.table(&made.table).await;
            missing.expect_err("nobody has made it yet");
            meet.wait().await;
            ledger.create_table(&made).await
        };
        for made in futures::future::join_all(ledgers.iter().map(make)).await {
            made.expect("it is there, whoever makes it");
        }
        look(&world, &name).await.expect("loadable");
    }
}

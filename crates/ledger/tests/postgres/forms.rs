//! What COPY's binary format brings is what PostgreSQL makes of the same text.

use arrivage_ledger::Destination;
use arrivage_model::{Checkpoint, ColumnType, Rows};

use super::PostgresDatabase;
use super::conformance::world::{advance, column, last, rows_from};
use super::conformance::{Database, World};

async fn load(world: &World<PostgresDatabase>, destination: &Destination, rows: &Rows) {
    world.register("a").await;
    let claim = world.claim("owner").await;
    let chunk = world.ledger.begin(&claim.lease, destination).await;
    let mut chunk = chunk.expect("begins");
    chunk.load(rows, 0..rows.len()).await.expect("loads");
    let advance = advance(&Checkpoint::default(), rows.len() as u64, 0);
    chunk.commit(&last(advance)).await.expect("commits");
}

/// Values that were validated as the one type, in a column of the other.
async fn check(value: &str, of: &str, texts: &[&str]) {
    let world = World::<PostgresDatabase>::new().await;
    let create = format!("CREATE TABLE orders (v {of}, _arrival_id bigint, _record bigint)");
    world.database.sql(&create).await;
    let kind: ColumnType = value.parse().expect(value);
    let destination = Destination {
        columns: vec![column("v", kind)],
        ..world.destination_of("orders").await
    };
    let mut cells: Vec<[Option<&str>; 1]> = texts.iter().map(|&text| [Some(text)]).collect();
    cells.push([None]);
    let rows = rows_from(0, &cells);
    load(&world, &destination, &rows).await;
    for (nth, text) in texts.iter().enumerate() {
        // A command line holds less than the longest number.
        let quoted = match text.len() {
            length @ 100_000.. => format!("repeat('9', {length})"),
            _ => format!("'{}'", text.replace('\'', "''")),
        };
        let compare = format!(
            "SELECT v::text = {quoted}::{of}::text AND v IS NOT NULL, left(v::text, 99) FROM orders \
             WHERE _record = {}",
            nth + 1
        );
        let found = world.database.sql(&compare).await;
        let shown: String = text.chars().take(60).collect();
        assert!(
            found.starts_with("t|"),
            "{shown} as {value} in {of}: {found:.200}"
        );
    }
    let nulls = "SELECT count(*) FROM orders WHERE v IS NULL";
    assert_eq!(
        world.database.sql(nulls).await.trim(),
        "1",
        "{value} in {of}"
    );
}

#[tokio::test]
async fn every_value_is_what_its_text_would_be() {
    let long = "9".repeat(131_072);
    let fine = format!("-0.{}1", "0".repeat(16_382));
    let numerics = [
        "0",
        "-1",
        "12.50",
        "0.00001",
        "10000",
        "99999999.9999",
        "100000000",
        "-12345.6789",
        "1.0",
        "0.000",
        &long,
        &fine,
    ];
    let integers = ["0", "7", "-32768", "32767"];
    let days = [
        "0001-01-01",
        "1999-12-31",
        "2000-01-01",
        "2000-02-29",
        "2024-02-29",
        "9999-12-31",
    ];
    let moments = [
        "0001-01-01 00:00:00",
        "1999-12-31 23:59:59.999999",
        "2026-11-22 20:03:46.5",
        "9999-12-31 23:59:59",
    ];
    let zoned = moments.map(|moment| format!("{moment}+00:00"));
    let zoned: Vec<&str> = zoned.iter().map(String::as_str).collect();
    let texts = ["", " a\tb\\c\nd ", "é€𝄞", "it's", "\\N", "\\."];
    let documents = [
        r#"{"a": [1, 2.50, "é\u0001"], "b": null}"#,
        "7",
        "\"\"",
        "[]",
    ];
    let uuids = [
        "00000000-0000-0000-0000-000000000000",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1f",
    ];

    for of in [
        "smallint",
        "integer",
        "bigint",
        "numeric(12,2)",
        "numeric",
        "real",
        "double precision",
        "text",
    ] {
        check("smallint", of, &integers).await;
    }
    check(
        "bigint",
        "bigint",
        &["-9223372036854775808", "9223372036854775807"],
    )
    .await;
    check("integer", "integer", &["-2147483648", "2147483647"]).await;
    check("numeric", "numeric", &numerics).await;
    check(
        "numeric(12,2)",
        "numeric(12,2)",
        &["-9999999999.99", "0.01", "0.00"],
    )
    .await;
    check(
        "real",
        "real",
        &["0.1", "-0", "1e-45", "3.4028235e38", "16777216"],
    )
    .await;
    check("real", "double precision", &["0.1", "3.4028235e38"]).await;
    let doubles = [
        "0.1",
        "-0",
        "5e-324",
        "1.7976931348623157e308",
        "123456789.125",
    ];
    check("double precision", "double precision", &doubles).await;
    check("boolean", "boolean", &["t", "f"]).await;
    check("text", "text", &texts).await;
    check("varchar(20)", "varchar(20)", &texts).await;
    check("char(9)", "char(9)", &["", "a", " b ", "é€𝄞456789"]).await;
    check("date", "date", &days).await;
    check("date", "timestamp", &days).await;
    check(
        "time",
        "time",
        &["00:00:00", "23:59:59.999999", "12:30:00.000001"],
    )
    .await;
    check("timestamp", "timestamp", &moments).await;
    check("timestamptz", "timestamptz", &zoned).await;
    let intervals = [
        "PT0S",
        "P1Y2M3DT4H5M6.7S",
        "P-1Y-2M-3DT-4H-5M-6.000007S",
        "P178000000Y7M",
        "P-178956970Y-8M2147483647D",
        "PT2562047788H54.775807S",
        "PT-2562047788H-54.775808S",
        "PT-0.5S",
    ];
    check("interval", "interval", &intervals).await;
    let addresses = [
        "0.0.0.0/0",
        "192.0.2.1",
        "192.0.2.1/24",
        "255.255.255.255",
        "::",
        "2001:db8::1",
        "2001:db8::/32",
        "::ffff:192.0.2.1",
    ];
    check("inet", "inet", &addresses).await;
    check("interval", "text", &["P1Y2M3DT4H5M6.7S"]).await;
    check("uuid", "uuid", &uuids).await;
    check("json", "json", &documents).await;
    check("jsonb", "jsonb", &documents).await;
    check("bytea", "bytea", &["\\x", "\\x00ff10"]).await;
}

#[tokio::test]
async fn an_array_is_what_its_text_would_be() {
    let integers = ["{}", "{1}", "{1,NULL,-3}", "{{1,2},{3,4},{5,6}}", "{NULL}"];
    for of in [
        "smallint[]",
        "integer[]",
        "bigint[]",
        "numeric(9,2)[]",
        "real[]",
    ] {
        check("smallint[]", of, &integers).await;
    }
    let texts = [
        "{\"\",\"NULL\",NULL,\"a b\",é}",
        r#"{"a\"b","c\\d","{e}","f,g"}"#,
        "{\"it's\"}",
    ];
    for of in ["text[]", "varchar(9)[]"] {
        check("text[]", of, &texts).await;
    }
    check("char(3)[]", "char(3)[]", &["{a,bcd}"]).await;
    check(
        "double precision[]",
        "double precision[]",
        &["{0.1,-0,1e-300}"],
    )
    .await;
    check("boolean[]", "boolean[]", &["{t,f,NULL}"]).await;
    check("date[]", "date[]", &["{2026-01-02}"]).await;
    check("time[]", "time[]", &["{23:59:59.999999}"]).await;
    check("timestamp[]", "timestamp[]", &["{\"2026-01-02 03:04:05\"}"]).await;
    let zoned = ["{\"2026-01-02 03:04:05+00:00\"}"];
    check("timestamptz[]", "timestamptz[]", &zoned).await;
    check("interval[]", "interval[]", &["{P1DT2H}"]).await;
    check("inet[]", "inet[]", &["{192.0.2.1,2001:db8::/32}"]).await;
    check(
        "uuid[]",
        "uuid[]",
        &["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1f}"],
    )
    .await;
    check("json[]", "json[]", &[r#"{"{\"a\": 1}","[2]",NULL}"#]).await;
    check("jsonb[]", "jsonb[]", &[r#"{"{\"a\": 1}","[2]",NULL}"#]).await;
    check("bytea[]", "bytea[]", &[r#"{"\\x00ff"}"#]).await;
    check("integer[]", "text", &["{1,2}"]).await;
}

#[tokio::test]
async fn an_enum_and_an_array_of_it_are_known_by_their_labels() {
    let world = World::<PostgresDatabase>::new().await;
    world
        .database
        .sql(
            "CREATE SCHEMA other;
             CREATE TYPE other.\"Mood\" AS ENUM ('so so', 'sad');
             ALTER TYPE other.\"Mood\" ADD VALUE 'happy' BEFORE 'sad';
             CREATE TABLE orders (m other.\"Mood\", ms other.\"Mood\"[], i integer[], _arrival_id bigint)",
        )
        .await;
    let destination = world.destination_of("orders").await;
    let kinds = destination
        .table
        .columns
        .iter()
        .map(|column| column.kind.clone());
    let kinds: Vec<ColumnType> = kinds.map(|kind| kind.expect("a known type")).collect();
    let [
        ColumnType::Enum(mood),
        ColumnType::Array(moods),
        ColumnType::Array(_),
    ] = kinds[..]
    else {
        panic!("{kinds:?}");
    };
    assert_eq!(mood.name(), "other.\"Mood\"");
    assert_eq!(mood.labels(), ["so so", "happy", "sad"]);
    assert_eq!(moods.kind(), ColumnType::Enum(mood));

    let columns = ["m", "ms", "i"].into_iter().zip(kinds);
    let destination = Destination {
        columns: columns.map(|(name, kind)| column(name, kind)).collect(),
        ..destination
    };
    let rows = rows_from(0, &[[Some("sad"), Some("{\"so so\",NULL}"), Some("{1,2}")]]);
    load(&world, &destination, &rows).await;
    let found = world.database.sql("SELECT * FROM orders").await;
    assert_eq!(found.trim(), "sad|{\"so so\",NULL}|{1,2}|1");
}

#[tokio::test]
async fn what_has_no_binary_form_here_goes_as_text() {
    check("numeric", "double precision", &["0.1", "-12.5"]).await;
    check("numeric", "real", &["0.1"]).await;

    let world = World::<PostgresDatabase>::new().await;
    world
        .database
        .sql(
            "CREATE TYPE mood AS ENUM ('good', 'bad');
             CREATE DOMAIN small AS integer CHECK (VALUE < 10);
             CREATE TABLE orders (m mood, s small, _arrival_id integer)",
        )
        .await;
    let destination = Destination {
        columns: vec![
            column("m", ColumnType::Text),
            column("s", ColumnType::Integer),
        ],
        ..world.destination_of("orders").await
    };
    let rows = rows_from(0, &[[Some("bad"), Some("3")]]);
    load(&world, &destination, &rows).await;
    let found = world.database.sql("SELECT * FROM orders").await;
    assert_eq!(found.trim(), "bad|3|1");
}

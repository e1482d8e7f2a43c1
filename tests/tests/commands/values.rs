use anyhow::Result;
use arrivage_tests::{Arrivage, Destination};

/// A type, a value as a file has it, and what PostgreSQL and SQLite show of it.
const VALUES: [(&str, &str, &str, &str); 31] = [
    ("smallint", "-32768", "-32768", "-32768"),
    ("integer", "+5", "5", "5"),
    (
        "bigint",
        "-9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775808",
    ),
    ("numeric", "00.10", "0.10", "0.10"),
    (
        "numeric",
        "12345678901234567890.0123456789",
        "12345678901234567890.0123456789",
        SAME,
    ),
    ("numeric(12,3)", "-1.5", "-1.500", "-1.500"),
    ("real", "1.1", "1.1", "1.1"),
    ("double precision", "1e-300", "1e-300", "1e-300"),
    (
        "double precision",
        "0.30000000000000004",
        "0.30000000000000004",
        SAME,
    ),
    ("boolean", "Yes", "t", "1"),
    ("boolean", "0", "f", "0"),
    ("text", " ünï, \\.\t'\u{1F600}", SAME, SAME),
    ("text", "two\nlines", SAME, SAME),
    ("varchar(5)", "ünïcö", SAME, SAME),
    ("char(3)", "ab", "ab", "ab"),
    ("date", "0001-01-01", SAME, SAME),
    ("date", "9999-12-31", SAME, SAME),
    ("time", "23:59:59.123456", SAME, SAME),
    (
        "timestamp",
        "2026-11-22T14:00:00.5",
        "2026-11-22 14:00:00.5",
        "2026-11-22 14:00:00.5",
    ),
    (
        "timestamptz",
        "2026-11-22T14:00:00+05:30",
        "2026-11-22 08:30:00+00",
        "2026-11-22 08:30:00+00:00",
    ),
    (
        "uuid",
        "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    ("json", r#"{"b": 1,  "a":2}"#, SAME, SAME),
    (
        "jsonb",
        r#"{"b":1,"a":[2.50]}"#,
        r#"{"a": [2.50], "b": 1}"#,
        SAME,
    ),
    (
        "interval",
        "P1Y2M3DT4H5M6.70S",
        "1 year 2 mons 3 days 04:05:06.7",
        "P1Y2M3DT4H5M6.7S",
    ),
    (
        "interval",
        "-1 days +26:00:00",
        "-1 days +26:00:00",
        "P-1DT26H",
    ),
    (
        "inet",
        "2001:DB8:0::1/32",
        "2001:db8::1/32",
        "2001:db8::1/32",
    ),
    ("bytea", "\\xDEADbeef", "\\xdeadbeef", "[de, ad, be, ef]"),
    ("integer", "", "", ""),
    ("integer[]", "{1,NULL,-3}", SAME, "[1,null,-3]"),
    (
        "text[]",
        "{\"a b\",\"NULL\",é}",
        SAME,
        "[\"a b\",\"NULL\",\"é\"]",
    ),
    (
        "numeric(5,2)[]",
        "{{1.5,2},{3,4}}",
        "{{1.50,2.00},{3.00,4.00}}",
        "[[1.50,2.00],[3.00,4.00]]",
    ),
];

/// As it stands in the file.
const SAME: &str = "(the same)";

#[tokio::test]
async fn every_type_keeps_its_values_on_sqlite() -> Result<()> {
    check(Destination::sqlite()?, |(_, _, _, sqlite)| sqlite).await
}

#[tokio::test]
async fn every_type_keeps_its_values_on_postgres() -> Result<()> {
    check(Destination::postgres().await?, |(_, _, postgres, _)| {
        postgres
    })
    .await
}

/// Loads all of them as one record of CSV and one of JSON Lines, into a table that the load makes.
async fn check(
    to: Destination,
    shown: impl Fn((&'static str, &'static str, &'static str, &'static str)) -> &'static str,
) -> Result<()> {
    let column = |(n, value): (usize, &(&str, &str, &str, &str))| {
        format!(
            "[[pipeline.column]]\nname = \"c{n}\"\ntype = \"{}\"\n",
            value.0
        )
    };
    let columns: String = VALUES.iter().enumerate().map(column).collect();
    let pipeline = |name: &str, kind: &str| {
        format!(
            "[[pipeline]]\nname = \"{name}\"\nmatch = [\"in/*.{name}\"]\ntable = \"{name}\"\n\
             create_table = true\nformat.kind = \"{kind}\"\n{columns}"
        )
    };
    let configuration = pipeline("csv", "csv") + &pipeline("jsonl", "json-lines");
    let arrivage = Arrivage::new(&to.url(), &configuration)?;
    arrivage.file("in/a.csv", csv())?;
    arrivage.file("in/a.jsonl", json_lines())?;
    arrivage.run(&["load", "-r", "in"]).await?.expect(0);
    assert_eq!(
        to.sql("SELECT column_name, reason FROM arrivage.rejects")
            .await?,
        ""
    );

    for (n, value) in VALUES.into_iter().enumerate() {
        let expect = if shown(value) == SAME {
            value.1
        } else {
            shown(value)
        };
        for table in ["csv", "jsonl"] {
            let query = match to {
                Destination::Postgres(_) => {
                    format!("SET timezone = 'UTC'; SELECT c{n} FROM {table}")
                }
                Destination::Sqlite(_) => format!("SELECT c{n} FROM {table}"),
            };
            assert_eq!(to.sql(&query).await?, expect, "{value:?} in {table}");
        }
    }
    Ok(())
}

fn csv() -> String {
    let header: Vec<String> = (0..VALUES.len()).map(|n| format!("c{n}")).collect();
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    // Quoted, nothing at all is an empty text.
    let cell = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            quoted(text)
        }
    };
    let cells: Vec<String> = VALUES.iter().map(|(_, text, ..)| cell(text)).collect();
    format!("{}\n{}\n", header.join(","), cells.join(","))
}

fn json_lines() -> String {
    let mut record = serde_json::Map::new();
    for (n, (kind, text, ..)) in VALUES.iter().enumerate() {
        let value = match *kind {
            _ if text.is_empty() => serde_json::Value::Null,
            "json" | "jsonb" => continue,
            _ => serde_json::Value::from(*text),
        };
        record.insert(format!("c{n}"), value);
    }
    // JSON within JSON stands there as it is, blanks included.
    let mut line = serde_json::Value::Object(record).to_string();
    line.pop();
    for (n, (kind, text, ..)) in VALUES.iter().enumerate() {
        if kind.starts_with("json") {
            line += &format!(",\"c{n}\":{text}");
        }
    }
    line + "}\n"
}

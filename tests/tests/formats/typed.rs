//! Files that state the types of their values: Parquet and Avro.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use arrivage_fault::VARIABLE;
use arrivage_tests::{Arrivage, Destination, on_both};

on_both!(
    the_same_rows_are_loaded_from_every_format,
    who_is_killed_goes_on_within_the_file,
    what_does_not_fit_its_column_is_a_reject,
    what_a_preview_of_a_typed_file_prints_loads_it,
    a_table_is_made_of_the_types_that_the_file_states,
    a_file_of_another_kind_fails,
);

/// What a table has for the rows of the fixtures: its columns in PostgreSQL's words.
const COLUMNS: &str = "id bigint, small smallint, price numeric(9,2), huge numeric(40,0), \
     ratio double precision, half real, ok boolean, name text, day date, at time, \
     seen timestamp, moment timestamptz, key uuid, raw bytea, tags text[], sizes integer[], deep jsonb";

const NAMES: &str = "id, small, price, huge, ratio, half, ok, name, day, at, seen, moment, key, raw, \
     tags, sizes, deep";

fn fixture(name: &str) -> Result<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/typed");
    fs::read(folder.join(name)).with_context(|| name.to_owned())
}

/// A pipeline for the files with this ending, into a table of the same name.
fn pipeline(name: &str, kind: &str, more: &str) -> String {
    format!(
        "[[pipeline]]\nname = \"{name}\"\nmatch = [\"in/*.{name}\"]\ntable = \"{name}\"\n\
         {more}format.kind = \"{kind}\"\n"
    )
}

/// Every column with its type, because SQLite's tables do not say enough.
fn columns() -> String {
    let column = |column: &str| {
        let (name, kind) = column.trim().split_once(' ').expect("a name and a type");
        format!("[[pipeline.column]]\nname = \"{name}\"\ntype = \"{kind}\"\n")
    };
    // A comma within brackets stands before no blank.
    COLUMNS.split(", ").map(column).collect()
}

async fn the_same_rows_are_loaded_from_every_format(to: Destination) -> Result<()> {
    let kinds = [
        ("parquet", "rows-snappy.parquet"),
        ("avro", "rows-deflate.avro"),
        ("jsonl", "rows.jsonl"),
        ("csv", "rows.csv"),
    ];
    let configuration: String = kinds
        .iter()
        .map(|(name, _)| {
            let kind = if *name == "jsonl" { "json-lines" } else { name };
            pipeline(name, kind, "create_table = true\n") + &columns()
        })
        .collect();
    let arrivage = Arrivage::new(&to.url(), &configuration)?;
    for (name, file) in kinds {
        arrivage.file(&format!("in/rows.{name}"), fixture(file)?)?;
    }
    arrivage.run(&["load", "-r", "in"]).await?.expect(0);
    let rejects = "SELECT record, column_name, reason FROM arrivage.rejects";
    assert_eq!(to.sql(rejects).await?, "");
    let rows = async |table: &str| {
        let rows = format!("SELECT _record, {NAMES} FROM {table} ORDER BY _record");
        to.sql(&rows).await
    };
    let expect = rows("csv").await?;
    assert_eq!(to.count("SELECT count(*) FROM csv").await, 150);
    for (table, _) in &kinds[..3] {
        let found = rows(table).await?;
        for (found, expect) in found.lines().zip(expect.lines()) {
            assert_eq!(found, expect, "{table}");
        }
        assert_eq!(found.lines().count(), expect.lines().count(), "{table}");
    }
    Ok(())
}

/// The second of several chunks is committed, and the process is not there any more.
async fn who_is_killed_goes_on_within_the_file(to: Destination) -> Result<()> {
    for kind in ["parquet", "avro"] {
        to.sql(&format!(
            "CREATE TABLE {kind} (id bigint, name text, amount numeric(9,2), \
             _arrival_id bigint, _record bigint)"
        ))
        .await?;
        // The smallest chunks.
        let configuration = "[processor]\nmemory = \"28MiB\"\nlease = \"10s\"\n".to_owned();
        let arrivage = Arrivage::new(&to.url(), &(configuration + &pipeline(kind, kind, "")))?;
        let path = format!("in/many.{kind}");
        arrivage.file(&path, fixture(&format!("many.{kind}"))?)?;
        let killed = arrivage
            .command(&["load", &path])
            .env(VARIABLE, "chunk.committed=kill@2")
            .output()?;
        assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
        let records = format!(
            "SELECT max(checkpoint_records) FROM arrivage.arrivals WHERE pipeline = '{kind}'"
        );
        let left = to.count(&records).await;
        assert!(0 < left && left < 10_000, "{left}");
        arrivage.run(&["load", &path]).await?.expect(0);
        let rows = format!(
            "SELECT count(*), count(DISTINCT _record), min(id - _record), max(id - _record) FROM {kind}"
        );
        assert_eq!(
            to.sql(&rows).await?,
            "10000|10000|-1|-1",
            "{kind} from {left}"
        );
        let one = format!("SELECT name, amount FROM {kind} WHERE id = 9999");
        assert_eq!(to.sql(&one).await?, "item 99|9.99");
        let bytes = format!(
            "SELECT count(*) FROM arrivage.arrivals WHERE pipeline = '{kind}' AND bytes_read = size"
        );
        assert_eq!(to.count(&bytes).await, 1, "{kind}");
    }
    Ok(())
}

async fn what_does_not_fit_its_column_is_a_reject(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE parquet (id bigint, n numeric(3,1), seen text, name text)")
        .await?;
    let more = "[[pipeline.column]]\nname = \"seen\"\ntype = \"timestamp\"\n";
    let arrivage = Arrivage::new(&to.url(), &(pipeline("parquet", "parquet", "") + more))?;
    arrivage.file("in/odd.parquet", fixture("odd.parquet")?)?;
    arrivage.run(&["load", "in/odd.parquet"]).await?.expect(0);
    assert_eq!(to.sql("SELECT count(*) FROM parquet").await?, "0");
    let rejects =
        "SELECT record, line, column_name, reason_code FROM arrivage.rejects ORDER BY record";
    assert_eq!(
        to.sql(rejects).await?,
        "1|1|seen|not_a_date\n2|2||nul\n3|3|n|not_a_number\n4|4|seen|not_a_date"
    );
    // They come back as lines of JSON.
    let back = arrivage.run(&["rejects", "1", "--raw"]).await?.expect(0);
    assert!(back.stdout.starts_with("{\"id\":1,"), "{}", back.stdout);
    Ok(())
}

async fn what_a_preview_of_a_typed_file_prints_loads_it(to: Destination) -> Result<()> {
    for (kind, file) in [
        ("parquet", "rows-v2.parquet"),
        ("avro", "rows-zstandard.avro"),
    ] {
        let arrivage = Arrivage::new(&to.url(), "")?;
        let path = arrivage.file(&format!("in/{kind}.{kind}"), fixture(file)?)?;
        let path = path.display().to_string();
        let preview = arrivage.run(&["preview", "--json", &path]).await?.expect(0);
        let preview = preview.json().pop().context("one object")?;
        assert_eq!(preview["format"], kind, "{preview}");
        assert_eq!(preview["records"], 150, "{preview}");
        assert_eq!(preview["rejected"], 0, "{preview}");
        to.sql(preview["create_table"].as_str().context("a table")?)
            .await?;
        let pipeline = preview["pipeline"].as_str().context("a pipeline")?;
        assert!(
            pipeline.contains(&format!("kind = \"{kind}\"")),
            "{pipeline}"
        );
        arrivage.configure(&to.url(), pipeline)?;
        arrivage.run(&["load", &path]).await?.expect(0);
        let rows = format!("SELECT count(*), count(id), max(price), count(deep) FROM {kind}");
        assert_eq!(to.sql(&rows).await?.split('|').next(), Some("150"));
        let text = arrivage.run(&["preview", &path]).await?.expect(0);
        assert!(
            text.stdout.contains("whole file: 150 records"),
            "{}",
            text.stdout
        );
    }
    Ok(())
}

async fn a_table_is_made_of_the_types_that_the_file_states(to: Destination) -> Result<()> {
    let configuration = pipeline("avro", "avro", "create_table = true\n");
    let arrivage = Arrivage::new(&to.url(), &configuration)?;
    arrivage.file("in/rows.avro", fixture("rows-null.avro")?)?;
    arrivage.run(&["load", "in/rows.avro"]).await?.expect(0);
    let row = "SELECT id, price, tags, sizes FROM avro WHERE id = 8";
    let expect = match to {
        Destination::Postgres(_) => "8|-47.04|{\"é\",NULL,\"\\\"\"}|{8,-8}".replace("\"é\"", "é"),
        Destination::Sqlite(_) => "8|-47.04|[\"é\",null,\"\\\"\"]|[8,-8]".to_owned(),
    };
    assert_eq!(to.sql(row).await?, expect);
    Ok(())
}

async fn a_file_of_another_kind_fails(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE parquet (id bigint)").await?;
    to.sql("CREATE TABLE csv (id bigint)").await?;
    let configuration = pipeline("parquet", "parquet", "") + &pipeline("csv", "csv", "");
    let arrivage = Arrivage::new(&to.url(), &configuration)?;
    arrivage.file("in/a.parquet", "id\n1\n")?;
    arrivage.file("in/b.csv", fixture("maps.parquet")?)?;
    for (path, words) in [
        ("in/a.parquet", "neither Parquet nor Avro"),
        ("in/b.csv", "it is Parquet, and its pipeline reads text"),
    ] {
        let loaded = arrivage.run(&["load", "--json", path]).await?;
        let arrival = loaded.json().pop().unwrap_or_default();
        assert_eq!(arrival["error_code"], "unsupported", "{path}");
        let error = arrival["error"].as_str().unwrap_or_default();
        assert!(error.contains(words), "{error}");
        loaded.expect(3);
    }
    Ok(())
}

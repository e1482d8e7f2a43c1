//! The first thing a person tries: `samples/arrivage.toml` as it is, and a file dropped.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_testkit::eventually;
use arrivage_tests::{Arrivage, Destination, on_both};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

/// What the contract calls the columns of the two views.
const ARRIVALS: &str = "id, pipeline, url, store, bucket, key, etag, version_id, size, \
    last_modified, sequencer, state, attempts, fence, owner, lease_until, due_at, bytes_read, \
    records_loaded, records_rejected, checkpoint_records, checkpoint_offset, \
    duplicate_notifications, error_code, error, registered_at, started_at, finished_at";
const REJECTS: &str = "arrival_id, record, line, byte_offset, column_name, reason_code, reason, \
    raw, rejected_at";

on_both!(
    the_samples_load_and_so_does_what_is_dropped_later,
    a_partial_upload_is_not_loaded_before_it_has_its_name,
    the_history_can_be_read,
);

async fn the_samples_load_and_so_does_what_is_dropped_later(to: Destination) -> Result<()> {
    let arrivage = quick_start(&to)?;
    let _running = arrivage.start(&["run"])?;
    loaded(&to, 5).await;
    assert_eq!(
        to.sql("SELECT count(*), count(DISTINCT order_id) FROM orders")
            .await?,
        "502|502"
    );
    assert_eq!(
        to.sql("SELECT count(*), count(DISTINCT id) FROM events")
            .await?,
        "460|460"
    );
    assert_eq!(to.sql("SELECT count(*) FROM arrivage.rejects").await?, "9");
    let first = "SELECT customer, city, product, quantity, price, ship_on, batch, _record
        FROM orders WHERE order_id = 100001";
    let expect = "Mario Dvořák|São Paulo|Café moulu 250 g|7|19.28|2026-11-27|2026-11-20|1";
    assert_eq!(to.sql(first).await?, expect);

    arrivage.file(
        "inbox/orders-late.csv",
        "Order,Ordered at,Customer,City,Product,Quantity,Price EUR,Paid,Ship on,Note\r\n\
         7,2026-11-23T08:00:00Z,\"O'Hara, \"\"Kit\"\"\",,Tea,1,2.50,,,\"two\nlines\"",
    )?;
    loaded(&to, 6).await;
    let late = "SELECT customer, city, CASE WHEN paid THEN 'paid' ELSE 'owed' END, ship_on, note
        FROM orders WHERE batch = 'late'";
    assert_eq!(to.sql(late).await?, "O'Hara, \"Kit\"||owed||two\nlines");
    Ok(())
}

async fn a_partial_upload_is_not_loaded_before_it_has_its_name(to: Destination) -> Result<()> {
    let arrivage = quick_start(&to)?;
    let samples = samples();
    fs::remove_dir_all(arrivage.path("inbox"))?;
    fs::create_dir(arrivage.path("inbox"))?;
    let _running = arrivage.start(&["run"])?;
    eventually(SOON, "the ledger", async || {
        to.sql("SELECT * FROM arrivage.backlog").await.ok()
    })
    .await;

    let content = fs::read(samples.join("inbox/orders-2026-11-20.csv"))?;
    let partial = [
        "orders-a.csv.part",
        ".orders-a.csv",
        "~orders-a.csv",
        "orders-a.csv.tmp",
    ];
    for name in partial {
        arrivage.file(&format!("inbox/{name}"), &content)?;
    }
    // What is dropped after them arrives; so they have been seen and left alone.
    arrivage.file("inbox/orders-b.csv", &content)?;
    loaded(&to, 1).await;
    fs::rename(
        arrivage.path("inbox/orders-a.csv.part"),
        arrivage.path("inbox/orders-a.csv"),
    )?;
    loaded(&to, 2).await;
    assert_eq!(
        to.sql("SELECT key, records_loaded FROM arrivage.arrivals ORDER BY id")
            .await?,
        "orders-b.csv|200\norders-a.csv|200"
    );
    assert_eq!(to.sql("SELECT count(*) FROM arrivage.ignored").await?, "0");
    Ok(())
}

async fn the_history_can_be_read(to: Destination) -> Result<()> {
    let arrivage = quick_start(&to)?;
    let mut running = arrivage.start(&["run"])?;
    loaded(&to, 5).await;
    running.process.sigterm()?;
    let status = running.process.wait(SOON).await?;
    assert_eq!(status.code(), Some(0), "{}", running.process.output());

    let listed = arrivage
        .run(&["arrivals", "--json"])
        .await?
        .expect(0)
        .json();
    let ids: Vec<i64> = listed.iter().filter_map(|row| row["id"].as_i64()).collect();
    assert_eq!(ids, [5, 4, 3, 2, 1], "newest first");
    for row in &listed {
        assert_eq!(names(row), columns(ARRIVALS));
        assert_eq!(row["state"], "loaded");
        assert_eq!(row["attempts"], 1, "went through at once");
    }
    let bad = listed
        .iter()
        .find(|row| row["key"] == "orders-bad.csv")
        .context("it arrived")?;
    assert_eq!(
        (&bad["records_loaded"], &bad["records_rejected"]),
        (&2.into(), &9.into())
    );
    assert_eq!(
        (&bad["size"], &bad["bytes_read"]),
        (&1244.into(), &1244.into())
    );
    let id = bad["id"].to_string();

    let table = arrivage
        .run(&["arrivals", "--pipeline", "orders", "--limit", "2"])
        .await?
        .expect(0);
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].trim_start().starts_with("ID"), "{table}");
    assert!(
        lines[0].contains("STATE") && lines[1].contains("loaded"),
        "{table}"
    );
    arrivage
        .run(&["arrivals", "--key", "*-bad.*"])
        .await?
        .expect(0)
        .says("orders-bad.csv");
    let failed = arrivage
        .run(&["arrivals", "--state", "failed", "--json"])
        .await?
        .expect(0);
    assert_eq!(failed.stdout, "");

    let shown = arrivage.run(&["show", &id, "--json"]).await?.expect(0);
    assert_eq!(shown.json(), std::slice::from_ref(bad));
    arrivage
        .run(&["show", &id])
        .await?
        .expect(0)
        .says("orders-bad.csv");
    arrivage
        .run(&["show", "999"])
        .await?
        .expect(2)
        .says("there is no arrival 999");

    let rejects = arrivage
        .run(&["rejects", &id, "--json"])
        .await?
        .expect(0)
        .json();
    for row in &rejects {
        assert_eq!(names(row), columns(REJECTS));
        assert_eq!(row["arrival_id"].to_string(), id);
    }
    let found: Vec<String> = rejects.iter().map(place).collect();
    let expect = [
        r#"2 3 "quantity" "not_a_number""#,
        r#"3 4 "ship_on" "not_a_date""#,
        r#"4 5 null "ragged""#,
        r#"5 6 null "ragged""#,
        r#"6 7 "order_id" "missing""#,
        r#"7 8 "price" "out_of_range""#,
        r#"8 9 "paid" "not_a_boolean""#,
        r#"9 10 "ordered_at" "not_a_date""#,
        r#"10 11 null "open_quote""#,
    ];
    assert_eq!(found, expect);
    let file = fs::read(arrivage.path("inbox/orders-bad.csv"))?;
    for row in &rejects {
        let (raw, at) = (
            row["raw"].as_str().context("raw")?,
            row["byte_offset"].as_u64(),
        );
        let at = usize::try_from(at.context("byte_offset")?)?;
        assert!(file[at..].starts_with(raw.as_bytes()), "{row}");
    }
    arrivage
        .run(&["rejects", &id])
        .await?
        .expect(0)
        .says("perhaps");
    arrivage.run(&["rejects", "999"]).await?.expect(2);

    for (view, expect) in [("arrivals", ARRIVALS), ("rejects", REJECTS)] {
        assert_eq!(columns_of_view(&to, view).await?, columns(expect));
    }
    Ok(())
}

/// The samples in a directory of their own, with an HTTP port of their own. On SQLite nothing else
/// is said than the samples say.
fn quick_start(to: &Destination) -> Result<Arrivage> {
    let configuration = fs::read_to_string(samples().join("arrivage.toml"))?;
    let arrivage = Arrivage::verbatim(&(configuration + "\n[http]\nlisten = \"127.0.0.1:0\"\n"))?
        .env([("DATABASE_URL", to.url())]);
    for entry in fs::read_dir(samples().join("inbox"))? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a name")?;
        arrivage.file(&format!("inbox/{name}"), fs::read(entry.path())?)?;
    }
    Ok(arrivage)
}

#[tokio::test]
async fn without_a_word_about_the_database_it_lies_beside_the_configuration() -> Result<()> {
    let configuration = fs::read_to_string(samples().join("arrivage.toml"))?;
    let arrivage = Arrivage::verbatim(&configuration)?;
    arrivage.run(&["migrate"]).await?.expect(0);
    assert!(arrivage.path("arrivage.db").is_file());
    Ok(())
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples")
}

async fn loaded(to: &Destination, arrivals: i64) {
    eventually(SOON, &format!("{arrivals} loaded arrivals"), async || {
        let loaded = to
            .count("SELECT count(*) FROM arrivage.arrivals WHERE state = 'loaded'")
            .await;
        (loaded == arrivals).then_some(())
    })
    .await;
}

fn columns(text: &str) -> BTreeSet<String> {
    text.split(", ").map(str::to_owned).collect()
}

fn names(row: &Value) -> BTreeSet<String> {
    row.as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

fn place(reject: &Value) -> String {
    let part = |name: &str| reject[name].to_string();
    ["record", "line", "column_name", "reason_code"]
        .map(part)
        .join(" ")
}

async fn columns_of_view(to: &Destination, view: &str) -> Result<BTreeSet<String>> {
    let query = match to {
        Destination::Postgres(_) => format!(
            "SELECT column_name FROM information_schema.columns
             WHERE table_schema = 'arrivage' AND table_name = '{view}'"
        ),
        Destination::Sqlite(_) => format!("SELECT name FROM pragma_table_info('arrivage_{view}')"),
    };
    Ok(to.sql(&query).await?.lines().map(str::to_owned).collect())
}

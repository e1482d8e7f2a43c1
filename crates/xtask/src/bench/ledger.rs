//! `cargo xtask bench ledger`: what the exactly-once path costs; and in a ledger that has seen a lot,
//! how fast arrivals are registered, claimed and shown.

mod rates;

use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use xtask::postgres::sql;
use xtask::process::tied;

use super::data::Lineitem;
use super::{Bench, Load, ROUNDS, build, built, drop_database, median};

/// What the ledger holds while it is timed.
const LOADED: u64 = 1_000_000;
const WAITING: u64 = 100_000;
const CLAIMS: u64 = 5_000;

/// The advance without its writes, but for the last one, which says `loaded`.
const WITHOUT_WRITES: &str = "
    ALTER FUNCTION arrivage.advance RENAME TO advance_last;
    CREATE FUNCTION arrivage.advance(
      p_id bigint, p_fence bigint, p_lease uuid, p_from_records bigint, p_from_offset bigint,
      p_records bigint, p_offset bigint, p_bytes_read bigint, p_state text, p_loaded bigint,
      p_rejected bigint, p_reading text, p_last boolean, p_newest boolean
    ) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      IF p_last THEN
        PERFORM arrivage.advance_last(p_id, p_fence, p_lease, 0, 0, p_records, p_offset,
          p_bytes_read, p_state, p_loaded, p_rejected, p_reading, true, p_newest);
      END IF;
    END
    $$";

pub(crate) fn bench() -> Result<()> {
    build(&["--package", "arrivage-ledger", "--examples"])?;
    let bench = Bench::start()?;
    cost(&bench)?;
    claims(&bench)?;
    rates::bench(&bench)
}

/// The same load with and without the ledger's writes, in turn.
fn cost(bench: &Bench) -> Result<()> {
    let data = Lineitem::of("0.2", &bench.folder)?;
    let file = data.plain.display().to_string();
    let load = Load {
        what: &file,
        store: None,
        connections: 2,
        rows: data.rows,
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        with.push(bench.load(&load)?.time);
        without.push(bench.load_after(&load, WITHOUT_WRITES)?.time);
        println!("round {round} of {ROUNDS}");
    }
    let (with, without) = (median(&mut with), median(&mut without));
    println!(
        "{} rows, medians of {ROUNDS}: {:.2} s, without the ledger's writes {:.2} s: {:.3}",
        data.rows,
        with.as_secs_f64(),
        without.as_secs_f64(),
        with.as_secs_f64() / without.as_secs_f64()
    );
    Ok(())
}

/// Claims among a million loaded arrivals, then again while an old transaction keeps the vacuum
/// from removing what the claims leave behind.
fn claims(bench: &Bench) -> Result<()> {
    let url = full(bench)?;
    print(&url, "claims among them")?;
    let mut old = tied("psql");
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM arrivage.pipeline; \
                 SELECT pg_sleep(600)";
    let mut old = old
        .args(["-qX", &url, "-c", begin])
        .stdout(Stdio::null())
        .spawn()?;
    while sql(&url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'BEGIN ISOLATION%' AND wait_event = 'PgSleep'")?.trim() != "1" {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    print(&url, "under an old transaction")?;
    old.kill()?;
    old.wait()?;
    drop_database(&bench.url, &url)
}

/// A ledger with so many arrivals of the pipeline `orders`, and a hundred old ones of `few`.
fn full(bench: &Bench) -> Result<String> {
    let url = bench.migrated()?;
    sql(&url, "CREATE TABLE orders (n bigint)")?;
    let insert = |pipeline: &str, name: &str, state: &str, count: u64| {
        format!(
            "INSERT INTO arrivage.arrival (pipeline, store, bucket, key, etag, state, finished_at)
             SELECT '{pipeline}', 's3', 'drop', '{name}/' || n, 'e' || n, '{state}', now()
             FROM generate_series(1, {count}) n"
        )
    };
    sql(
        &url,
        "INSERT INTO arrivage.pipeline (name, max_attempts) VALUES ('orders', 5), ('few', 5)",
    )?;
    sql(&url, &insert("few", "few", "loaded", 100))?;
    sql(&url, &insert("orders", "old", "loaded", LOADED))?;
    sql(&url, &insert("orders", "new", "waiting", WAITING))?;
    sql(&url, "VACUUM ANALYZE arrivage.arrival")?;
    Ok(url)
}

fn print(url: &str, what: &str) -> Result<()> {
    let claimed = measured("claim_latency", &[url, &CLAIMS.to_string()])?;
    let [median, last, _] = claimed[..] else {
        bail!("claim_latency says {claimed:?}");
    };
    println!(
        "{LOADED} loaded, {WAITING} waiting, {CLAIMS} {what}: median {median} ms, \
         99th percentile {last} ms"
    );
    Ok(())
}

/// The numbers that an example of the ledger prints.
fn measured(example: &str, arguments: &[&str]) -> Result<Vec<f64>> {
    let output = tied(built("examples").join(example))
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{example}: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.split_whitespace().map(str::parse);
    numbers
        .collect::<Result<_, _>>()
        .with_context(|| format!("{example} says {text:?}"))
}

//! Registrations and claims a second, beside pgbench's simple update on the same server, in turn;
//! then how long the backlog and the history take to be shown.

use std::path::PathBuf;
use std::thread::sleep;

use anyhow::{Context, Result, bail, ensure};
use xtask::postgres::{program, sql};
use xtask::process::{PAUSE, tied};

use super::super::{Bench, ROUNDS, drop_database};
use super::{LOADED, WAITING, full, measured};

/// What a listing's page or `arrivage load` of a prefix registers in one transaction, and what the
/// messages of one answer of SQS do.
const BATCHES: [Batches; 2] = [
    Batches {
        what: "registrations, 500 at a time (a listing)",
        found_by: "listing",
        size: 500,
        count: 10,
    },
    Batches {
        what: "registrations, 10 at a time (SQS)",
        found_by: "message",
        size: 10,
        count: 100,
    },
];

const CLAIMS: u64 = 1_000;

/// pgbench's scale, its seconds in a round.
const SCALE: &str = "10";
const SECONDS: &str = "5";

/// How often the backlog and each page are asked for.
const LOOKS: &str = "51";

struct Batches {
    what: &'static str,
    found_by: &'static str,
    size: u64,
    count: u64,
}

/// What a round of each came to, a second.
#[derive(Default)]
struct Rates {
    updates: Vec<f64>,
    registrations: [Vec<f64>; BATCHES.len()],
    claims: Vec<f64>,
}

pub(super) fn bench(bench: &Bench) -> Result<()> {
    let ledger = full(bench)?;
    looks(&ledger, "after a vacuum")?;
    let updates = Updates::prepare(bench)?;
    for (flush, what) in [
        ("on", "every commit flushed, as PostgreSQL is installed"),
        ("off", "no commit flushed"),
    ] {
        set_flush(bench, flush)?;
        let mut rates = Rates::default();
        for round in 1..=ROUNDS {
            rates.updates.push(updates.run()?);
            for (batches, rates) in BATCHES.iter().zip(&mut rates.registrations) {
                rates.push(batches.run(&ledger)?);
            }
            let claimed = measured("claim_latency", &[&ledger, &CLAIMS.to_string()])?;
            rates
                .claims
                .push(*claimed.last().context("it says its rate")?);
            println!("round {round} of {ROUNDS}");
        }
        println!("{LOADED} loaded, {WAITING} and more waiting, medians of {ROUNDS}, {what}:");
        tell(rates);
    }
    looks(&ledger, "as the rounds left it")?;
    drop_database(&bench.url, &ledger)?;
    drop_database(&bench.url, &updates.url)
}

fn tell(mut rates: Rates) {
    let updates = median(&mut rates.updates);
    println!("  {:<44} {updates:8.0} a second", "pgbench -N, one client");
    let tell = |what: &str, rates: &mut [f64], bar: f64| {
        let rate = median(rates);
        println!(
            "  {what:<44} {rate:8.0} a second   {:.2} of pgbench's (bar: {bar})",
            rate / updates
        );
    };
    for (batches, rates) in BATCHES.iter().zip(&mut rates.registrations) {
        tell(batches.what, rates, 10.0);
    }
    tell("claims, one client, one at a time", &mut rates.claims, 0.5);
}

/// How long the backlog and pages of the history take to be shown.
fn looks(ledger: &str, when: &str) -> Result<()> {
    let looks = measured("look_latency", &[ledger, LOOKS])?;
    let [backlog, newest, middle, loaded, few] = looks[..] else {
        bail!("look_latency says {looks:?}");
    };
    println!(
        "{when}, medians of {LOOKS}: the backlog {backlog} ms; of the history fifty arrivals, the \
         newest {newest} ms, from its middle {middle} ms, the newest loaded {loaded} ms, those of a \
         pipeline with few {few} ms"
    );
    Ok(())
}

impl Batches {
    fn run(&self, ledger: &str) -> Result<f64> {
        let (size, count) = (self.size.to_string(), self.count.to_string());
        let registered = measured("register_rate", &[ledger, self.found_by, &size, &count])?;
        registered.first().copied().context("it says its rate")
    }
}

/// pgbench's simple update, on the ledger's server.
struct Updates {
    pgbench: PathBuf,
    url: String,
}

impl Updates {
    fn prepare(bench: &Bench) -> Result<Self> {
        let pgbench = program("pgbench")?;
        let url = bench.database()?;
        let made = tied(&pgbench)
            .args(["--initialize", "--quiet", "--scale", SCALE, &url])
            .output()?;
        ensure!(made.status.success(), "pgbench: {}", made.status);
        Ok(Self { pgbench, url })
    }

    fn run(&self) -> Result<f64> {
        let output = tied(&self.pgbench)
            .args(["--skip-some-updates", "--client", "1", "--time", SECONDS])
            .arg(&self.url)
            .output()?;
        ensure!(output.status.success(), "pgbench: {}", output.status);
        let text = String::from_utf8(output.stdout)?;
        let mut words = text.split_whitespace().skip_while(|word| *word != "tps");
        let rate = words.nth(2).context("pgbench says its rate")?;
        Ok(rate.parse()?)
    }
}

/// Whether the server waits for the disk; it does not otherwise, as in the tests.
fn set_flush(bench: &Bench, flush: &str) -> Result<()> {
    for name in ["fsync", "full_page_writes"] {
        sql(&bench.url, &format!("ALTER SYSTEM SET {name} = {flush}"))?;
    }
    sql(&bench.url, "SELECT pg_reload_conf()")?;
    while sql(&bench.url, "SHOW full_page_writes")? != flush {
        sleep(PAUSE);
    }
    sql(&bench.url, "CHECKPOINT")?;
    Ok(())
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}

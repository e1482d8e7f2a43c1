//! `cargo xtask bench resume`: a load that is killed when nine tenths of its object are loaded; how
//! long the next one takes to its first commit and to its end, beside a load from the start.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use xtask::postgres::sql;
use xtask::process::tied;

use super::data::Lineitem;
use super::{Bench, Load, Store, built, drop_database, median};

const ROUNDS: usize = 3;
const SOON: Duration = Duration::from_secs(120);
const MOMENT: Duration = Duration::from_millis(5);

pub(crate) fn bench() -> Result<()> {
    let bench = Bench::start()?;
    let data = Lineitem::of("1", &bench.folder)?;
    for (what, file) in [("plain", &data.plain), ("gzip", &data.gzip)] {
        let store = bench.store(&[file])?;
        let name = file.file_name().context("it has a name")?.to_string_lossy();
        let url = format!("s3://bench/{name}");
        let load = Load {
            what: &url,
            store: Some(&store),
            connections: 2,
            rows: data.rows,
        };
        let (mut whole, mut first, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            whole.push(bench.load(&load)?.time);
            let resumed = bench.resumed(&load, &store, file.metadata()?.len())?;
            first.push(resumed.first_commit);
            rest.push(resumed.end);
        }
        let whole = median(&mut whole);
        let ratio = |time: Duration| time.as_secs_f64() / whole.as_secs_f64();
        let (first, rest) = (median(&mut first), median(&mut rest));
        println!(
            "{what}, medians of {ROUNDS}: from the start {:.2} s; resumed at nine tenths, the first \
             commit after {:.2} s ({:.3}), the end after {:.2} s ({:.3})",
            whole.as_secs_f64(),
            first.as_secs_f64(),
            ratio(first),
            rest.as_secs_f64(),
            ratio(rest)
        );
    }
    Ok(())
}

struct Resumed {
    first_commit: Duration,
    end: Duration,
}

impl Bench {
    fn resumed(&self, load: &Load<'_>, store: &Store, size: u64) -> Result<Resumed> {
        let url = self.migrated()?;
        let configuration = self.configure(&url, Some(store), load.connections)?;
        let start = || {
            tied(built("arrivage"))
                .args(["load", load.what, "--config"])
                .arg(&configuration)
                .envs(store.environment())
                .stderr(Stdio::null())
                .spawn()
        };
        let read = || -> Result<u64> {
            let read = sql(
                &url,
                "SELECT coalesce(max(bytes_read), 0) FROM arrivage.arrivals",
            )?;
            Ok(read.trim().parse()?)
        };
        let wait = |enough: u64| -> Result<()> {
            let began = Instant::now();
            while read()? < enough {
                if began.elapsed() > SOON {
                    bail!("{} of {size} bytes are read after {SOON:?}", read()?);
                }
                sleep(MOMENT);
            }
            Ok(())
        };
        let mut killed = start()?;
        wait(size / 10 * 9)?;
        killed.kill()?;
        killed.wait()?;
        let before = read()?;
        ensure!(before < size, "it was loaded before it was killed");
        // Its backends are gone by then, and the end of its lease is not what is timed.
        sleep(Duration::from_secs(1));
        sql(
            &url,
            "UPDATE arrivage.arrival SET lease_until = clock_timestamp()",
        )?;
        let began = Instant::now();
        let mut resumed = start()?;
        wait(before + 1)?;
        let first_commit = began.elapsed();
        let ended = resumed.wait()?;
        let end = began.elapsed();
        ensure!(ended.success(), "the load fails: {ended}");
        self.expect(&url, load.rows)?;
        drop_database(&self.url, &url)?;
        Ok(Resumed { first_commit, end })
    }
}

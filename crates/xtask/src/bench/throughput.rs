//! `cargo xtask bench throughput`: a gzip'ed object in S3, every value of it validated, loaded
//! exactly once, beside `psql \copy` of the plain local file, and beside what else one would use.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use xtask::process::tied;
use xtask::venv::Venv;

use super::data::{Lineitem, tools};
use super::{Bench, Load, ROUNDS, median};

/// The program that its package brings, with further arguments.
const SLING: &str = "import os, sys, sling_linux_amd64 as sling; \
                     os.execv(sling.SLING_BIN, ['sling', *sys.argv[1:]])";

pub(crate) fn bench(peers: bool) -> Result<()> {
    let bench = Bench::start()?;
    let data = Lineitem::of("1", &bench.folder)?;
    let store = bench.store(&[&data.gzip])?;
    let object = "s3://bench/lineitem.csv.gz";
    let load = |connections| Load {
        what: object,
        store: Some(&store),
        connections,
        rows: data.rows,
    };
    let (mut copies, mut two, mut one) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        copies.push(bench.copy(&data.plain)?);
        two.push(bench.load(&load(2))?.time);
        one.push(bench.load(&load(1))?.time);
        println!("round {round} of {ROUNDS}");
    }
    let copy = median(&mut copies);
    println!("{} rows of lineitem, medians of {ROUNDS}:", data.rows);
    println!(
        "  {:<42} {:6.2} s",
        "psql \\copy, plain local file",
        copy.as_secs_f64()
    );
    let tell = |what: &str, time: Duration| {
        let (time, ratio) = (time.as_secs_f64(), time.as_secs_f64() / copy.as_secs_f64());
        println!("  {what:<42} {time:6.2} s   {ratio:.2} of psql \\copy");
    };
    tell("arrivage load, gzip in S3", median(&mut two));
    tell(
        "arrivage load, gzip in S3, connections = 1",
        median(&mut one),
    );
    if !peers {
        return Ok(());
    }
    println!("peers, one run each:");
    let aws = Venv::prepare()?.aws();
    let pipe = |url: &str| {
        let script = format!(
            "set -o pipefail; {} --endpoint-url {} s3 cp {object} - | gzip -dc | \
             psql -qX '{url}' -c '\\copy lineitem FROM STDIN CSV HEADER'",
            aws.display(),
            store.endpoint
        );
        let mut bash = tied("bash");
        bash.args(["-c", &script]).envs(store.environment());
        bash
    };
    tell(
        "aws s3 cp | gzip -dc | psql \\copy",
        bench.peer(&data, pipe)?,
    );
    let python = tools()?.python();
    let run = |url: &str| {
        let mut run = tied(&python);
        run.args(["-c", SLING, "run", "--mode", "truncate"])
            .args(["--src-stream", &format!("file://{}", data.gzip.display())])
            .args(["--tgt-conn", &format!("{url}?sslmode=disable")])
            .args(["--tgt-object", "public.lineitem"])
            .stdout(Stdio::null());
        run
    };
    tell("sling run, gzip, local file", bench.peer(&data, run)?);
    Ok(())
}

impl Bench {
    /// How long another program takes into a new table of the same kind.
    fn peer(
        &self,
        data: &Lineitem,
        command: impl FnOnce(&str) -> std::process::Command,
    ) -> Result<Duration> {
        let url = self.database()?;
        let mut command = command(&url);
        let started = Instant::now();
        let ended = command.stderr(Stdio::null()).status()?;
        let time = started.elapsed();
        ensure!(ended.success(), "{command:?}: {ended}");
        self.expect(&url, data.rows)?;
        Ok(time)
    }
}
